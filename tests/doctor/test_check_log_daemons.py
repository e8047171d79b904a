# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.doctor import check_log_daemons
from klogd_py.doctor.finding import Level
from tests.doctor.machines import add_dev_log, add_journald, add_process, host_of, write_machine

INODE = 4711
SOCKET = (f"socket:[{INODE}]",)


def test_journald_that_is_not_running_is_ok(tmp_path: Path) -> None:
    assert check_log_daemons.check_journald(host_of(write_machine(tmp_path)))[0].level is Level.OK


@pytest.mark.parametrize(
    ("sinks", "mode", "level", "words"),
    [
        (["file:/x"], "auto", Level.OK, "no sink sends to it"),
        (["journal"], "auto", Level.OK, "only what klogd-py adds"),
        (["journal"], "exclusive", Level.WARNING, "twice"),
    ],
)
def test_journald_with_kmsg_warns_for_exclusive_mode(
    tmp_path: Path, sinks: list[str], mode: str, level: Level, words: str
) -> None:
    add_journald(write_machine(tmp_path))
    (finding,) = check_log_daemons.check_journald(
        host_of(tmp_path, sinks=sinks, journal={"mode": mode})
    )
    assert (finding.level, words in finding.words) == (level, True)


def test_forwarding_journald_warns_with_rsyslog_file(
    tmp_path: Path,
) -> None:
    add_journald(write_machine(tmp_path), syslogd=True)
    (finding,) = check_log_daemons.check_journald(host_of(tmp_path, sinks=["journal", "syslog"]))
    assert (finding.level, "rsyslog-klogd-py.conf" in finding.remedy) == (Level.WARNING, True)


def test_journald_without_kmsg_is_ok(tmp_path: Path) -> None:
    add_journald(
        write_machine(tmp_path, {"etc/systemd/journald.conf": b"[Journal]\nReadKMsg=no\n"})
    )
    (finding,) = check_log_daemons.check_journald(host_of(tmp_path, sinks=["journal"]))
    assert (finding.level, "ReadKMsg=no" in finding.words) == (Level.OK, True)


@pytest.mark.parametrize(
    ("syslogd", "mode", "remedy"),
    [(False, "auto", "apt-get install rsyslog"), (True, "exclusive", '"forward"')],
)
def test_dev_log_of_journald_loses_facility_kern(
    tmp_path: Path, syslogd: bool, mode: str, remedy: str
) -> None:
    add_journald(write_machine(tmp_path, {"etc/debian_version": b"12\n"}), syslogd)
    (finding,) = check_log_daemons.check_dev_log(host_of(tmp_path, journal={"mode": mode}))
    assert (finding.level, "does not keep" in finding.words, remedy in finding.remedy) == (
        Level.WARNING,
        True,
        True,
    )


def test_syslogd_behind_journald_keeps_kern(tmp_path: Path) -> None:
    add_journald(write_machine(tmp_path), syslogd=True)
    (finding,) = check_log_daemons.check_dev_log(host_of(tmp_path))
    assert (finding.level, "/run/systemd/journal/syslog" in finding.words) == (Level.OK, True)


def test_missing_dev_log_is_error_with_syslog_sink(tmp_path: Path) -> None:
    write_machine(tmp_path)
    assert check_log_daemons.check_dev_log(host_of(tmp_path))[0].level is Level.ERROR
    assert (
        check_log_daemons.check_dev_log(host_of(tmp_path, sinks=["file:/x"]))[0].level is Level.OK
    )


@pytest.mark.parametrize(
    ("arguments", "program", "level"),
    [
        (("rsyslogd", "-n"), "", Level.OK),
        (("syslog-ng", "-F"), "", Level.OK),
        (("busybox", "syslogd"), "/bin/busybox", Level.OK),
        (("syslogd",), "/bin/busybox", Level.OK),
        (("syslogd", "-F"), "/usr/sbin/syslogd", Level.WARNING),
        (("syslogd", "-F", "-k"), "/usr/sbin/syslogd", Level.OK),
    ],
)
def test_listener_of_dev_log_decides_about_kern(
    tmp_path: Path, arguments: tuple[str, ...], program: str, level: Level
) -> None:
    add_dev_log(write_machine(tmp_path), INODE)
    # Which has made the socket
    add_process(tmp_path, 1, "systemd", held=SOCKET)
    add_process(tmp_path, 300, *arguments, program=program, held=SOCKET)
    (finding,) = check_log_daemons.check_dev_log(host_of(tmp_path))
    assert (finding.level, "300" in finding.words) == (level, True)


def test_invisible_listener_is_no_error(tmp_path: Path) -> None:
    add_dev_log(write_machine(tmp_path), INODE)
    assert check_log_daemons.check_dev_log(host_of(tmp_path))[0].level is Level.OK


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (("klogd", "-n"), "/usr/sbin/klogd"),
        (("klogd",), "/bin/busybox"),
        (("busybox", "klogd"), "/bin/busybox"),
    ],
)
def test_other_klogd_is_found_but_not_ours(
    tmp_path: Path, arguments: tuple[str, ...], program: str
) -> None:
    write_machine(tmp_path)
    add_process(
        tmp_path, 200, "klogd", "-I", "/usr/local/bin/klogd-py", program="/usr/bin/python3.11"
    )
    add_process(
        tmp_path, 201, "klogd", "-I", "/usr/local/sbin/klogd", program="/usr/bin/python3.11"
    )
    assert [
        finding.level for finding in check_log_daemons.check_other_daemons(host_of(tmp_path))
    ] == [Level.OK]
    add_process(tmp_path, 300, *arguments, program=program)
    (finding,) = check_log_daemons.check_other_daemons(host_of(tmp_path))
    assert (finding.level, "process 300" in finding.words) == (Level.WARNING, True)


def test_second_reader_of_proc_kmsg_is_an_error(tmp_path: Path) -> None:
    write_machine(tmp_path)
    add_process(tmp_path, 300, "klogd")
    add_process(tmp_path, 400, "cat", "/proc/kmsg", held=("/proc/kmsg",))
    found = check_log_daemons.check_other_daemons(host_of(tmp_path, input={"source": "/proc/kmsg"}))
    assert [finding.level for finding in found] == [Level.ERROR, Level.ERROR]
    assert [finding.remedy for finding in found][1] == "kill 400"


@pytest.mark.parametrize(
    ("line", "module"),
    [
        (b'module(load="imklog")\n', "imklog"),
        (b'module( load = "imkmsg" permitnonkernelfacility="on")\n', "imkmsg"),
        (b"$ModLoad imklog\n", "imklog"),
        (b'#module(load="imklog")\n', ""),
        (b'module(load="imuxsock")\n', ""),
    ],
)
def test_rsyslog_with_kernel_input_is_found(tmp_path: Path, line: bytes, module: str) -> None:
    write_machine(tmp_path, {"etc/rsyslog.d/10-kernel.conf": line})
    add_process(tmp_path, 300, "rsyslogd", "-n")
    (finding,) = check_log_daemons.check_other_daemons(host_of(tmp_path))
    assert (finding.level is Level.WARNING) == bool(module)
    assert (f"comment out {module} in /etc/rsyslog.d/10-kernel.conf" in finding.remedy) == bool(
        module
    )


def test_syslog_ng_with_system_source_is_found(tmp_path: Path) -> None:
    write_machine(
        tmp_path, {"etc/syslog-ng/syslog-ng.conf": b"source s_src { system(); internal(); };\n"}
    )
    add_process(tmp_path, 300, "syslog-ng", "-F")
    assert check_log_daemons.check_other_daemons(host_of(tmp_path))[0].level is Level.WARNING
