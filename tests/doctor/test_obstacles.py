# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories, devices and garbage in place of the files that the doctor reads."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from klogd_py.config.run_options import RunOptions
from klogd_py.config.symbol_choice import read_release
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.doctor import check_forged_crashes, check_installation, check_reports
from klogd_py.doctor.finding import Finding, Level
from klogd_py.doctor.host import Host
from klogd_py.doctor.runner import CHECKS, run_checks
from klogd_py.sinks import journald_routing
from tests.doctor.machines import add_process, host_of, write_machine
from tests.symbols.hostile import made, sparse

FILES = (
    "boot/System.map-6.1.0",
    "dev/kmsg",
    "etc/rsyslog.conf",
    "etc/rsyslog.d/kernel.conf",
    "etc/syslog-ng/syslog-ng.conf",
    "etc/systemd/journald.conf",
    "etc/systemd/journald.conf.d/kernel.conf",
    "lib/modules/6.1.0/modules.dep",
    "proc/300/cmdline",
    "proc/301/comm",
    "proc/cmdline",
    "proc/kallsyms",
    "proc/kcore",
    "proc/modules",
    "proc/net/unix",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/printk_devkmsg",
    "sys/kernel/notes",
    "usr/lib/debug/boot/vmlinux-6.1.0",
    "usr/lib/systemd/catalog/klogd-py.catalog",
    "usr/lib/systemd/system/klogd-py.service",
    "var/lib/klogd-py/reports",
    "var/lib/systemd/catalog/database",
)
# They find nothing where there is nothing to do
QUIET = {
    check_installation.check_shadow,
    check_reports.check_hook,
    check_reports.check_catalog,
    check_forged_crashes.check_forged_crashes,
}
OBSTACLES: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "directory": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "huge": sparse(b"", 1 << 40),
    "binary": made(lambda: os.urandom(5000)),
}


def obstruct(root: Path, name: str, obstacle: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    OBSTACLES[obstacle](path)


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_obstacles_everywhere_do_not_stop_doctor(obstacle: str, tmp_path: Path) -> None:
    root = write_machine(tmp_path)
    add_process(root, 300, "rsyslogd", held=("socket:[4711]",))
    add_process(root, 301, "syslog-ng")
    (root / "proc/12odd").mkdir()
    (root / journald_routing.SOCKET).parent.mkdir(parents=True)
    (root / journald_routing.SOCKET).touch()
    for name in FILES:
        obstruct(root, name, obstacle)
    command = [sys.executable, "-m", "klogd_py", "doctor", "--root", str(root), "--json"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    found = msgspec.json.decode(done.stdout, type=list[Finding])
    assert not [finding for finding in found if "unexpected" in finding.words]
    assert len(found) >= len(set(CHECKS) - QUIET)


def test_raising_check_becomes_an_error_finding(tmp_path: Path) -> None:
    def broken(_: Host) -> list[Finding]:
        raise RecursionError("odd")

    run_options = RunOptions(symbols=SymbolOptions(root=str(write_machine(tmp_path))))
    found = run_checks(run_options, (*CHECKS, broken))
    assert found[:-1] == run_checks(run_options)
    assert (found[-1].check, found[-1].level) == ("broken", Level.ERROR)
    assert "unexpected RecursionError" in found[-1].words


@pytest.mark.parametrize(
    "text", ["6.1.0/../../../etc", "a b", "6.1\x1b[31m", "6.1\0", "9" * 65, "6.1\n6.2"]
)
def test_invalid_kernel_release_is_read_as_none(text: str, tmp_path: Path) -> None:
    root = write_machine(tmp_path, {"proc/sys/kernel/osrelease": text.encode() + b"\n"})
    assert read_release(root) is None


def test_release_with_suffix_is_accepted(tmp_path: Path) -> None:
    root = write_machine(tmp_path, {"proc/sys/kernel/osrelease": b"6.1.0-50-cloud-amd64+deb~12\n"})
    assert read_release(root) == "6.1.0-50-cloud-amd64+deb~12"


def test_odd_proc_directory_is_no_process(tmp_path: Path) -> None:
    root = write_machine(tmp_path)
    (root / "proc/7up").mkdir()
    assert [process.pid for process in host_of(root).iter_processes()] == []
