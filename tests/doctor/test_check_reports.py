# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says about reports: their directory, the hook, the catalog of the journal."""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from klogd_py.doctor import check_reports
from klogd_py.doctor.finding import Finding, Level
from klogd_py.monitoring.status import ReportsState, Status
from klogd_py.reports.report_counts import SpoolUsage
from tests.doctor.machines import PROJECT, add_unit, host_of, write_machine
from tests.documents import status
from tests.needs import needs_mount

SPOOL = "var/lib/klogd-py/reports"
MESSAGE_ID = "ed1765b5c93c4a38b11ad05b8475c37c"
CATALOG = f"-- {MESSAGE_ID}\nSubject: A crash\n\nThe kernel crashed.\n".encode()


def add_spool(root: Path, mode: int = 0o750, above: int = 0o755) -> Path:
    """A machine with a directory of reports."""
    write_machine(root)
    (root / SPOOL).mkdir(parents=True)
    (root / SPOOL).chmod(mode)
    (root / SPOOL).parent.chmod(above)
    return root


def daemon_with(usage: SpoolUsage | None = None, hook_error: str = "") -> Status:
    reports = ReportsState({}, None, {}, 0, 0, usage or SpoolUsage(), {}, hook_error)
    return msgspec.structs.replace(status(), reports=reports)


def summary(found: list[Finding]) -> tuple[Level, str]:
    """The only finding, without its remedy."""
    (finding,) = found
    assert (finding.remedy == "") == (finding.level is Level.OK)
    return finding.level, finding.words


