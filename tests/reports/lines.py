# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of crash reports, written by hand, and entries of them."""

from collections.abc import Iterable, Sequence

import msgspec

from klogd_py.oops.provenance import Origin
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Entry, Record
from klogd_py.reports.detection.detector import Detector
from klogd_py.reports.raw_report import RawReport, ReportLine

STEP_US = 100
NULL_DEREF = (
    "BUG: kernel NULL pointer dereference, address: 0000000000000040",
    "#PF: supervisor read access in kernel mode",
    "#PF: error_code(0x0000) - not-present page",
    "PGD 0 P4D 0",
    "Oops: 0000 [#1] PREEMPT SMP PTI",
    "CPU: 1 PID: 512 Comm: reader Not tainted 6.1.0-9-amd64 #1 Debian 6.1.27-1",
    "Hardware name: Example Rack 12/R12, BIOS 2.4 03/14/2025",
    "RIP: 0010:nic_read+0x1d/0x60 [nic]",
    "Code: 0f 1f 44 00 00 48 8b 07 <48> 8b 40 40 c3",
    "RSP: 0018:ffffb1c2c0b3fd90 EFLAGS: 00010246",
    "RAX: 0000000000000000 RBX: ffff9c5e42f1a000 RCX: 0000000000000000",
    "Call Trace:",
    " <TASK>",
    " nic_ioctl+0x8a/0x1f0 [nic]",
    " __x64_sys_ioctl+0x91/0xd0",
    " do_syscall_64+0x5b/0xc0",
    " </TASK>",
    "Modules linked in: nic(OE) loop",
    "CR2: 0000000000000040",
    "---[ end trace 0000000000000000 ]---",
    "RIP: 0010:nic_read+0x1d/0x60 [nic]",
)
WARNING = (
    "WARNING: CPU: 0 PID: 77 at drivers/net/nic.c:311 nic_stop+0x44/0x90 [nic]",
    "Modules linked in: nic(OE) loop",
    "CPU: 0 PID: 77 Comm: ip Not tainted 6.1.0-9-amd64 #1 Debian 6.1.27-1",
    "RIP: 0010:nic_stop+0x44/0x90 [nic]",
    "Call Trace:",
    " <TASK>",
    " nic_close+0x12/0x30 [nic]",
    " do_syscall_64+0x5b/0xc0",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
)
CUT_HERE = "------------[ cut here ]------------"
PANIC = (
    "Kernel panic - not syncing: Fatal exception",
    "Kernel Offset: 0x2e00000 from 0xffffffff81000000",
)
ORDINARY = "usb 1-1: new high-speed USB device number 4 using xhci_hcd"


def entries_of(
    texts: Iterable[str],
    *,
    start_us: int = 5_000_000,
    caller: str = "",
    prefix: int | None = 4,
    first_seq: int = 100,
) -> list[Entry]:
    """One entry for each text, `STEP_US` apart."""
    return [
        Entry(Record(text, prefix, first_seq + at, start_us + at * STEP_US, caller=caller), 0, text)
        for at, text in enumerate(texts)
    ]


def in_order(*parts: Sequence[Entry]) -> list[Entry]:
    """All entries by their stamps, with new sequence numbers."""
    merged = sorted(
        (entry for part in parts for entry in part), key=lambda one: one.record.usec or 0
    )
    return [
        msgspec.structs.replace(entry, record=msgspec.structs.replace(entry.record, seq=100 + at))
        for at, entry in enumerate(merged)
    ]


def detect(entries: Sequence[Entry], origin: Origin = Origin.RECORDS) -> list[RawReport]:
    """The reports in entries, each as it was at last, in the order of their headers."""
    detector = Detector(origin)
    found = detector.push(entries, range(len(entries)), 0.0) + detector.finish()
    latest = {(id(report.header.record), report.header.text): report for report in found}
    places = {id(entry.record): at for at, entry in enumerate(entries)}
    return sorted(latest.values(), key=lambda report: places[id(report.header.record)])


def texts_of(report: RawReport) -> list[str]:
    """The texts of the lines of a report."""
    return [line.text for line in report.lines]


def raw_report(kind: CrashKind, texts: Sequence[str]) -> RawReport:
    """A report of lines, the header first."""
    lines = tuple(ReportLine(entry.record, entry.text, 0) for entry in entries_of(texts))
    return RawReport(kind, lines)
