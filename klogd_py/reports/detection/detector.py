# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the lines of each crash in a stream of entries, those of each caller apart.

Without caller ids all lines are of one caller, and a header that comes before the end of a report
marks both as interleaved. Only what the kernel wrote counts. Nothing is held back: the entries go
on at once, and a report comes out when it has ended. One that is fatal comes out before, too, as
soon as its first frame is there, and each at a panic, since nothing may follow. A panic that is
only the consequence of a report comes out as that report once more.

A report is the same as another one if both have the same header record.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence

from msgspec import structs

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.provenance import Origin
from klogd_py.record.crash_kind import NOTES, CrashKind
from klogd_py.record.types import KERN, Entry, Severity
from klogd_py.reports.detection.headers import FoundHeader, find_header
from klogd_py.reports.detection.messages import Message, messages_of
from klogd_py.reports.detection.open_report import SILENCE_S, OpenReport, is_consequence
from klogd_py.reports.detection.recent_entries import RecentEntries
from klogd_py.reports.raw_report import RawReport

DEFAULT_KINDS = frozenset(CrashKind) - NOTES
MAX_OPEN = 64
# A panic is the consequence of a report that ended so few lines, and so short a time before it.
_CONSEQUENCE_LINES, _CONSEQUENCE_US = 200, 10_000_000
# Stacks that a person asks for follow (drivers/tty/sysrq.c); so written before 5.1
_REQUESTS = ("sysrq: ", "SysRq : ")
_CUT_HERE = ("[ cut here ]", "8<--- cut here")


