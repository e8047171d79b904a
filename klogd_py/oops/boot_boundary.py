# SPDX-License-Identifier: GPL-2.0-or-later
"""Detect where another boot begins in a stream of records.

The load address inferred for one boot does not hold for the next. A boot begins with the banner of
a kernel, or, without one, with a timestamp that runs back: by more than a second, which the clocks
of several processors never do, or to 0, which is printed only before the clock has started. Lines
end at line feeds and nowhere else.

Source of truth: init/main.c ``linux_banner``; kernel/printk/printk.c on ``local_clock``.
"""

import re

from msgspec import Struct

from klogd_py.oops.capture_line import banner_release, record_from_line
from klogd_py.oops.marker_search import MarkerSearch
from klogd_py.record.types import KERN, Record

BANNER = "Linux version "
_BANNERS = MarkerSearch((BANNER,))
_BACK_US = 1_000_000
_SECONDS = re.compile(rb"\[ *([0-9]{1,10})\.[0-9]{6}\]")
_ZEROS, _ZERO = b"0000]", b"0.000000]"
_RAW_LINE = re.compile(rb"[0-9]+,[0-9]+,[0-9]+,")
_LATER_RAW_LINE = re.compile(rb"\n" + _RAW_LINE.pattern)


class NextBoot(Struct, frozen=True):
    """A boot that begins with some record, and the release of its kernel, if that is known."""

    release: str | None = None


class BootBoundary:
    """Tells the boots of one stream apart. Mutable: the last timestamp."""

    def __init__(self, *, only_banners: bool = False) -> None:
        """``only_banners``: timestamps are not looked at."""
        self._only_banners = only_banners
        self._last_us = 0

    def detect(self, record: Record) -> NextBoot | None:
        """The boot that begins with this record; ``None`` if none does."""
        if record.facility != KERN:
            # A process can write a banner, too.
            return None
        last_us = self._last_us
        if record.usec is not None:
            self._last_us = record.usec
        if release := banner_release(record.text):
            return NextBoot(release)
        if record.usec is None or self._only_banners:
            return None
        is_back = record.usec < last_us - _BACK_US or (record.usec == 0 and last_us > 0)
        return NextBoot() if is_back else None

    def is_same_boot(self, text: bytes) -> bool:
        """Whether no boot begins in whole lines, as far as can be told without parsing each.

        All timestamps in the text are compared, by the second, which are more than those that
        count. A text with lines in the form of /dev/kmsg may always begin one.
        """
        if _BANNERS.is_any_in(text):
            return False
        if self._only_banners:
            return True
        seconds = list(map(int, _SECONDS.findall(text)))
        in_order = seconds == sorted(seconds) and (
            not seconds or seconds[0] >= self._last_us // 1_000_000
        )
        if not in_order or (_ZEROS in text and _ZERO in text):
            return False
        return not (_RAW_LINE.match(text) or _LATER_RAW_LINE.search(text))

    def skip(self, text: bytes) -> None:
        """Skip whole lines in which no boot begins."""
        if self._only_banners:
            return
        end = len(text) if _SECONDS.search(text) else 0
        while (bracket := text.rfind(b"]", 0, end)) >= 0:
            start, end = text.rfind(b"\n", 0, bracket) + 1, text.find(b"\n", bracket)
            record = record_from_line(text[start:end].decode("latin-1"))
            if record.usec is not None and record.facility == KERN:
                self._last_us = record.usec
                return
            end = start


def split_lines(piece: bytes) -> list[str]:
    """The lines of a piece of text without their line feeds, each byte a character."""
    return piece.decode("latin-1").removesuffix("\n").split("\n")
