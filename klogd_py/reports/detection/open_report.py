# SPDX-License-Identifier: GPL-2.0-or-later
"""Collect the lines of one report, until it ends."""

import re
from collections.abc import Sequence

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import ReportSeverity
from klogd_py.reports.detection import body_lines
from klogd_py.reports.detection.headers import FoundHeader, facts_of
from klogd_py.reports.detection.messages import Message
from klogd_py.reports.raw_report import RawReport, ReportLine

# So long no line comes: measured in 42,000 gaps within reports, 99.99 % are shorter than 0.9 s.
SILENCE_S = 2.0
_SILENCE_US = int(SILENCE_S * 1_000_000)
MAX_LINES = 2_000
# So many lines in a row that look like no part of a report end it; more of them before its
# stack, which a driver may tell about before the kernel prints it.
_MAX_UNRELATED, _MAX_UNRELATED_BEFORE_FRAMES = 12, 150
# A panic of these reasons says that something else has been reported before.
_CONSEQUENCE_PATTERN = re.compile(
    r"Kernel panic(?: - not syncing)?: (?:[\w.: ]{0,20}?panic_on_\w|Fatal exception|[Ff]atal (?:Machine|error)|hung_task: |softlockup: |hardlockup|Hard LOCKUP"  # noqa: E501
    r"|Oops|RCU Stall|[Bb]ad mode|Machine halted|[\w. -]{0,30}Attempted to kill|Aiee, |kasan\.fault|kfence\.fault|KASAN|panic_on)"  # noqa: E501
)
# init, or the idle task, died of an oops
_KILLED = "Attempted to kill"
# Reports of these end with a mark, so without it another one has begun among their lines.
_WITH_END_MARK = frozenset(
    (
        *(CrashKind.WARNING, CrashKind.BUG, CrashKind.NULL_DEREF, CrashKind.PAGE_FAULT),
        *(CrashKind.GENERAL_PROTECTION, CrashKind.DIVIDE_ERROR, CrashKind.OOPS),
        *(CrashKind.INTERNAL_ERROR, CrashKind.KASAN, CrashKind.KFENCE),
    )
)
# Between rules, of which the second one comes late, behind all that they know of an address
_WITH_BORDER = frozenset((CrashKind.KASAN, CrashKind.KFENCE))
# What a kernel prints next about the same thing: by the kind, a text in the other header.
_FOLLOWERS = {
    CrashKind.RUST_PANIC: "rust/helpers/bug.c",
    CrashKind.REFERENCE_LEAK: "fs/dcache.c",
    # Linux 6.15, also in 6.12: "mm/slub: call WARN() when detecting a slab corruption"
    CrashKind.SLUB: "mm/slub.c:",
}
# arch/powerpc/mm/fault.c prints it before the header of any fault at an address of a process
_BEFORE_FAULT = "Kernel attempted to "
_FAULTS = (CrashKind.NULL_DEREF, CrashKind.PAGE_FAULT)
# "** 93 printk messages dropped **"
_DROPPED = "printk messages dropped **"
_SENDS_NMI = ("Sending NMI from", "Sending NMI to")


def is_consequence(text: str) -> bool:
    """Whether a panic only follows on what has been reported before."""
    return _CONSEQUENCE_PATTERN.match(text) is not None


def is_consequence_of_report(text: str) -> bool:
    """Whether a panic says that only the crash before it is of interest: init may end by itself."""
    return is_consequence(text) and _KILLED not in text


