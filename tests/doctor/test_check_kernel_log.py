# SPDX-License-Identifier: GPL-2.0-or-later
import os
import pty
from pathlib import Path

import msgspec
import pytest

from klogd_py.doctor import check_kernel_log
from klogd_py.doctor.finding import Level
from tests.doctor.machines import host_of, write_machine
from tests.documents import sink, status


def test_ring_from_record_0_is_complete(tmp_path: Path) -> None:
    readable, ring = check_kernel_log.check_kernel_log(host_of(write_machine(tmp_path)))
    assert (readable.level, ring.level) == (Level.OK, Level.OK)
    assert "all records since boot" in ring.words


def test_overrun_ring_reports_loss_and_remedy(
    tmp_path: Path,
) -> None:
    ring = check_kernel_log.check_kernel_log(
        host_of(write_machine(tmp_path, {"dev/kmsg": b"6,1200,5,-;text\n"}))
    )[1]
    assert ring.level is Level.WARNING
    assert "0 to 1199" in ring.words
    assert "log_buf_len=" in ring.remedy


@pytest.mark.parametrize(("missed", "level"), [(0, Level.OK), (7, Level.WARNING)])
def test_overrun_warns_only_if_daemon_missed_records(
    tmp_path: Path, missed: int, level: Level
) -> None:
    had = msgspec.structs.replace(sink(), gaps={"pre-start": missed})
    write_machine(tmp_path, {"dev/kmsg": b"6,1200,5,-;text\n"})
    assert (
        check_kernel_log.check_kernel_log(host_of(tmp_path, daemon=status(had)))[1].level is level
    )


def test_empty_ring_buffer_gives_only_ok_findings(tmp_path: Path) -> None:
    assert [
        finding.level
        for finding in check_kernel_log.check_kernel_log(
            host_of(write_machine(tmp_path, {"dev/kmsg": b""}))
        )
    ] == [
        Level.OK,
        Level.OK,
    ]


def test_missing_kmsg_interfaces_are_an_error(tmp_path: Path) -> None:
    (finding,) = check_kernel_log.check_kernel_log(
        host_of(write_machine(tmp_path, {"dev/kmsg": None}))
    )
    assert (finding.level, "No such file" in finding.words) == (Level.ERROR, True)


def test_proc_kmsg_alone_warns_of_invisible_losses(tmp_path: Path) -> None:
    (finding,) = check_kernel_log.check_kernel_log(
        host_of(write_machine(tmp_path, {"dev/kmsg": None, "proc/kmsg": b""}))
    )
    assert finding.level is Level.WARNING
    assert "losses cannot be seen" in finding.words


def test_a_log_without_read_permission_is_an_error(tmp_path: Path) -> None:
    host = host_of(write_machine(tmp_path))
    (tmp_path / "dev/kmsg").chmod(0)
    user = os.geteuid()
    if user == 0:
        # Root may read everything
        os.seteuid(65534)
    try:
        (finding,) = check_kernel_log.check_kernel_log(host)
    finally:
        os.seteuid(user)
    assert finding.level is Level.ERROR
    assert "Permission denied" in finding.words


@pytest.mark.parametrize(
    ("mode", "level"),
    [
        (b"on\n", Level.OK),
        (b"ratelimit\n", Level.WARNING),
        (b"off\n", Level.WARNING),
        (None, Level.OK),
    ],
)
def test_limited_devkmsg_is_a_warning(tmp_path: Path, mode: bytes | None, level: Level) -> None:
    found = check_kernel_log.check_rate_limits(
        host_of(write_machine(tmp_path, {"proc/sys/kernel/printk_devkmsg": mode}))
    )
    assert found[0].level is level
    assert ("sysctl -w kernel.printk_devkmsg=on" in found[0].remedy) == (level is Level.WARNING)
    assert "at most 10 of its rate-limited messages in 5 s" in found[1].words


@pytest.mark.parametrize(
    ("now_s", "level"), [(0, Level.ERROR), (1_577_836_799, Level.ERROR), (1_577_836_801, Level.OK)]
)
def test_clock_before_2020_is_an_error(tmp_path: Path, now_s: float, level: Level) -> None:
    assert (
        check_kernel_log.check_clock(host_of(write_machine(tmp_path), now_s=now_s))[0].level
        is level
    )


def test_unsynchronised_clock_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    assert check_kernel_log.check_clock(host_of(write_machine(tmp_path)))[0].level is Level.WARNING
    (tmp_path / "run/systemd/timesync/synchronized").touch()
    assert check_kernel_log.check_clock(host_of(tmp_path))[0].level is Level.OK


@pytest.mark.parametrize("kind", ["fifo", "terminal", "null", "directory"])
def test_other_file_as_kmsg_is_refused_unopened(tmp_path: Path, kind: str) -> None:
    write_machine(tmp_path, {"dev/kmsg": None})
    path = tmp_path / "dev/kmsg"
    path.parent.mkdir()
    main, side = pty.openpty()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "terminal":
        path.symlink_to(os.ttyname(side))
        os.write(main, b"typed\n")
    elif kind == "null":
        path.symlink_to("/dev/null")
    else:
        path.mkdir()
    (finding,) = check_kernel_log.check_kernel_log(host_of(tmp_path))
    assert finding.level is Level.ERROR
    assert "1:11" in finding.words
    assert finding.remedy == "rm /dev/kmsg && mknod -m 600 /dev/kmsg c 1 11"
    if kind == "terminal":
        assert os.read(side, 100) == b"typed\n"
    os.close(main)
    os.close(side)


def test_fifo_over_proc_kmsg_is_not_used(tmp_path: Path) -> None:
    write_machine(tmp_path, {"dev/kmsg": None})
    os.mkfifo(tmp_path / "proc/kmsg")
    (finding,) = check_kernel_log.check_kernel_log(host_of(tmp_path))
    assert finding.level is Level.ERROR
    assert "/proc/kmsg: not the kernel's log" in finding.words
    assert "is used" not in finding.words


def test_configured_proc_kmsg_is_the_one_checked(tmp_path: Path) -> None:
    write_machine(tmp_path, {"proc/kmsg": b""})
    host = host_of(tmp_path, input={"source": "/proc/kmsg"})
    (finding,) = check_kernel_log.check_kernel_log(host)
    assert (finding.level, "as configured" in finding.words) == (Level.OK, True)
    (tmp_path / "proc/kmsg").unlink()
    (finding,) = check_kernel_log.check_kernel_log(host)
    assert finding.level is Level.ERROR
    assert 'input.source = "auto"' in finding.remedy


def test_container_is_sent_to_its_host(tmp_path: Path) -> None:
    write_machine(tmp_path, {"dev/kmsg": None, "run/.containerenv": b""})
    (finding,) = check_kernel_log.check_kernel_log(host_of(tmp_path))
    assert finding.remedy.startswith("run klogd-py on the host of this container")


def test_check_leaves_records_for_all_readers() -> None:
    before = os.stat("/proc/self/fd").st_nlink
    found = check_kernel_log.check_kernel_log(host_of(Path("/")))
    assert found[0].check == "kernel log"
    assert os.stat("/proc/self/fd").st_nlink == before
