# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses are hidden from readers who are not root, and nothing else is."""

import msgspec
import pytest

from klogd_py.record.report import Access, Frame, Kernel, Stack
from klogd_py.reports.hidden_addresses import without_addresses
from tests.reports_made import REPORT, make_report


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("at addr ffff8881054c0d40 by", "at addr (address) by"),
        (" [<ffffffff8119d0a1>] x+0x1/0x2", " [<(address)>] x+0x1/0x2"),
        ("EIP: c010b860 EBX: 00000000", "EIP: (address) EBX: (address)"),
        ("range: 0xffffffff80000000-0xffffffffbfffffff", "range: (address)-(address)"),
        (">ffff888004a3bf80: fb fb", ">(address): fb fb"),
        ("Code: 48 c7 c7 40 <0f> 0b", "Code: (hidden)"),
        ("nic_poll+0x5d/0x140 [nic]",) * 2,
        ("x+0x1234567/0x2345678",) * 2,
        ("#PF: error_code(0x0002) - not-present page",) * 2,
        ("nic_poll+0x1/0x2 [nic 852e63996474051c57bcd1a86ebfd81073083853]",) * 2,
        ("PID: 812 Comm: x 6.12.4-amd64 03/14/2025",) * 2,
    ],
)
def test_line_has_no_address_any_more(line: str, shown: str) -> None:
    hidden = without_addresses(make_report(text=(line,), context_before=(line,)))
    assert (hidden.text, hidden.context_before) == ((shown,), (shown,))


def test_facts_have_no_address_any_more() -> None:
    report = make_report(
        access=Access("read", "kernel", "ffff8881054c0d40", 8),
        kernel=Kernel("6.12.4", kaslr_offset="0x1a000000"),
        code="48 c7 c7",
        message="bad pointer ffff8881054c0d40",
        locks=("#0: ffff888100a1b2c8 (&dev->lock){+.-.}",),
        at="0xffff888100a1b2c8",
        stacks=(Stack("Allocated in 0xffff888100a1b2c8", (Frame("0xffff888100a1b2c8"),)),),
    )
    raw = msgspec.json.encode(without_addresses(report))
    for secret in (b"ffff8881", b"1a000000", b"48 c7"):
        assert secret not in raw


def test_other_facts_are_left_alone() -> None:
    hidden = without_addresses(make_report(text=(), context_before=(), access=None))
    assert hidden == make_report(text=(), context_before=(), access=None)
    assert hidden.fingerprint == REPORT.fingerprint
