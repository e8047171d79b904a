# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py under a real systemd, beside a real journald and a real rsyslog."""

import json

import msgspec
import pytest

from klogd_py.doctor.finding import Finding, Level
from klogd_py.monitoring.status import Status
from tests.json_documents import read_documents
from tests.vm.lab.session import SERVICE_LOG, Session
from tests.vm.lines import Line, lines_of

DEBIANS = ("debian12", "debian13")


def _properties(session: Session) -> dict[str, str]:
    shown = session.machine.run(
        "systemctl show klogd-py "
        "-p ActiveState,SubState,StatusText,MainPID,Result,ExecMainStatus,NRestarts"
    )
    return dict(line.split("=", 1) for line in shown.splitlines())


def _assert_each_once_after(known: list[Line], session: Session) -> None:
    """Assert that all later records follow the known ones, each once, in order."""
    seqs = [line.seq for line in lines_of(session)[len(known) :]]
    assert seqs == list(range(known[-1].seq + 1, known[-1].seq + 1 + len(seqs)))
    assert seqs


@pytest.mark.guests(*DEBIANS)
def test_unit_is_active_with_a_status_text(session: Session) -> None:
    session.wait_until_written()
    unit = _properties(session)
    assert (unit["ActiveState"], unit["SubState"]) == ("active", "running")
    assert "records from /dev/kmsg to " in unit["StatusText"]
    assert "; names from " in unit["StatusText"]


@pytest.mark.guests(*DEBIANS)
def test_status_reports_sinks_and_the_oops(session: Session) -> None:
    session.crash("oops")
    session.wait_until_written()
    reported = msgspec.json.decode(session.machine.run("klogd-py status --json"), type=Status)
    assert str(reported.pid) == _properties(session)["MainPID"]
    assert {sink.state for sink in reported.sinks} == {"up"}
    assert reported.oops is not None
    assert "BUG: " in reported.oops.text


@pytest.mark.guests(*DEBIANS)
def test_doctor_finds_daemon_and_kernel_log(session: Session) -> None:
    found = msgspec.json.decode(
        session.machine.attempt("klogd-py doctor --json")[1], type=list[Finding]
    )
    grades = {finding.check: finding.level for finding in found}
    assert (grades["daemon"], grades["kernel log"], grades["kallsyms"]) == (
        Level.OK,
        Level.OK,
        Level.OK,
    )


@pytest.mark.guests(*DEBIANS)
def test_klogd_py_is_installed_from_its_wheel(session: Session) -> None:
    assert session.machine.run("ls -d /usr/local/lib/klogd-py/klogd_py-*.dist-info")
    assert session.machine.run("klogd-py --version").startswith("klogd-py ")


@pytest.mark.guests(*DEBIANS)
def test_kern_log_holds_kernel_lines_in_order(
    session: Session,
) -> None:
    session.crash("levels")
    session.crash("flood")
    session.wait_until_written()
    session.machine.wait_until(
        "grep -q 'vm-lab mark' /var/log/syslog && tail -n1 /var/log/kern.log | grep -q 'flood 999'"
    )
    log = session.machine.run("grep -a klogd_trouble: /var/log/kern.log").splitlines()
    flood = [int(line.rpartition(" ")[2]) for line in log if " flood " in line]
    assert flood[-1000:] == list(range(1000))
    levels = [line.partition("klogd_trouble: ")[2] for line in log if "level" in line]
    assert levels[-9:] == [*(f"level {number}" for number in range(8)), "no level"]


@pytest.mark.guests(*DEBIANS)
def test_messages_of_processes_stay_out_of_kern_log(
    session: Session,
) -> None:
    session.wait_until_written()
    session.machine.wait_until("grep -q 'vm-lab mark' /var/log/syslog")
    assert session.machine.attempt("grep 'vm-lab mark' /var/log/kern.log")[0] == 1


@pytest.mark.guests(*DEBIANS)
def test_journal_entry_has_the_symbol_in_fields(session: Session) -> None:
    session.crash("raw")
    line = next(line for line in reversed(lines_of(session)) if line.text.startswith(" raw_trace+"))
    session.machine.wait_until(
        f"journalctl -o json --no-pager KLOGD_SEQ={line.seq} | grep -q KLOGD_SYMBOL"
    )
    entries = session.machine.run(
        f"journalctl -o json --no-pager KLOGD_SEQ={line.seq}"
    ).splitlines()
    assert len(entries) == 1
    entry = json.loads(entries[0])
    assert entry["MESSAGE"] == line.text
    assert entry["KLOGD_RAW"] == line.raw
    assert entry["KLOGD_SYMBOL"].startswith("raw_trace+")
    assert (entry["SYSLOG_FACILITY"], entry["SYSLOG_IDENTIFIER"], entry["PRIORITY"]) == (
        "0",
        "kernel",
        "4",
    )
    boot = session.machine.run("cat /proc/sys/kernel/random/boot_id").strip().replace("-", "")
    assert entry["KLOGD_BOOT_ID"] == boot


@pytest.mark.guests(*DEBIANS)
def test_device_fields_are_delivered_with_their_line(session: Session) -> None:
    session.crash("fields")
    line = next(line for line in reversed(lines_of(session)) if "with a device" in line.raw)
    documents = read_documents(session.written())
    assert {"SUBSYSTEM": "platform", "DEVICE": "+platform:klogd_trouble"} in [
        reported["fields"] for reported in documents if reported.get("seq") == line.seq
    ]


@pytest.mark.guests(*DEBIANS)
def test_restart_after_sigkill_duplicates_nothing(session: Session) -> None:
    before, known = _properties(session), lines_of(session)
    # The position has been saved after 2 s
    session.machine.run("sleep 2; systemctl kill -s KILL klogd-py")
    session.crash("levels")
    session.machine.wait_until(
        f"[ $(systemctl show -P MainPID klogd-py) != {before['MainPID']} ] && "
        "systemctl is-active -q klogd-py"
    )
    _assert_each_once_after(known, session)
    assert int(_properties(session)["NRestarts"]) == int(before["NRestarts"]) + 1


@pytest.mark.guests(*DEBIANS)
def test_stop_and_start_resume_without_loss(session: Session) -> None:
    known = lines_of(session)
    session.machine.run("systemctl stop klogd-py")
    unit = _properties(session)
    assert (unit["ActiveState"], unit["Result"], unit["ExecMainStatus"]) == (
        "inactive",
        "success",
        "0",
    )
    session.crash("levels")
    session.machine.run("systemctl start klogd-py")
    _assert_each_once_after(known, session)


@pytest.mark.guests(*DEBIANS)
def test_reload_neither_loses_nor_duplicates(session: Session) -> None:
    known = lines_of(session)
    make = "echo levels >/proc/klogd_trouble"
    session.machine.run(
        f"(for i in 1 2 3; do {make}; done) & systemctl reload klogd-py; {make}; wait"
    )
    session.wait_until_written()
    _assert_each_once_after(known, session)


@pytest.mark.guests("bare", "arm64")
def test_klogd_command_detaches_without_systemd(session: Session) -> None:
    known = lines_of(session)
    assert session.machine.run("cat /proc/$(cat /run/klogd.pid)/comm").startswith("klogd")
    session.machine.run("kill $(cat /run/klogd.pid)")
    session.machine.wait_until("[ ! -e /run/klogd.pid ]")
    session.crash("levels")
    session.machine.run("klogd")
    _assert_each_once_after(known, session)
    assert session.machine.run(f"grep -c 'vm-lab mark 1\\>' {SERVICE_LOG}").strip() == "1"