def test_healthy_spool_is_one_good_finding(tmp_path: Path) -> None:
    host = host_of(add_spool(tmp_path), daemon_with(SpoolUsage(3, 2, 4096)))
    found = check_reports.check_reports(host)
    assert summary(found) == (Level.OK, f"3 reports of 2 crashes in /{SPOOL}")
    assert check_reports.check_hook(host) == check_reports.check_catalog(host) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"enabled": False}, "reports.enabled = false"), ({"spool": ""}, "not kept, as configured")],
)
def test_what_is_configured_is_no_fault(
    tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    host = host_of(write_machine(tmp_path), daemon_with(), reports=settings)
    level, said = summary(check_reports.check_reports(host))
    assert (level, words in said) == (Level.OK, True)


def test_daemon_without_reports_has_to_be_restarted(tmp_path: Path) -> None:
    (finding,) = check_reports.check_reports(host_of(add_spool(tmp_path), status()))
    assert (finding.level, finding.remedy) == (Level.WARNING, "systemctl restart klogd-py")


def test_problem_of_the_daemon_is_an_error(tmp_path: Path) -> None:
    problem = "/var/lib/klogd-py/reports: No space left on device"
    host = host_of(add_spool(tmp_path), daemon_with(SpoolUsage(problem=problem)))
    level, words = summary(check_reports.check_reports(host))
    assert (level, words) == (Level.ERROR, f"they are not kept: {problem}")


def test_missing_directory_above_is_a_warning(tmp_path: Path) -> None:
    root = write_machine(tmp_path, {"var/lib/klogd-py/position.json": None})
    (finding,) = check_reports.check_reports(host_of(root))
    assert (finding.level, finding.remedy) == (Level.WARNING, "mkdir -p /var/lib/klogd-py")


@needs_mount
@pytest.mark.parametrize(
    ("options", "words"),
    [("ro", "is on a read-only file system"), ("size=4k", "is full"), ("nr_inodes=1", "is full")],
)
def test_full_or_readonly_spool_is_an_error(tmp_path: Path, options: str, words: str) -> None:
    spool = add_spool(tmp_path) / SPOOL
    fill = f"head -c 8192 /dev/zero 2>/dev/null >{spool}/full || true"
    doctor = f"{sys.executable} -m klogd_py doctor --json --root {tmp_path}"
    script = f"mount -t tmpfs -o mode=750,{options} none {spool}\n{fill}\n{doctor}"
    command = ["unshare", "--mount", "sh", "-uc", script]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    found = msgspec.json.decode(done.stdout, type=list[Finding])
    (finding,) = [one for one in found if one.check == "reports"]
    assert (finding.level, words in finding.words) == (Level.ERROR, True)


@pytest.mark.parametrize(
    ("mode", "above", "remedy"),
    [
        (0o700, 0o755, f"chmod 750 /{SPOOL}"),
        (0o740, 0o755, f"chmod 750 /{SPOOL}"),
        (0o750, 0o700, "chmod o+x /var/lib/klogd-py"),
        (0o750, 0o711, ""),
        # The group of both is the same
        (0o750, 0o710, ""),
        (0o755, 0o755, ""),
    ],
)
def test_spool_that_its_group_cannot_read_warns(
    tmp_path: Path, mode: int, above: int, remedy: str
) -> None:
    (finding,) = check_reports.check_reports(host_of(add_spool(tmp_path, mode, above)))
    assert finding.remedy == remedy
    assert (finding.level is Level.WARNING) == bool(remedy)


def add_hook(root: Path, path: str, mode: int = 0o755) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("#!/bin/sh\n")
    (root / path).chmod(mode)


@pytest.mark.parametrize(
    ("path", "drop_in", "level"),
    [
        ("usr/bin/page", "", Level.OK),
        ("usr/local/bin/page", "", Level.OK),
        ("opt/page/send", "", Level.ERROR),
        ("opt/page/send", "[Service]\nExecPaths=/opt/page\n", Level.OK),
        ("opt/page/send", "[Service]\n# ExecPaths=/opt/page\n", Level.ERROR),
        ("usr/bin/page", "[Service]\nExecPaths=\nExecPaths=/opt\n", Level.ERROR),
        ("usr/bin/page", "[Service]\nNoExecPaths=/usr/bin/page\n", Level.ERROR),
        ("home/me/page", "[Service]\nExecPaths=/home\n", Level.ERROR),
        ("home/me/page", "[Service]\nExecPaths=/home\nProtectHome=no\n", Level.OK),
        ("opt/page/send", "[Service]\nNoExecPaths=\n", Level.OK),
    ],
)
def test_hook_must_be_in_executable_paths(
    tmp_path: Path, path: str, drop_in: str, level: Level
) -> None:
    add_unit(write_machine(tmp_path), hook=drop_in)
    add_hook(tmp_path, path)
    host = host_of(tmp_path, reports={"exec": [f"/{path}"]})
    assert summary(check_reports.check_hook(host))[0] is level


def test_hook_behind_a_link_is_judged_there(tmp_path: Path) -> None:
    add_unit(write_machine(tmp_path))
    add_hook(tmp_path, "opt/page")
    (tmp_path / "usr/bin").mkdir(exist_ok=True)
    (tmp_path / "usr/bin/page").symlink_to("../../opt/page")
    host = host_of(tmp_path, reports={"exec": ["/usr/bin/page"]})
    level, words = summary(check_reports.check_hook(host))
    assert (level, words) == (Level.ERROR, "the service may not execute /usr/bin/page")


@pytest.mark.parametrize("mode", [None, 0o644])
def test_missing_or_unexecutable_hook_is_an_error(tmp_path: Path, mode: int | None) -> None:
    write_machine(tmp_path)
    if mode is not None:
        add_hook(tmp_path, "usr/bin/page", mode)
    host = host_of(tmp_path, reports={"exec": ["/usr/bin/page"]})
    assert summary(check_reports.check_hook(host))[0] is Level.ERROR


def test_failure_of_the_hook_is_a_warning(tmp_path: Path) -> None:
    add_hook(write_machine(tmp_path), "usr/bin/page")
    daemon = daemon_with(hook_error="/usr/bin/page: no end after 30 s")
    host = host_of(tmp_path, daemon, reports={"exec": ["/usr/bin/page"]})
    assert summary(check_reports.check_hook(host)) == (
        Level.WARNING,
        "/usr/bin/page: no end after 30 s",
    )


@pytest.mark.parametrize(
    ("files", "remedy"),
    [
        ({}, "install klogd-py again: make install, or its package"),
        ({"usr/lib/systemd/catalog/klogd-py.catalog": CATALOG}, "journalctl --update-catalog"),
        (
            {
                "usr/local/lib/systemd/catalog/klogd-py.catalog": CATALOG,
                "var/lib/systemd/catalog/database": b"RHHHKSLP" + bytes(16),
            },
            "journalctl --update-catalog",
        ),
    ],
)
def test_missing_catalog_warns_with_a_remedy(
    tmp_path: Path, files: dict[str, bytes], remedy: str
) -> None:
    add_unit(write_machine(tmp_path, files))
    (finding,) = check_reports.check_catalog(host_of(tmp_path, sinks=["journal"]))
    assert (finding.level, finding.remedy) == (Level.WARNING, remedy)


@pytest.mark.skipif(not shutil.which("journalctl"), reason="needs journalctl of systemd")
def test_catalog_that_journalctl_has_read_is_right(tmp_path: Path) -> None:
    shipped = (PROJECT / "systemd/klogd-py.catalog").read_bytes()
    add_unit(write_machine(tmp_path, {"usr/lib/systemd/catalog/klogd-py.catalog": shipped}))
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    host = host_of(tmp_path, sinks=["journal"])
    assert len(check_reports.check_catalog(host)) == 1
    command = ["journalctl", "--update-catalog", f"--root={tmp_path}"]
    subprocess.run(command, timeout=30, check=True)
    assert check_reports.check_catalog(host) == []


@pytest.mark.parametrize("sinks", [["journal"], ["file:/var/log/kern.log"]])
def test_machine_without_service_needs_no_catalog(tmp_path: Path, sinks: list[str]) -> None:
    write_machine(tmp_path)
    assert check_reports.check_catalog(host_of(tmp_path, sinks=sinks)) == []
