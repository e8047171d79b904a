# SPDX-License-Identifier: GPL-2.0-or-later
"""Hide the addresses of the kernel in a text, from readers who may not see them."""

import re

HIDDEN = "(address)"

# Neither the offset and size of a symbol, nor a build id, nor an error code. Less than 0x10000 is
# no slide of KASLR either: it moves a kernel by 64 KiB or more.
_ADDRESS = re.compile(
    r"(?<![\w+/])(?:0x[0-9a-fA-F]{5,}|[0-9a-fA-F]{16}|[0-9a-fA-F]{8})(?!\w)"
    # No function is as long as that
    r"|(?<!\w)0x[0-9a-fA-F]{9,}(?!\w)"
)


def hide_addresses(text: str) -> str:
    """Return the text with `HIDDEN` in the place of each address."""
    return _ADDRESS.sub(HIDDEN, text)
