# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import msgspec
import pytest

from klogd_py.doctor import check_kernel_log
from klogd_py.doctor.finding import Level
from tests.doctor.machines import build, machine
from tests.documents import sink, status


def test_a_ring_whose_first_record_is_number_0_holds_the_whole_boot(tmp_path: Path) -> None:
    readable, ring = check_kernel_log.log(machine(build(tmp_path)))
    assert (readable.grade, ring.grade) == (Level.OK, Level.OK)
    assert "everything since the boot" in ring.words


def test_a_ring_that_has_overrun_is_named_with_its_loss_and_the_way_to_grow_it(
    tmp_path: Path,
) -> None:
    ring = check_kernel_log.log(machine(build(tmp_path, {"dev/kmsg": b"6,1200,5,-;text\n"})))[1]
    assert ring.grade is Level.WARN
    assert "0 to 1199" in ring.words
    assert "log_buf_len=" in ring.remedy


@pytest.mark.parametrize(("missed", "grade"), [(0, Level.OK), (7, Level.WARN)])
def test_a_ring_that_has_overrun_matters_only_if_the_daemon_came_too_late(
    tmp_path: Path, missed: int, grade: Level
) -> None:
    had = msgspec.structs.replace(sink(), gaps={"pre-start": missed})
    build(tmp_path, {"dev/kmsg": b"6,1200,5,-;text\n"})
    assert check_kernel_log.log(machine(tmp_path, daemon=status(had)))[1].grade is grade


def test_an_empty_ring_is_no_fault(tmp_path: Path) -> None:
    assert [
        finding.grade
        for finding in check_kernel_log.log(machine(build(tmp_path, {"dev/kmsg": b""})))
    ] == [
        Level.OK,
        Level.OK,
    ]


def test_without_any_interface_nothing_can_be_read(tmp_path: Path) -> None:
    (finding,) = check_kernel_log.log(machine(build(tmp_path, {"dev/kmsg": None})))
    assert (finding.grade, "No such file" in finding.words) == (Level.BAD, True)


def test_with_proc_kmsg_alone_losses_are_said_to_be_invisible(tmp_path: Path) -> None:
    (finding,) = check_kernel_log.log(
        machine(build(tmp_path, {"dev/kmsg": None, "proc/kmsg": b""}))
    )
    assert finding.grade is Level.WARN
    assert "losses cannot be seen" in finding.words


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_log_that_may_not_be_read_is_wrong(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "dev/kmsg").chmod(0)
    assert check_kernel_log.log(machine(tmp_path))[0].grade is Level.BAD


@pytest.mark.parametrize(
    ("mode", "grade"),
    [(b"on\n", Level.OK), (b"ratelimit\n", Level.WARN), (b"off\n", Level.WARN), (None, Level.OK)],
)
def test_what_the_kernel_drops_of_the_words_of_programs(
    tmp_path: Path, mode: bytes | None, grade: Level
) -> None:
    found = check_kernel_log.limits(
        machine(build(tmp_path, {"proc/sys/kernel/printk_devkmsg": mode}))
    )
    assert found[0].grade is grade
    assert ("sysctl -w kernel.printk_devkmsg=on" in found[0].remedy) == (grade is Level.WARN)
    assert "10 in 5 s" in found[1].words


@pytest.mark.parametrize(
    ("now_s", "grade"), [(0, Level.BAD), (1_577_836_799, Level.BAD), (1_577_836_801, Level.OK)]
)
def test_a_clock_that_stands_before_2020_has_not_been_set(
    tmp_path: Path, now_s: float, grade: Level
) -> None:
    assert check_kernel_log.clock(machine(build(tmp_path), now_s=now_s))[0].grade is grade


def test_a_clock_that_waits_for_its_servers_is_worth_a_look(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    assert check_kernel_log.clock(machine(build(tmp_path)))[0].grade is Level.WARN
    (tmp_path / "run/systemd/timesync/synchronized").touch()
    assert check_kernel_log.clock(machine(tmp_path))[0].grade is Level.OK
