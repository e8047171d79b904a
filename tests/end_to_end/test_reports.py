# SPDX-License-Identifier: GPL-2.0-or-later
"""Crashes of a kernel, from its ring buffer to the sinks and the spool of a daemon."""

import json
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from klogd_py.spool.reader import Spool
from tests.end_to_end.program import socket_of
from tests.end_to_end.ring_program import RingProgram
from tests.json_documents import read_documents
from tests.reports.lines import CUT_HERE, NULL_DEREF, ORDINARY, PANIC, WARNING
from tests.sockets import DatagramListener, JournalListener
from tests.waiting import wait_until

SILENCE_US = 3_000_000


def status_of(folder: Path) -> Status:
    return msgspec.json.decode(fetch_status(socket_of(folder)), type=Status)


def counts(program: RingProgram) -> list[int]:
    return [issue.count for issue in Spool(program.reports).issues().issues]


def test_crash_is_announced_behind_its_lines(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(ORDINARY, *NULL_DEREF)
        program.say(ORDINARY, after_us=SILENCE_US)
        (line,) = program.wait_for_reports(1)
        assert program.stop() == 0
    assert "kind=null-deref" in line
    assert "function=nic_read module=nic" in line
    assert [ORDINARY in one for one in program.lines[-2:]] == [True, False]
    (summary,) = Spool(program.reports).list().summaries
    assert summary.id in line
    assert Spool(program.reports).load(summary.id).text == NULL_DEREF


def test_every_sink_gets_the_same_report(tmp_path: Path) -> None:
    sinks = [f"syslog:{tmp_path}/log", f"journal:{tmp_path}/journal"]
    table = f'[[sinks]]\ntype = "file"\npath = "{tmp_path}/kern.json"\nformat = "json"\n'
    drop_ins = tmp_path / "klogd-py.toml.d"
    drop_ins.mkdir()
    (drop_ins / "10-json.toml").write_text(table)
    with (
        DatagramListener(tmp_path / "log") as syslog,
        JournalListener(tmp_path / "journal") as journal,
        RingProgram(tmp_path, sinks=sinks) as program,
    ):
        program.say(*WARNING)
        program.say(ORDINARY, after_us=SILENCE_US)
        messages: list[bytes] = []
        entries: list[dict[str, bytes]] = []

        def received() -> bool:
            messages.extend(one for one in syslog.read() if b" klogd-py: report " in one)
            entries.extend(dict(one) for one in journal.entries())
            return bool(messages) and "KLOGD_REPORT_ID" in entries[-1]

        wait_until(received, "the report")
        program.stop()
    (report,) = Spool(program.reports).list().summaries
    entry = entries[-1]
    documents = read_documents((tmp_path / "kern.json").read_bytes())
    (document,) = [one for one in documents if "report" in one]
    assert len(messages) == 1
    assert messages[0].startswith(b"<4>")
    assert messages[0].endswith(f"id={report.id}".encode())
    assert entry["KLOGD_REPORT_ID"].decode() == document["report"]["id"] == report.id
    assert entry["CODE_FILE"] == b"drivers/net/nic.c"
    assert entry["CODE_LINE"] == b"311"
    assert entry["MESSAGE"] == b"WARNING in nic_stop"


def test_silence_of_the_kernel_ends_report(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*NULL_DEREF)
        assert len(program.wait_for_reports(1)) == 1


def test_killed_between_lines_makes_one_report(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(ORDINARY, *NULL_DEREF[:8])
        program.wait_for_line(NULL_DEREF[7])
        program.kill()
        program.say(*NULL_DEREF[8:])
        program.start()
        (line,) = program.wait_for_reports(1)
        assert program.stop() == 0
    (summary,) = Spool(program.reports).list().summaries
    assert summary.id in line
    assert Spool(program.reports).load(summary.id).text == NULL_DEREF
    assert counts(program) == [1]


def test_fatal_crash_is_kept_before_end(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*NULL_DEREF[:14])
        wait_until(lambda: list(program.reports.glob("*-*.json")), "the report")
        program.kill()
    (summary,) = Spool(program.reports).list().summaries
    assert summary.truncated
    assert Spool(program.reports).load(summary.id).text[0] == NULL_DEREF[0]
    assert program.announced() == []


@pytest.mark.parametrize("cut", [0, 8, 14, len(NULL_DEREF)])
def test_kill_at_any_line_counts_once(tmp_path: Path, cut: int) -> None:
    with RingProgram(tmp_path) as program:
        program.say(ORDINARY, *WARNING, ORDINARY, *NULL_DEREF[:cut])
        program.wait_for_line((WARNING + NULL_DEREF[:cut])[-1])
        program.kill()
        program.start()
        program.say(*NULL_DEREF[cut:])
        program.say(ORDINARY, after_us=SILENCE_US)
        program.wait_for_reports(2)
        wait_until(lambda: sum(counts(program)) >= 2, "the counts")
        program.kill()
        program.start()
        program.say("the last line")
        program.wait_for_line("the last line")
        assert program.stop() == 0
    assert counts(program) == [1, 1]
    announced = [line.rpartition("id=")[2] for line in program.announced()]
    assert len(set(announced)) == 2
    found = Spool(program.reports).load(Spool(program.reports).find(announced[-1]))
    assert found.text == NULL_DEREF


def test_clean_restart_announces_nothing_again(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*WARNING, ORDINARY)
        program.wait_for_reports(1)
        assert program.stop() == 0
        program.start()
        program.say("after the restart")
        program.wait_for_line("after the restart")
        assert program.stop() == 0
        (tmp_path / "position.json").unlink()
        program.start()
        program.say("after the loss of positions")
        program.wait_for_line("after the loss of positions")
        assert program.stop() == 0
    assert len(program.announced()) == 1
    assert counts(program) == [1]


def test_thousand_warnings_make_few_entries(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        for _ in range(1000):
            program.say(CUT_HERE, *WARNING)
        program.say(ORDINARY, after_us=SILENCE_US)
        program.wait_for_reports(1)
        wait_until(lambda: counts(program) == [1000], "the count")
        assert program.stop() == 0
    numbers = [line.partition(" count=")[2].split()[0] for line in program.announced()]
    assert numbers == ["1", "999"]
    assert len(Spool(program.reports).list().summaries) == 6


def test_panic_is_kept_at_its_header(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*NULL_DEREF, *PANIC)

        def panicked() -> bool:
            summaries = Spool(program.reports).list().summaries if program.reports.exists() else ()
            return any(one.panicked for one in summaries)

        wait_until(panicked, "the panic")
        program.kill()
    assert len(Spool(program.reports).list().summaries) == 1


def test_user_text_makes_no_report(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*NULL_DEREF, prefix=12)
        program.say(ORDINARY, after_us=SILENCE_US)
        program.say(*WARNING)
        assert len(program.wait_for_reports(1)) == 1
        program.stop()
    assert [one.kind for one in Spool(program.reports).list().summaries] == ["warning"]


def test_missing_spool_is_said_once(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        (tmp_path / "reports").write_text("a file in the way")
        program.say(*WARNING)
        program.wait_for_reports(1)
        program.say(*NULL_DEREF)
        program.wait_for_reports(2)
        status = status_of(tmp_path)
        program.stop()
    assert status.reports is not None
    assert "Not a directory" in status.reports.spool.problem
    log = program.errors.read_text()
    assert log.count("reports of crashes are not kept") == 1


def test_status_counts_reports_by_kind(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*WARNING, *NULL_DEREF)
        program.wait_for_reports(2)
        status = wait_until(lambda: status_of(tmp_path).reports)
        program.stop()
    assert status is not None
    assert {kind: sum(found.values()) for kind, found in status.counts.items()} == {
        "warning": 1,
        "null-deref": 1,
    }


def test_program_is_called_for_a_report(tmp_path: Path) -> None:
    hook = tmp_path / "hook.py"
    hook.write_text(
        "import os, sys\nopen(sys.argv[1] + '.new', 'w').write(sys.stdin.read())\n"
        "os.rename(sys.argv[1] + '.new', sys.argv[1])\n"
    )
    command = json.dumps([sys.executable, str(hook), str(tmp_path / "document")])
    with RingProgram(tmp_path, f"reports.exec = {command}\n") as program:
        program.say(*WARNING)
        wait_until((tmp_path / "document").exists, "the document")
        program.stop()
    document = json.loads((tmp_path / "document").read_text())
    assert document["title"] == "WARNING in nic_stop"
    assert document["text"][0] == WARNING[0]


def test_disabled_reports_leave_no_trace(tmp_path: Path) -> None:
    with RingProgram(tmp_path, "reports.enabled = false\n") as program:
        program.say(*WARNING)
        program.say("the last line", after_us=SILENCE_US)
        program.wait_for_line("the last line")
        program.stop()
    assert program.announced() == []
    assert not program.reports.exists()


def test_reload_changes_kinds_and_spool(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*WARNING)
        program.wait_for_reports(1)
        config = tmp_path / "klogd-py.toml"
        text = config.read_text().replace(f"{tmp_path}/reports", f"{tmp_path}/others")
        config.write_text(text + 'reports.kinds = ["null-deref"]\n')
        assert program.process is not None
        program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: status_of(tmp_path).changes, "the reload")
        program.say(*WARNING)
        program.say(*NULL_DEREF, after_us=SILENCE_US)
        program.wait_for_reports(2)
        assert program.stop() == 0
    assert [one.kind for one in Spool(program.reports).list().summaries] == ["warning"]
    assert [one.kind for one in Spool(tmp_path / "others").list().summaries] == ["null-deref"]


def test_idle_daemon_has_one_thread(tmp_path: Path) -> None:
    with RingProgram(tmp_path) as program:
        program.say(*WARNING)
        program.wait_for_reports(1)
        assert program.process is not None
        tasks = Path(f"/proc/{program.process.pid}/task")
        wait_until(lambda: len(list(tasks.iterdir())) == 1, "the end of the other threads")