class OpenReport:
    """A report that has begun and not ended. Mutable.

    ``last_us`` and ``last_s`` are when its last line was printed, and when that was read.

    Size: one attribute for each thing that later lines change.
    """

    def __init__(
        self,
        found: FoundHeader,
        message: Message,
        context: Sequence[ReportLine],
        now_s: float,
        *,
        after_oops: bool,
    ) -> None:
        self.found = found
        # A later line may tell more than the header
        self.kind = found.kind
        self.panicked = found.kind is CrashKind.PANIC
        # A line that another one should precede has come without it
        self.truncated = found.kind is CrashKind.SLUB and found.header.joins
        self.interleaved = False
        # The end mark was seen: what follows is what is printed behind it
        self.has_ended = False
        # Lines of what may be another report have come: those from here on belong to either
        self.is_next_announced = False
        # Other processors were asked for their stacks
        self.takes_processors = False
        self.last_us = message.usec
        self.last_s = now_s
        # Another boot seems to begin behind its last line
        self.may_be_cut = False
        self.is_out_early = False
        self._after_oops = after_oops
        self._context = tuple(context)
        self._lines = list(message.lines)
        self._part_count = len(self._lines)
        # A place in the code, which may be the program counter alone; a stack
        self._has_frames = self.has_stack = False

    @property
    def first_seq(self) -> int | None:
        """The lowest sequence number of its lines and of those before it; ``None`` without one."""
        lines = (*self._context, *self._lines[:1])
        return min((line.record.seq for line in lines if line.record.seq is not None), default=None)

    @property
    def is_full(self) -> bool:
        """Whether no more lines are taken."""
        return len(self._lines) >= MAX_LINES

    @property
    def is_over(self) -> bool:
        """Whether too many lines came that look like no part of it."""
        limit = _MAX_UNRELATED
        if not self.has_stack and not self.has_ended:
            limit = _MAX_UNRELATED_BEFORE_FRAMES
        return len(self._lines) - self._part_count >= limit

    @property
    def is_cut(self) -> bool:
        """Whether the mark with which reports of its kind end is missing."""
        if self.found.kind in _WITH_BORDER and self.has_stack:
            return False
        return self.found.kind in _WITH_END_MARK and not self.has_ended

    @property
    def lacks_stack(self) -> bool:
        """Whether the lines end before a stack, which reports of its kind have."""
        wants_stack = self.is_cut and "{function}" in self.found.header.title
        return wants_stack and not self.has_stack and not self.panicked

    @property
    def is_fatal(self) -> bool:
        """Whether the process, or the whole kernel, has ended with it."""
        return facts_of(self.found.kind).severity is ReportSeverity.FATAL

    @property
    def is_confirmed(self) -> bool:
        """Whether the kernel reports a crash, and not only something of a process with a name that
        looks like a header: it prints no place in the code then.
        """
        return self._has_frames or not self.found.may_be_name

    @property
    def should_be_out(self) -> bool:
        """Whether what is there should be kept now, since the machine may stop any moment."""
        return not self.is_out_early and self._has_frames and self.is_fatal

    def is_late_at(self, message: Message) -> bool:
        """Whether the stamp of a message is too far from its last line."""
        if message.usec is None or self.last_us is None:
            return False
        if self.may_be_cut:
            return not body_lines.is_part(message.text)
        return abs(message.usec - self.last_us) > _SILENCE_US

    def causes(self, panic: str) -> bool:
        """Whether a panic of any caller only follows on this report."""
        if _KILLED in panic and facts_of(self.found.kind).severity is not ReportSeverity.FATAL:
            return False
        return is_consequence(panic)

    def _warns_of_itself(self, found: FoundHeader, caller: str) -> bool:
        """Whether the interrupt that reports a stall, which nothing else interrupts, warns."""
        return (
            found.kind is CrashKind.WARNING
            and self.found.kind is CrashKind.RCU_STALL
            and not self._has_frames
            and bool(caller)
        )

    def joins(self, found: FoundHeader, text: str, caller: str) -> bool:
        """Whether another header of the same caller is a part of this report."""
        follower = _FOLLOWERS.get(self.found.kind)
        if follower is not None and not self.has_ended and follower in text:
            return True
        if self._warns_of_itself(found, caller):
            return True
        if found.kind in _FAULTS and self.found.text.startswith(_BEFORE_FAULT):
            return not self._has_frames
        if found.kind is CrashKind.PANIC:
            return not self.has_ended or self.causes(found.text)
        if not found.header.joins or self.has_ended:
            return False
        if found.kind in (CrashKind.SLUB, CrashKind.WARNING):
            return True
        if found.kind is CrashKind.HARD_LOCKUP:
            return "watchdog" in self._lines[0].text
        if self.interleaved:
            # It continues the other report, whose lines are here as well.
            return True
        severity = facts_of(self.found.kind).severity
        return severity in (ReportSeverity.FATAL, ReportSeverity.ERROR)

    def add(self, message: Message, now_s: float, *, is_header: bool = False) -> None:
        """Add a message."""
        self.last_s, self.may_be_cut = now_s, False
        if message.usec is not None:
            self.last_us = message.usec
        for line in message.lines:
            self._lines.append(line)
            text = line.text
            if is_header:
                self.is_next_announced = False
            if not self.is_next_announced and (is_header or body_lines.is_part(text)):
                self._part_count = len(self._lines)
                self._has_frames = self._has_frames or body_lines.is_frame(text)
                self.has_stack = self.has_stack or body_lines.is_stack_frame(text)
                self.truncated = self.truncated or _DROPPED in text
                if body_lines.is_end(text):
                    self.has_ended = True
                elif any(words in text for words in _SENDS_NMI):
                    self.takes_processors = True

    def value(self, *, is_complete: bool) -> RawReport:
        """Return what has been collected."""
        return RawReport(
            self.kind,
            tuple(self._lines[: self._part_count]),
            self._context,
            panicked=self.panicked,
            truncated=self.truncated,
            interleaved=self.interleaved,
            after_oops=self._after_oops,
            is_complete=is_complete,
        )
