# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.doctor import check_forged_crashes
from klogd_py.doctor.finding import Finding, Level
from tests.doctor.machines import host_of, write_machine

NULL_DEREF = b"BUG: kernel NULL pointer dereference, address: 0000000000000008"
FORGED = b"12,812,5000000,-;" + NULL_DEREF + b"\n"


def found_in(root: Path, log: bytes) -> list[Finding]:
    return check_forged_crashes.check_forged_crashes(
        host_of(write_machine(root, {"dev/kmsg": log}))
    )


def test_crash_written_by_a_program_is_explained(tmp_path: Path) -> None:
    (finding,) = found_in(tmp_path, b"6,811,1,-;eth0: up\n SUBSYSTEM=net\n" + FORGED)
    assert finding.level is Level.WARNING
    assert "1 line of programs in the kernel's log looks like a crash" in finding.words
    assert "klogd-py reports decode" in finding.remedy


@pytest.mark.parametrize(
    "log",
    [
        b"",
        # The kernel's own
        b"4,812,5000000,-;" + NULL_DEREF + b"\n",
        b"30,812,5000000,-;systemd[1]: Started a service.\n",
        # In the text, and in the dictionary, of another record
        b"30,812,5000000,-;I saw BUG: kernel NULL pointer dereference\n",
        b"30,812,5000000,-;x\n 12,1,1,-;" + NULL_DEREF + b"\n",
        b"no record\n\0\xff;" + NULL_DEREF,
    ],
)
def test_other_lines_are_no_test_of_crashes(tmp_path: Path, log: bytes) -> None:
    assert found_in(tmp_path, log) == []


def test_all_forged_lines_of_long_log_are_counted(tmp_path: Path) -> None:
    ordinary = b"".join(b"6,%d,1,-;usb 1-1: new device\n" % number for number in range(2000))
    (finding,) = found_in(tmp_path, (ordinary + FORGED) * 3)
    assert "3 lines of programs in the kernel's log look like a crash" in finding.words


@pytest.mark.parametrize(
    ("files", "is_offered"),
    [
        ({}, False),
        ({"lib/modules/6.1.0/modules.dep": b"kernel/drivers/misc/lkdtm/lkdtm.ko.xz:\n"}, True),
        ({"sys/kernel/debug/provoke-crash/DIRECT": b""}, True),
    ],
)
def test_harmless_warning_is_offered_where_possible(
    tmp_path: Path, files: dict[str, bytes], is_offered: bool
) -> None:
    host = host_of(write_machine(tmp_path, {**files, "dev/kmsg": FORGED}))
    (finding,) = check_forged_crashes.check_forged_crashes(host)
    assert ("echo WARNING" in finding.remedy) == is_offered
