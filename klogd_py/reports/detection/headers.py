# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise the first line of a report by how its text begins.

The rows are in `klogd_py.reports.detection.memory_headers` and
`klogd_py.reports.detection.state_headers`. A text in the middle of a line is never a header. Forms
of `klogd_py.oops.crash_signatures` are stricter, since symbols depend on them: here a whole report
follows, which shows more.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

from klogd_py.record.crash_kind import NOTES, CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import ReportSeverity
from klogd_py.reports.detection.header import Header, header
from klogd_py.reports.detection.memory_headers import MEMORY_HEADERS
from klogd_py.reports.detection.state_headers import NOTE_HEADERS, STATE_HEADERS

# A longer line is no header from here on
_MAX_CHARS = 1024
# Who printed it, by pr_fmt; at most one of them. Older kernels put a report's name into brackets.
_PRINTERS = ("rcu: ", "watchdog: ", "NMI watchdog: ", "traps: ", "[ ")
_NEVER_PATTERN = lazy_pattern(
    # What processes did, at an address of theirs
    r"general protection(?: fault)? (?:ip:|rip:|sp:)|traps: \S{1,64} general protection"
    # Watchdogs say that something took long, or is over
    r"|INFO: NMI handler |INFO: lockdep is turned off|INFO: Stall ended before"
    r"|INFO: recovery required"
    # Sub-line of KASAN
    r"|BUG [\w:.-]{1,64} \([^\n]{1,60}\): kasan: "
    # Prints the message again that is lost
    r"|\*\* replaying previous printk message \*\*",
    re.ASCII,
)
# Lines that begin with the name of a process, which its owner has chosen: "Kernel panic", "BUG: x".
# The name has at most 15 bytes, a line feed among them.
_OF_PROCESS_PATTERN = lazy_pattern(
    r"[\s\S]{1,15}?(?:"
    # mm/oom_kill.c, mm/page_alloc.c: dump_header(), warn_alloc()
    r" invoked oom-killer: |: page allocation failure\b"
    r"|: [^\n]{1,100}, mode:0x[0-9a-f]{1,8}\([^\n]{1,300}\), nodemask="
    # fs/hugetlbfs/inode.c, mm/mremap.c
    r"|: Using mlock ulimits for SHM_HUGETLB|: attempted to duplicate a private mapping"
    # Its number: "x[812] misaligned vsyscall", "x (812): drop_caches", but neither "Oops: 0000 [1]
    # SMP" nor alpha's "x(812): Oops 1" and "x(812): Kernel access [#1]"
    r"|\[\d{1,10}\](?!(?: [A-Z_]{2,20}){0,4}\s{0,4}\Z)"
    r"|\(\d{1,10}\)(?!: (?:Oops -?\d{1,10}|[\w ]{3,40} \[#\d{1,6}\])\s{0,4}\Z))",
    re.ASCII,
)
# The name of a process, and what the kernel writes behind it: ": ", "["
_MAX_NAME_CHARS = 15 + 2
_BUG_TEXT = header(CrashKind.BUG, "BUG: ", r"(?P<text>\S[^\n]{2,120})", "BUG: {text}")
HEADERS = (*MEMORY_HEADERS, *STATE_HEADERS, _BUG_TEXT)
_ALL = (*HEADERS, *NOTE_HEADERS)
_REPLAYED = "** replaying previous printk message **"


class FoundHeader(Struct, frozen=True):
    """A header in a text, and what the groups of its form have matched.

    ``text`` begins where the form does. ``may_be_name``: its first characters look like this
    header already, and may be the name of a process, of which the kernel says something.
    """

    header: Header
    values: Mapping[str, str]
    text: str
    may_be_name: bool = False

    @property
    def kind(self) -> CrashKind:
        """What happened."""
        return self.header.kind


def find_header(text: str) -> FoundHeader | None:
    """Return the header that a message begins with; ``None`` for other ones.

    Blanks before it, and the name of who printed it, are left out. ``text`` is the whole message:
    its other lines tell whether the first one is only the name of a process, with a line feed.
    """
    if _REPLAYED in text:
        return None
    whole = text[:_MAX_CHARS].lstrip()
    for printer in _PRINTERS:
        if whole.startswith(printer):
            whole = whole.removeprefix(printer)
            break
    text = whole.partition("\n")[0]
    if _NEVER_PATTERN.match(text):
        return None
    for row in _ALL:
        if not text.startswith(row.beginning):
            continue
        found = row.pattern.match(text)
        if found is None:
            continue
        may_be_name = row.pattern.match(text[:_MAX_NAME_CHARS]) is not None
        if may_be_name and row.kind not in NOTES and _OF_PROCESS_PATTERN.match(whole):
            continue
        values = {key: value or "" for key, value in found.groupdict().items()}
        return FoundHeader(row, values, text, may_be_name)
    return None


