"""Where in a stream of records does another boot begin?

What one boot has shown of its kernel's place does not hold for the next. A boot begins with the banner of a kernel, or, where
that is missing, with a stamp that runs back: by more than a second, which the clocks of several processors never do, or to 0,
which is printed only before the clock has started. Lines end at line feeds and nowhere else.

Source of truth: init/main.c ``linux_banner``; kernel/printk/printk.c on ``local_clock``.
"""

from klogd_py.record import KERN, Record
from klogd_py.traces import banner_release

_BACK_US = 1_000_000


class Boots:
    """Tells the boots of one stream apart. Mutable: the last stamp."""

    def __init__(self) -> None:
        self._last_us = 0

    def begins(self, record: Record) -> str | None:
        """The release of the kernel whose boot begins with this record, empty if it is not told; ``None`` if none begins."""
        if record.facility != KERN:
            return None  # a process can write a banner, too
        last_us = self._last_us
        if record.usec is not None:
            self._last_us = record.usec
        if release := banner_release(record.text):
            return release
        back = record.usec is not None and (record.usec < last_us - _BACK_US or (record.usec == 0 and last_us > 0))
        return "" if back else None


def lines_of(piece: bytes) -> list[str]:
    """The lines of a piece of text without their line feeds, each byte a character."""
    return piece.decode("latin-1").removesuffix("\n").split("\n")
