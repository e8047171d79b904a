# SPDX-License-Identifier: GPL-2.0-or-later
"""Read where modules lie out of the frames of OpenWrt's kernels.

Without kallsyms these print ``0x8755d294 [mt7603e@87558000+0x6840]``: the address, the module that
contains it, its base and size. Since Linux 4.15 the base is a hash. A number is believed to be the
base only if it is that of a page and the address is within the size from there on, which is not so
by chance in all but one of a hundred million lines.

Source of truth: OpenWrt, target/linux/generic/pending-4.14/205-backtrace_module_info.patch.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

_PAGE_BYTES = 4096
_PLACE = re.compile(r"\b0x([0-9a-f]{5,16}) \[([\w-]{1,64})@([0-9a-f]{8,16})\+0x([0-9a-f]{1,8})\]")


class StatedBase(Struct, frozen=True, gc=False):
    """A module, the address at which its code begins, and the size of its allocation in bytes."""

    module: str
    address: int
    size: int


def stated_bases(line: str) -> Iterator[StatedBase]:
    """Yield the bases that the kernel states in a line, without those that may be hashes."""
    for found in _PLACE.finditer(line):
        address, base, size = int(found[1], 16), int(found[3], 16), int(found[4], 16)
        # A return address can be the first one behind the code
        if base % _PAGE_BYTES == 0 and base <= address <= base + size:
            yield StatedBase(found[2], base, size)
