# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from klogd_py.config.schema import Config
from klogd_py.doctor import check_daemon, check_symbols
from klogd_py.doctor.finding import Finding, Level, fail, ok, warn
from klogd_py.doctor.runner import format_report, has_no_errors
from klogd_py.monitoring.status import ReloadResult
from tests.doctor.machines import add_dev_log, add_process, host_of, write_machine
from tests.documents import sink, status

FINDINGS = [
    ok("kernel log", "can be read"),
    warn("ring", "small \x1b[31m", "grow it"),
    fail("/dev/log", "nobody", "start it"),
]


def doctor(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "klogd_py", "doctor", "--root", str(root), *options]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False)


def test_good_machine_has_no_errors(tmp_path: Path) -> None:
    add_dev_log(write_machine(tmp_path), 4711)
    add_process(tmp_path, 300, "rsyslogd", held=("socket:[4711]",))
    done = doctor(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 0 errors" in done.stdout
    assert "bad " not in done.stdout


def test_errors_have_remedies_and_exit_status_1(tmp_path: Path) -> None:
    left_out = {"proc/kallsyms": None, "boot/System.map-6.1.0": None}
    done = doctor(write_machine(tmp_path, left_out), "--json")
    assert done.returncode == 1
    found = msgspec.json.decode(done.stdout, type=list[Finding])
    wrong = {finding.check: finding.remedy for finding in found if finding.level is Level.ERROR}
    there = f"on the machine of {tmp_path}: "
    assert wrong == {
        "map": f"{there}copy the System.map of this kernel to /boot/System.map-6.1.0",
        "/dev/log": f"{there}systemctl start rsyslog, or other sinks in /etc/klogd-py.toml",
    }


def test_invalid_configuration_is_one_finding_of_many(tmp_path: Path) -> None:
    done = doctor(write_machine(tmp_path, {"etc/klogd-py.toml": b"sniks = []\n"}), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found[0]["grade"]) == (1, "bad")
    assert "unknown key sniks" in found[0]["words"]
    assert {tuple(finding) for finding in found} == {("check", "grade", "words", "remedy")}
    assert len(found) > 10


def test_doctor_adds_changes_and_removes_no_file(tmp_path: Path) -> None:
    def all_files() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in tmp_path.rglob("*")
        }

    write_machine(tmp_path)
    before = all_files()
    doctor(tmp_path)
    assert all_files() == before


def test_warnings_alone_count_as_no_errors() -> None:
    assert has_no_errors(FINDINGS[:2])
    assert not has_no_errors(FINDINGS)


def test_report_has_remedy_below_each_finding() -> None:
    assert format_report(FINDINGS, colour=False).splitlines() == [
        "ok    kernel log  can be read",
        "warn  ring        small \\x1b[31m",
        "                  -> grow it",
        "bad   /dev/log    nobody",
        "                  -> start it",
        "",
        "1 ok, 1 warning, 1 error",
    ]
    assert format_report(FINDINGS, colour=True).startswith("\x1b[32mok\x1b[0m    kernel log")


@pytest.mark.parametrize(
    "make",
    [
        os.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to("elsewhere"),
        lambda path: path.symlink_to("/dev/zero"),
    ],
)
def test_cursor_file_of_wrong_type_is_an_error(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    root = write_machine(tmp_path, {"var/lib/klogd-py/position.json": None})
    (root / "var/lib/klogd-py").mkdir(parents=True, exist_ok=True)
    make(root / "var/lib/klogd-py/position.json")
    (finding,) = check_daemon.check_position(host_of(root))
    assert (finding.level, finding.remedy) == (Level.ERROR, "rm -r /var/lib/klogd-py/position.json")
    assert "not a regular file" in finding.words


@pytest.mark.parametrize(
    ("files", "position", "level"),
    [
        ({}, "/var/lib/klogd-py/position.json", Level.OK),
        (
            {"var/lib/klogd-py/position.json": None},
            "/var/lib/klogd-py/position.json",
            Level.WARNING,
        ),
        ({}, "", Level.OK),
    ],
)
def test_unwritable_cursor_directory_is_a_warning(
    tmp_path: Path, files: dict[str, bytes | None], position: str, level: Level
) -> None:
    assert (
        check_daemon.check_position(
            host_of(write_machine(tmp_path, files), state={"cursor_file": position})
        )[0].level
        is level
    )


def test_stopped_daemon_is_a_warning(tmp_path: Path) -> None:
    (finding,) = check_daemon.check_daemon(host_of(write_machine(tmp_path)))
    assert (finding.level, finding.remedy) == (Level.WARNING, "systemctl enable --now klogd-py")


def test_down_sink_and_refused_reload_are_errors(tmp_path: Path) -> None:
    document = status(sink(), sink("file:/x", "down", "No space left on device"))
    found = check_daemon.check_daemon(host_of(write_machine(tmp_path), daemon=document))
    assert [finding.level for finding in found] == [Level.OK, Level.ERROR, Level.ERROR]
    assert "No space left" in found[1].words
    healthy = msgspec.structs.replace(
        document, sinks=(sink(),), changes=(ReloadResult("configuration", "SIGHUP", "", True),)
    )
    assert [
        finding.level for finding in check_daemon.check_daemon(host_of(tmp_path, daemon=healthy))
    ] == [Level.OK]


def test_configured_map_that_is_missing_is_an_error(tmp_path: Path) -> None:
    machine = write_machine(tmp_path, {"boot/System.map-6.1.0": None})
    config = msgspec.convert({"symbols": {"map": "/nope/System.map"}}, Config)
    host = msgspec.structs.replace(host_of(machine), config=config)
    (finding,) = check_symbols.check_map(host)
    assert (finding.level, finding.words) == (
        Level.ERROR,
        "/nope/System.map of symbols.map does not exist",
    )
