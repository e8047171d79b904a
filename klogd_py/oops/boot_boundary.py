# SPDX-License-Identifier: GPL-2.0-or-later
"""Detect where another boot begins in a stream of records.

The load address inferred for one boot does not hold for the next. A boot begins with the banner of
a kernel and behind the line that journalctl prints between two boots, or, without them, with a
timestamp that runs back, as `klogd_py.oops.stamp_order` says. In a log whose newest line is first,
a boot ends with its banner. The stamps of each host that lines state are compared apart, as in the
file of a syslog daemon that receives from several; where a host is first seen, with those before.
Lines end at line feeds and nowhere else.

Source of truth: init/main.c ``linux_banner``; src/journal/journalctl.c of systemd.
"""

import re
from copy import copy
from itertools import groupby

from msgspec import Struct

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.marker_search import MarkerSearch
from klogd_py.oops.stamp_order import StampOrder
from klogd_py.record.types import KERN, Record

BANNER = "Linux version "
# journalctl prints these between two boots
_BORDER = re.compile(r"-- (?:Boot [0-9a-f]{32}|Reboot) --$")
_BORDER_MARKERS = ("-- Boot ", "-- Reboot ")
BEGINNING_MARKERS = (BANNER, *_BORDER_MARKERS)
_BEGINNINGS = MarkerSearch(BEGINNING_MARKERS)
_RELEASE = re.compile(r"\s*Linux version (\d+\.\d+\S*) \(")
# Every stamp that `klogd_py.line_prefix` reads, and more
_SECONDS = re.compile(rb"\[ *([0-9]{1,10})\.[0-9]{6}[]s@ ]")
# The stamp of the first lines, and its end, for which a search is faster
_ZERO, _ZEROS = b"0.000000]", b"0000]"
_RAW_LINE = re.compile(rb"[0-9]+,[0-9]+,[0-9]+,")
# Hosts whose stamps are remembered
_MAX_HOSTS = 1024
_LATER_RAW_LINE = re.compile(rb"\n" + _RAW_LINE.pattern)


def banner_release(text: str) -> str | None:
    """Return the release in the banner of a kernel, which begins another boot.

    ``None`` for any other text.
    """
    found = _RELEASE.match(text) if BANNER in text else None
    return found[1] if found else None


class NextBoot(Struct, frozen=True):
    """A boot that begins with some record.

    ``release`` is that of its kernel, if that is known; ``host`` the machine that boots, empty if
    none is stated.
    """

    release: str | None = None
    host: str = ""