class Detector:
    """Finds the reports in one stream. Mutable; times of any even clock.

    Size: the rules of where a report begins, goes on and ends.
    """

    def __init__(
        self,
        origin: Origin = Origin.RECORDS,
        kinds: Collection[CrashKind] = DEFAULT_KINDS,
    ) -> None:
        self._may_be_joined = origin is Origin.CAPTURE
        self._kinds = frozenset(kinds)
        # By host and caller, the oldest first
        self._open: dict[tuple[str, str], OpenReport] = {}
        self._recent = RecentEntries(may_be_joined=self._may_be_joined)
        # Hosts on which a fatal report has begun
        self._after_oops: set[str] = set()
        # The report that ended last, that of which host, and how many entries have come since
        self._last: OpenReport | None = None
        self._last_host = ""
        self._last_age = 0
        self._out: list[RawReport] = []

    @property
    def is_idle(self) -> bool:
        """Whether no report is open."""
        return not self._open

    @property
    def first_seq(self) -> int | None:
        """The lowest sequence number that an open report needs; ``None`` if none is open."""
        found = (report.first_seq for report in self._open.values())
        return min((seq for seq in found if seq is not None), default=None)

    def push(
        self, entries: Sequence[Entry], may_begin: Collection[int], now_s: float
    ) -> list[RawReport]:
        """Take entries; returns the reports that ended with them, or should be kept now.

        ``may_begin`` are the indices of those with which a report may begin: no other is looked at
        for that.
        """
        starts = [*sorted(may_begin), len(entries)]
        at = 0
        while at < len(entries):
            start = starts[bisect_left(starts, at)]
            if not self._open and at < start:
                # Most entries neither begin a report nor come while one is open.
                self._recent.extend(entries, at, start)
                self._last_age += start - at
                at = start
                continue
            self._last_age += 1
            self._observe(entries[at], at == start, now_s)
            at += 1
        return self._take_out()

    def tick(self, now_s: float) -> list[RawReport]:
        """Return the reports of which no line has come for `SILENCE_S`."""
        for key, report in list(self._open.items()):
            if now_s - report.last_s >= SILENCE_S:
                self._close(key)
        return self._take_out()

    def deadline(self) -> float | None:
        """When `tick` should be called at the latest; ``None`` if no report is open."""
        return min((report.last_s + SILENCE_S for report in self._open.values()), default=None)

    def snapshot(self) -> list[RawReport]:
        """Return what is there of all open reports, which stay open."""
        confirmed = (report for report in self._open.values() if report.is_confirmed)
        return [report.value(is_complete=False) for report in confirmed]

    def finish(self, next_boot: NextBoot | None = None) -> list[RawReport]:
        """Return all open reports: nothing follows, or another boot does.

        If it is that of a host, the reports of others stay open. If its kernel has not said so, the
        clocks of the processors may differ: then a report without its stack waits for one line.
        """
        host = "" if next_boot is None else next_boot.host
        is_certain = next_boot is None or next_boot.release is not None
        for key, report in list(self._open.items()):
            if host in ("", key[0]):
                report.may_be_cut = True
                if is_certain or report.has_stack:
                    self._close(key)
        self._recent.clear()
        self._last = None
        self._after_oops = self._after_oops - {host} if host else set()
        return self._take_out()

    def _take_out(self) -> list[RawReport]:
        out, self._out = self._out, []
        return out

    def _observe(self, entry: Entry, may_begin: bool, now_s: float) -> None:
        if entry.gap is not None:
            for report in self._open.values():
                report.truncated = True
            return
        record = entry.record
        if entry.is_own or record.facility != KERN:
            return
        may_begin = may_begin and (record.prefix is None or record.severity <= Severity.NOTICE)
        is_taken = False
        for message in messages_of(entry, may_be_joined=self._may_be_joined):
            is_taken |= self._take(message, may_begin, now_s)
        if not is_taken:
            self._recent.append(entry)

    def _take(self, message: Message, may_begin: bool, now_s: float) -> bool:
        """Add a message to its report, or begin one; returns whether it is in a report."""
        is_request = message.text.startswith(_REQUESTS)
        for key, report in list(self._open.items()):
            if key[0] == message.host and (is_request or report.is_late_at(message)):
                self._close(key)
        found = find_header(message.whole_text) if may_begin else None
        if found is not None and self._may_be_joined:
            # A capture may be cut behind a header, and nobody is called when it is read.
            found = structs.replace(found, may_be_name=False)
        if found is not None and found.kind not in self._kinds:
            found = None
        key = self._key_of(message)
        opened = self._open.get(key)
        if found is not None:
            self._begin(found, message, key, now_s)
            return True
        if opened is None:
            return False
        if any(words in message.text for words in _CUT_HERE):
            # Another report follows, to which this line belongs.
            opened.is_next_announced = True
        opened.add(message, now_s)
        self._check(key, opened)
        return not opened.is_next_announced

    def _key_of(self, message: Message) -> tuple[str, str]:
        """Whose report a message belongs to: a processor's may be a part of another's."""
        key = (message.host, message.caller)
        if key not in self._open and message.caller.startswith("C"):
            asking = [
                other
                for other, report in self._open.items()
                if report.takes_processors and other[0] == message.host
            ]
            return asking[-1] if asking else key
        return key

    def _begin(
        self, found: FoundHeader, message: Message, key: tuple[str, str], now_s: float
    ) -> None:
        """Add a header to the report that it continues, or open one."""
        is_panic = found.kind is CrashKind.PANIC and not found.may_be_name
        opened = self._open.get(key)
        if is_panic and opened is None and is_consequence(found.text):
            key, opened = self._report_before_panic(key, message)
        if opened is not None and opened.joins(found, message.text, message.caller):
            opened.add(message, now_s, is_header=True)
            if found.kind is CrashKind.HARD_LOCKUP:
                # The watchdog of kernels before 4.2 warned, and its message says of what.
                opened.kind = found.kind
            is_first_panic = is_panic and not opened.panicked
            opened.panicked = opened.panicked or is_panic
            self._check(key, opened, must_be_out=is_first_panic)
            return
        is_interleaved = False
        if opened is not None:
            is_interleaved = opened.is_cut and opened.is_confirmed and not key[1]
            opened.interleaved = opened.interleaved or is_interleaved
            self._close(key)
        elif len(self._open) >= MAX_OPEN:
            self._close(next(iter(self._open)))
        report = OpenReport(
            found,
            message,
            self._recent.lines_before(message),
            now_s,
            after_oops=self._had_oops(message.host),
        )
        report.interleaved = is_interleaved
        self._open[key] = report
        self._check(key, report, must_be_out=is_panic)

    def _had_oops(self, host: str) -> bool:
        """Whether a fatal report of a host has begun."""
        return host in self._after_oops or any(
            key[0] == host and report.is_fatal and report.is_confirmed
            for key, report in self._open.items()
        )

    def _report_before_panic(
        self, key: tuple[str, str], message: Message
    ) -> tuple[tuple[str, str], OpenReport | None]:
        """Return the newest report, which a panic is the consequence of, whoever prints it."""
        panic = message.text.lstrip()
        for newest in reversed(self._open):
            if newest[0] == message.host and self._open[newest].causes(panic):
                return newest, self._open[newest]
        last = self._last if self._last_host == message.host else None
        if last is None or self._last_age > _CONSEQUENCE_LINES or not last.causes(panic):
            return key, None
        if last.is_full:
            return key, None
        if (
            message.usec is not None
            and last.last_us is not None
            and abs(message.usec - last.last_us) > _CONSEQUENCE_US
        ):
            return key, None
        self._last = None
        self._open[key] = last
        return key, last

    def _check(self, key: tuple[str, str], report: OpenReport, must_be_out: bool = False) -> None:
        """Close a report that is over, and return one early that must not be lost."""
        if report.is_full:
            report.truncated = True
            self._close(key)
        elif report.is_over:
            self._close(key)
        elif must_be_out or report.should_be_out:
            report.is_out_early = True
            self._out.append(report.value(is_complete=False))

    def _close(self, key: tuple[str, str]) -> None:
        report = self._open.pop(key)
        report.truncated = report.truncated or (report.may_be_cut and report.lacks_stack)
        if report.is_confirmed:
            if report.is_fatal:
                self._after_oops.add(key[0])
            self._last, self._last_host, self._last_age = report, key[0], 0
            self._out.append(report.value(is_complete=True))
