# SPDX-License-Identifier: GPL-2.0-or-later
"""The messages of docs/user-strings.md: those of the kernel that contain a user's bytes."""

import re
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).parents[1] / "docs" / "user-strings.md"
_ROW = re.compile(
    r"\| (?P<ticks>`{1,2}) ?(?P<form>.+?) ?(?P=ticks) \| (?P<source>.+?) \| (?P<bytes>[\d, ]+) \| (?P<without>.+?) \|"  # noqa: E501
)
_FILLING = {
    "number": "12",
    "hex": "0xffffffff81000010",
    "word": "sda",
    "sym": "vfs_write+0x1d/0x40",
}


class Form(NamedTuple):
    """One message: its text with ``{user}`` in it, and its source file.

    ``limits`` are those of the user's strings in bytes, ``without`` names bytes that cannot be in
    them.
    """

    message: str
    source: str
    limits: tuple[int, ...]
    without: str

    def text(self, user: str) -> str:
        """The message with a user's bytes in it, cut and escaped as by the kernel."""
        text = re.sub(r"\{(number|hex|word|sym)\}", lambda found: _FILLING[found[1]], self.message)
        for limit in (
            *self.limits,
            *repeat(self.limits[-1], text.count("{user}") - len(self.limits)),
        ):
            text = text.replace("{user}", self._cut(user, limit), 1)
        # Printk keeps about as much
        return text[:1000].removesuffix("\n")

    def _cut(self, user: str, limit_bytes: int) -> str:
        unfit = "\0{}" + ("\n" if "feed" in self.without or "print" in self.without else "")
        unfit += "/: \n\t" if "blank" in self.without else ""
        cleaned = "".join(one for one in user if one not in unfit)
        return cleaned.encode("utf-8", "surrogateescape")[:limit_bytes].decode(
            "utf-8", "surrogateescape"
        )


def forms() -> Iterator[Form]:
    for line in DOCUMENT.read_text().splitlines():
        if found := _ROW.match(line):
            text = found["form"].replace("\\n", "\n").replace("\\t", "\t").replace("\\|", "|")
            limits = tuple(map(int, found["bytes"].split(", ")))
            yield Form(text, found["source"], limits, found["without"])


FORMS = list(forms())
