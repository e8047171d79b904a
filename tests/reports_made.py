# SPDX-License-Identifier: GPL-2.0-or-later
"""A report of a crash, with two stacks and what a kernel prints around them."""

import msgspec

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import (
    Access,
    Boot,
    Confidence,
    Fingerprint,
    Frame,
    Kernel,
    Module,
    Origin,
    Process,
    Report,
    ReportSeverity,
    Span,
    Stack,
    Taint,
)

BOOT_ID = "5f0c9a1e7b3d4c2fa6e8d1b90c4f7a25"
TEXT = (
    "BUG: KASAN: slab-use-after-free in nic_poll+0x5d/0x140 [nic]",
    "Read of size 8 at addr ffff8881054c0d40 by task netperf/812",
    "",
    "CPU: 1 PID: 812 Comm: netperf Tainted: G        W  OE      6.12.4-amd64 #1 Debian 6.12.4-1",
    "Hardware name: Example Rack 12/R12, BIOS 2.4 03/14/2025",
    "Call Trace:",
    " <TASK>",
    " dump_stack_lvl+0x5d/0x80",
    " print_report+0x16c/0x4f0",
    " kasan_report+0xda/0x110",
    " nic_poll+0x5d/0x140 [nic]",
    " ? nic_irq+0x40/0x40 [nic]",
    " __napi_poll+0x98/0x3a0",
    " net_rx_action+0x3f1/0x8a0",
    " handle_softirqs+0x18b/0x4f0",
    " </TASK>",
    "",
    "Freed by task 790:",
    " kasan_save_stack+0x33/0x60",
    " kfree+0x12a/0x3b0",
    " nic_close+0x71/0xc0 [nic]",
    " __dev_close_many+0x1a2/0x2f0",
    " do_syscall_64+0x82/0x190",
)
CALL_TRACE = Stack(
    "Call Trace",
    (
        Frame("dump_stack_lvl", 0x5D, 0x80, noise=True),
        Frame("print_report", 0x16C, 0x4F0, noise=True),
        Frame("kasan_report", 0xDA, 0x110, noise=True),
        Frame("nic_poll", 0x5D, 0x140, "nic"),
        Frame("nic_irq", 0x40, 0x40, "nic", reliable=False),
        Frame("__napi_poll", 0x98, 0x3A0),
        Frame("net_rx_action", 0x3F1, 0x8A0),
        Frame("handle_softirqs", 0x18B, 0x4F0),
    ),
)
FREED = Stack(
    "Freed by task 790",
    (
        Frame("kasan_save_stack", 0x33, 0x60, noise=True),
        Frame("kfree", 0x12A, 0x3B0, noise=True),
        Frame("nic_close", 0x71, 0xC0, "nic"),
        Frame("__dev_close_many", 0x1A2, 0x2F0),
        Frame("do_syscall_64", 0x82, 0x190),
    ),
)
REPORT = Report(
    id="5f0c9a1e-000005218310-1a2b3c4d",
    kind=CrashKind.KASAN.value,
    title="KASAN: slab-use-after-free Read in nic_poll",
    severity=ReportSeverity.ERROR,
    fingerprint=Fingerprint("1:0123456789abcdef", "1:89abcdef01234567", "1:fedcba9876543210"),
    crash_class="bad-access",
    function="nic_poll",
    module="nic",
    confidence=Confidence.HIGH,
    first_seen="2026-11-27T18:04:05.218310Z",
    last_seen="2026-11-27T18:04:05.231004Z",
    boot=Boot(BOOT_ID),
    seq=Span(1840, 1862),
    usec=Span(5_218_310, 5_231_004),
    origin=Origin.KMSG,
    process=Process("netperf", 812, cpu=1),
    kernel=Kernel(
        "6.12.4-amd64",
        "#1 Debian 6.12.4-1",
        arch="x86_64",
        taint=Taint("GWOE", ("WARN", "OOT_MODULE", "UNSIGNED_MODULE")),
        hardware="Example Rack 12/R12, BIOS 2.4 03/14/2025",
    ),
    modules=(Module("nic", "OE+"), Module("e1000"), Module("xfs")),
    access=Access("read", "kernel", "ffff8881054c0d40", 8),
    stacks=(CALL_TRACE, FREED),
    text=TEXT,
    context_before=("nic 0000:03:00.0 eth0: link down",),
)


def make_report(**facts: object) -> Report:
    """Return `REPORT` with other values of fields: ``make_report(kind="warning", count=3)``."""
    return msgspec.structs.replace(REPORT, **facts)
