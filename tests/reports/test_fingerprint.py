# SPDX-License-Identifier: GPL-2.0-or-later
"""The same crash has the same fingerprint; another one has not."""

import re
from collections.abc import Callable

import pytest

from klogd_py.record.report import Fingerprint
from klogd_py.reports.describe import describe
from tests.reports.raw_reports import raw_report, trace

CRASH = """\
BUG: unable to handle page fault for address: ffffc9001652fa68
CPU: 1 PID: 812 Comm: nicd Tainted: G        W          6.12.4-amd64 #1 Debian 6.12.4-1
RIP: 0010:nic_poll+0x1f/0x40 [nic]
RAX: 0000000000000018 RBX: ffff888012345678 RCX: 0000000000000000
Call Trace:
 ? show_regs+0x1/0x2
 nic_irq+0x2d/0x90 [nic]
 kfree+0x2d/0x90
 net_rx_action+0x17f/0x3a0
 __do_softirq+0x2d6/0x410
Modules linked in: nic(OE) ext4
"""


def fingerprint_of(text: str) -> Fingerprint:
    return describe(raw_report(text)).fingerprint


MUTATIONS: dict[str, Callable[[str], str]] = {
    "addresses": lambda text: text.replace("ffffc9001652fa68", "ffffc90077777777"),
    "process": lambda text: text.replace("PID: 812 Comm: nicd", "PID: 7 Comm: kworker/0:1"),
    "processor": lambda text: text.replace("CPU: 1", "CPU: 63"),
    "taint": lambda text: text.replace("Tainted: G        W         ", "Not tainted"),
    "version": lambda text: text.replace("6.12.4", "6.13.0"),
    "modules": lambda text: text.replace(" ext4", " xfs jfs"),
    "doubtful frames": lambda text: text.replace(" ? show_regs+0x1/0x2\n", ""),
    "offsets": lambda text: re.sub(r"\+0x\w+/0x\w+", "+0x5/0x99", text),
    "suffixes": lambda text: re.sub(r"(nic_\w+)\+", r"\1.isra.0+", text),
    "build ids": lambda text: text.replace(
        "[nic]", "[nic 852e63996474051c57bcd1a86ebfd81073083853]"
    ),
    "line ends": lambda text: text.replace("\n", "\r\n"),
    "registers": lambda text: text.replace("0000000000000018", "dead000000000122"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_fingerprint_stays_the_same_under_mutation(name: str) -> None:
    mutated = MUTATIONS[name](CRASH)
    assert mutated != CRASH
    assert fingerprint_of(mutated) == fingerprint_of(CRASH)


def test_fingerprint_names_version_of_rules() -> None:
    found = fingerprint_of(CRASH)
    for part in (found.issue, found.family, found.variant):
        assert re.fullmatch("1:[0-9a-f]{16}", part)
    assert len({found.issue, found.family, found.variant}) == 3


def test_other_function_is_other_issue() -> None:
    other = fingerprint_of(CRASH.replace("nic_poll", "nic_stop"))
    assert other.issue != fingerprint_of(CRASH).issue
    assert other.family != fingerprint_of(CRASH).family


def test_kinds_of_class_share_family() -> None:
    header = "general protection fault, probably for non-canonical address 0xdffffc0000000004"
    other = fingerprint_of(header + ": 0000 [#1] SMP\n" + CRASH.partition("\n")[2])
    assert other.family == fingerprint_of(CRASH).family
    assert other.issue != fingerprint_of(CRASH).issue


def test_other_caller_is_other_variant() -> None:
    other = fingerprint_of(CRASH.replace("nic_irq", "nic_timer"))
    assert other.issue == fingerprint_of(CRASH).issue
    assert other.variant != fingerprint_of(CRASH).variant


def test_stacks_of_noise_are_apart() -> None:
    header = "BUG: unable to handle page fault for address: ffffc9001652fa68\n"
    first = fingerprint_of(header + trace("memcpy", "kfree"))
    second = fingerprint_of(header + trace("memcpy", "mutex_lock"))
    assert first.issue != second.issue
    assert first == fingerprint_of(header + trace("memcpy", "kfree"))
