# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py under a real systemd, beside a real journald and a real rsyslog."""

import json

import msgspec
import pytest

from klogd_py.doctor.finding import Finding, Level
from klogd_py.monitoring.status import Status
from tests.vm.lab.session import SERVICE_LOG, Session
from tests.vm.lines import Line, lines_of

DEBIANS = ("debian12", "debian13")


def _properties(session: Session) -> dict[str, str]:
    shown = session.machine.run(
        "systemctl show klogd-py -p ActiveState,SubState,StatusText,MainPID,Result,ExecMainStatus,NRestarts"
    )
    return dict(line.split("=", 1) for line in shown.splitlines())


def _assert_each_once_after(known: list[Line], session: Session) -> None:
    """Assert that all later records follow the known ones, each once, in order."""
    seqs = [line.seq for line in lines_of(session)[len(known) :]]
    assert seqs == list(range(known[-1].seq + 1, known[-1].seq + 1 + len(seqs)))
    assert seqs


@pytest.mark.guests(*DEBIANS)
def test_the_unit_is_active_and_says_what_it_does(session: Session) -> None:
    session.wait_until_written()
    unit = _properties(session)
    assert (unit["ActiveState"], unit["SubState"]) == ("active", "running")
    assert "records from /dev/kmsg to " in unit["StatusText"]
    assert "; names from " in unit["StatusText"]


@pytest.mark.guests(*DEBIANS)
def test_the_status_knows_what_the_unit_does(session: Session) -> None:
    session.crash("oops")
    session.wait_until_written()
    told = msgspec.json.decode(session.machine.run("klogd-py status --json"), type=Status)
    assert str(told.pid) == _properties(session)["MainPID"]
    assert {sink.state for sink in told.sinks} == {"up"}
    assert told.oops is not None
    assert "BUG: " in told.oops.text


@pytest.mark.guests(*DEBIANS)
def test_the_doctor_finds_the_daemon_and_what_it_reads(session: Session) -> None:
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
def test_it_comes_from_the_wheel(session: Session) -> None:
    assert session.machine.run("ls -d /usr/local/lib/klogd-py/klogd_py-*.dist-info")
    assert session.machine.run("klogd-py --version").startswith("klogd-py ")


@pytest.mark.guests(*DEBIANS)
def test_kernel_lines_are_in_kern_log_under_their_facility_once_and_in_order(
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
def test_what_processes_write_to_the_kernel_log_is_not_passed_off_as_the_kernels(
    session: Session,
) -> None:
    session.wait_until_written()
    session.machine.wait_until("grep -q 'vm-lab mark' /var/log/syslog")
    assert session.machine.attempt("grep 'vm-lab mark' /var/log/kern.log")[0] == 1


@pytest.mark.guests(*DEBIANS)
def test_a_named_line_stands_in_the_journal_with_its_facts_in_fields(session: Session) -> None:
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
def test_the_fields_of_a_device_come_with_its_line(session: Session) -> None:
    session.crash("fields")
    line = next(line for line in reversed(lines_of(session)) if "with a device" in line.raw)
    documents = [json.loads(text) for text in session.written().splitlines()]
    assert {"SUBSYSTEM": "platform", "DEVICE": "+platform:klogd_trouble"} in [
        told["fields"] for told in documents if told.get("seq") == line.seq
    ]


@pytest.mark.guests(*DEBIANS)
def test_killed_it_comes_back_and_sends_nothing_twice(session: Session) -> None:
    before, known = _properties(session), lines_of(session)
    # The position has been saved after 2 s
    session.machine.run("sleep 2; systemctl kill -s KILL klogd-py")
    session.crash("levels")
    session.machine.wait_until(
        f"[ $(systemctl show -P MainPID klogd-py) != {before['MainPID']} ] && systemctl is-active -q klogd-py"
    )
    _assert_each_once_after(known, session)
    assert int(_properties(session)["NRestarts"]) == int(before["NRestarts"]) + 1


@pytest.mark.guests(*DEBIANS)
def test_stopped_it_ends_with_status_0_and_goes_on_where_it_was(session: Session) -> None:
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
def test_reloaded_it_loses_and_doubles_nothing(session: Session) -> None:
    known = lines_of(session)
    make = "echo levels >/proc/klogd_trouble"
    session.machine.run(
        f"(for i in 1 2 3; do {make}; done) & systemctl reload klogd-py; {make}; wait"
    )
    session.wait_until_written()
    _assert_each_once_after(known, session)


@pytest.mark.guests("bare", "arm64")
def test_without_systemd_the_old_command_runs_it_in_the_background(session: Session) -> None:
    known = lines_of(session)
    assert session.machine.run("cat /proc/$(cat /run/klogd.pid)/comm").startswith("klogd")
    session.machine.run("kill $(cat /run/klogd.pid)")
    session.machine.wait_until("[ ! -e /run/klogd.pid ]")
    session.crash("levels")
    session.machine.run("klogd")
    _assert_each_once_after(known, session)
    assert session.machine.run(f"grep -c 'vm-lab mark 1\\>' {SERVICE_LOG}").strip() == "1"