class KindFacts(Struct, frozen=True):
    """What holds for all reports of a kind: kinds of one class may be the same bug."""

    crash_class: str
    severity: ReportSeverity


_FATAL, _ERROR = ReportSeverity.FATAL, ReportSeverity.ERROR
_WARNING, _HANG = ReportSeverity.WARNING, ReportSeverity.HANG
_KIND = CrashKind
_FACTS = {
    _KIND.KASAN: KindFacts("bad-access", _ERROR),
    _KIND.KMSAN: KindFacts("bad-access", _ERROR),
    _KIND.KCSAN: KindFacts("data-race", _WARNING),
    _KIND.KFENCE: KindFacts("bad-access", _ERROR),
    _KIND.UBSAN: KindFacts("ubsan", _WARNING),
    _KIND.NULL_DEREF: KindFacts("bad-access", _FATAL),
    _KIND.PAGE_FAULT: KindFacts("bad-access", _FATAL),
    _KIND.GENERAL_PROTECTION: KindFacts("bad-access", _FATAL),
    _KIND.STACK_SEGMENT: KindFacts("bad-access", _FATAL),
    _KIND.DIVIDE_ERROR: KindFacts("divide-error", _FATAL),
    _KIND.INT3: KindFacts("int3", _FATAL),
    _KIND.INVALID_OPCODE: KindFacts("invalid-opcode", _FATAL),
    _KIND.DOUBLE_FAULT: KindFacts("double-fault", _FATAL),
    _KIND.STACK_OVERFLOW: KindFacts("stack-overflow", _FATAL),
    _KIND.INTERNAL_ERROR: KindFacts("bad-access", _FATAL),
    _KIND.UNHANDLED_FAULT: KindFacts("bad-access", _FATAL),
    _KIND.ALIGNMENT: KindFacts("alignment", _FATAL),
    _KIND.OOPS: KindFacts("oops", _FATAL),
    _KIND.BUG: KindFacts("bug", _FATAL),
    _KIND.WARNING: KindFacts("warning", _WARNING),
    _KIND.LOCKDEP: KindFacts("deadlock", _WARNING),
    _KIND.INCONSISTENT_LOCK: KindFacts("deadlock", _WARNING),
    _KIND.LOCK_STATE: KindFacts("lock-state", _WARNING),
    _KIND.LOCK_KEY: KindFacts("lock-key", _WARNING),
    _KIND.SUSPICIOUS_RCU: KindFacts("suspicious-rcu", _WARNING),
    _KIND.SPINLOCK: KindFacts("spinlock", _ERROR),
    _KIND.ATOMIC_SLEEP: KindFacts("atomic-sleep", _ERROR),
    _KIND.PREEMPTIBLE: KindFacts("preemptible", _WARNING),
    _KIND.BAD_PAGE: KindFacts("bad-page", _ERROR),
    _KIND.RSS_COUNTER: KindFacts("rss-counter", _ERROR),
    _KIND.SLUB: KindFacts("slub", _ERROR),
    _KIND.MEMORY_LEAK: KindFacts("memory-leak", _WARNING),
    _KIND.REFERENCE_LEAK: KindFacts("reference-leak", _ERROR),
    _KIND.WORKQUEUE_LEAK: KindFacts("workqueue-leak", _ERROR),
    _KIND.SOFT_LOCKUP: KindFacts("stall", _HANG),
    _KIND.HARD_LOCKUP: KindFacts("stall", _HANG),
    _KIND.RCU_STALL: KindFacts("stall", _HANG),
    _KIND.HUNG_TASK: KindFacts("hang", _HANG),
    _KIND.WORKQUEUE_LOCKUP: KindFacts("workqueue-lockup", _HANG),
    _KIND.PANIC: KindFacts("panic", _FATAL),
    _KIND.RUST_PANIC: KindFacts("rust-panic", _FATAL),
    _KIND.IRQ_IGNORED: KindFacts("note", _WARNING),
    _KIND.ALLOCATION_FAILURE: KindFacts("note", _WARNING),
    _KIND.MACHINE_CHECK: KindFacts("note", _ERROR),
    _KIND.OOM_KILL: KindFacts("note", _WARNING),
}


def facts_of(kind: CrashKind) -> KindFacts:
    """Return what holds for all reports of a kind."""
    return _FACTS[kind]