class BootBoundary:
    """Tells the boots of one stream apart. Mutable: the order of the timestamps of each host."""

    def __init__(self, *, only_banners: bool = False) -> None:
        """``only_banners``: timestamps are not looked at."""
        self._only_banners = only_banners
        # Of the host whose records come now, which is empty as long as none is stated
        self._order, self._host = StampOrder(), ""
        # Of the other hosts
        self._others: dict[str, StampOrder] = {}
        # A banner has ended a boot of a log whose newest line is first
        self._has_ended = False

    def detect(self, record: Record) -> NextBoot | None:
        """The boot that begins with this record; ``None`` if none does."""
        if record.facility != KERN:
            # A process can write a banner, too.
            return None
        usec = None if self._only_banners else record.usec
        host = _host_of(record)
        self._turn_to(host)
        if _is_border(record):
            self._order.begin_boot(None)
            return NextBoot()
        begins = usec is not None and self._order.observe(usec)
        if self._has_ended:
            self._has_ended, begins = False, True
            self._order.begin_boot(usec)
        if release := banner_release(record.text):
            if not self._order.is_reversed:
                self._order.begin_boot(usec)
                return NextBoot(release, host)
            self._has_ended = True
        return NextBoot(host=host) if begins else None

    def observe_run(self, records: list[Record], texts: list[str]) -> bool:
        """Take note of records and their texts, with none of which a boot begins.

        Returns whether that is seen at once: otherwise each is to be looked at.
        """
        if self._has_ended or _BEGINNINGS.is_any_in("\n".join(texts).encode("utf-8", "replace")):
            return False
        if any(map(self._is_other_host, records)):
            return False
        return self._only_banners or self._order.observe_run(
            [
                record.usec
                for record in records
                if record.usec is not None and (record.prefix or 0) >> 3 == KERN
            ]
        )

    def is_same_boot(self, text: bytes, *, may_have_marker: bool = True) -> bool:
        """Whether no boot begins in whole lines, as far as can be told without parsing each.

        All timestamps in the text are compared, by the second, which are more than those that
        count. A text with lines in the form of /dev/kmsg may always begin one. Unless
        ``may_have_marker`` neither these nor banners are in it.
        """
        if self._has_ended or (may_have_marker and _BEGINNINGS.is_any_in(text)):
            return False
        if self._only_banners:
            return True
        if self._others and not self._is_of_host(text):
            return False
        # Most neighbours share their second.
        seconds = [int(second) for second, _ in groupby(_SECONDS.findall(text))]
        if not self._order.is_in_order(seconds) or _has_zero(text):
            return False
        is_raw = may_have_marker and (_RAW_LINE.match(text) or _LATER_RAW_LINE.search(text))
        return not is_raw

    def skip(self, text: bytes) -> None:
        """Skip whole lines in which no boot begins."""
        if self._only_banners:
            return
        if not _SECONDS.search(text):
            return
        found = _last_usec(text)
        if found is not None:
            self._order.skip(found, lambda: _first_usec(text, found))

    def _turn_to(self, host: str) -> None:
        """Compare with the stamps of this host from now on; with the last if none is stated."""
        if not host or host == self._host:
            return
        if self._host:
            if len(self._others) >= _MAX_HOSTS:
                self._others.clear()
            self._others[self._host] = self._order
            is_known = host in self._others
            self._order = self._others.pop(host) if is_known else copy(self._order)
        self._host = host

    def _is_other_host(self, record: Record) -> bool:
        machine = record.machine
        return machine is not None and machine.host not in ("", self._host)

    def _is_of_host(self, text: bytes) -> bool:
        """Whether each line of a text seems to state the host whose records come now."""
        stated = b" %s " % self._host.encode("utf-8", "surrogateescape")
        return text.count(stated) >= text.count(b"\n")


def _host_of(record: Record) -> str:
    return record.machine.host if record.machine is not None else ""


def _is_border(record: Record) -> bool:
    """Whether a line is that of journalctl between two boots, which no prefix precedes."""
    return not record.head and record.usec is None and _BORDER.match(record.text) is not None


def _has_zero(text: bytes) -> bool:
    """Whether a stamp of 0 is in a text: ``[    0.000000]``, but not ``[   10.000000]``."""
    at = text.find(_ZERO) if _ZEROS in text else -1
    while at > 0 and text[at - 1 : at].isdigit():
        at = text.find(_ZERO, at + 1)
    return at >= 0


def _last_usec(text: bytes) -> int | None:
    """Return the last timestamp of the kernel in whole lines."""
    end = len(text)
    while (bracket := text.rfind(b"]", 0, end)) >= 0:
        start, end = text.rfind(b"\n", 0, bracket) + 1, text.find(b"\n", bracket)
        usec = _usec_of(text[start:end])
        if usec is not None:
            return usec
        end = start
    return None


def _first_usec(text: bytes, default: int) -> int:
    """Return the first timestamp of the kernel in whole lines."""
    start = 0
    while (bracket := text.find(b"]", start)) >= 0:
        start, end = text.rfind(b"\n", 0, bracket) + 1, text.find(b"\n", bracket)
        usec = _usec_of(text[start:end])
        if usec is not None:
            return usec
        start = end
    return default


def _usec_of(line: bytes) -> int | None:
    record = read_line(line.decode("latin-1"))
    return record.usec if record.facility == KERN else None


def split_lines(piece: bytes) -> list[str]:
    """The lines of a piece of text without their line feeds, each byte a character."""
    return piece.decode("latin-1").removesuffix("\n").split("\n")
