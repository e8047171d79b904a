# SPDX-License-Identifier: GPL-2.0-or-later
"""The program that is called for a report: a real one, which hangs, fails and floods."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from klogd_py.record.report import Report
from klogd_py.reports.document import decode
from klogd_py.reports.report_counts import HookOutcome, ReportCounts
from klogd_py.spool.hook import MAX_WAITING, ReportHook
from klogd_py.spool.settings import HookSettings
from klogd_py.system.jobs import Jobs
from tests.reports_made import REPORT, make_report
from tests.waiting import wait_until

WAIT_S = 20.0


def script(folder: Path, text: str) -> tuple[str, ...]:
    """Return the command of a Python program in a file."""
    path = folder / "hook.py"
    path.write_text(text)
    return (sys.executable, str(path), str(folder))


def call(
    command: Sequence[str],
    reports: Sequence[Report],
    timeout_s: float = WAIT_S,
    *,
    is_public: bool = False,
) -> ReportCounts:
    """Offer reports to a program, and wait until all are done."""
    counts = ReportCounts()

    async def run() -> None:
        hook = ReportHook(counts, Jobs())
        hook.settings = HookSettings(tuple(command), timeout_s, is_public)
        for report in reports:
            hook.offer(report)
        while counts.hook_calls.total() < len(reports):
            await asyncio.sleep(0.01)
        hook.close()

    asyncio.run(run())
    return counts


def test_program_gets_document_and_few_facts(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import json, os, sys\n"
        "found = {'argv': sys.argv[2:], 'env': dict(os.environ), 'in': sys.stdin.read()}\n"
        "open(sys.argv[1] + '/found', 'w').write(json.dumps(found))\n",
    )
    os.environ["KLOGD_SECRET"] = "x"
    try:
        counts = call([*command, "a b", "$HOME;id"], [make_report(title="in\x1b[31m \udcff\0")])
    finally:
        del os.environ["KLOGD_SECRET"]
    assert counts.hook_calls == {HookOutcome.SUCCEEDED: 1}
    found = json.loads((tmp_path / "found").read_text())
    assert found["argv"] == ["a b", "$HOME;id"]
    facts = {key: value for key, value in found["env"].items() if key.startswith("KLOGD_")}
    assert facts == {
        "KLOGD_REPORT_ID": REPORT.id,
        "KLOGD_REPORT_KIND": "kasan",
        "KLOGD_REPORT_SEVERITY": "error",
        "KLOGD_REPORT_TITLE": "in\\x1b[31m \\xff\\x00",
        "KLOGD_REPORT_FUNCTION": "nic_poll",
        "KLOGD_REPORT_MODULE": "nic",
        "KLOGD_REPORT_FINGERPRINT": "1:0123456789abcdef",
        "KLOGD_REPORT_COUNT": "1",
        "KLOGD_REPORT_CONFIDENCE": "high",
    }
    assert "NOTIFY_SOCKET" not in found["env"]
    assert decode(found["in"].encode()).text == REPORT.text


def test_public_document_has_no_user_process(tmp_path: Path) -> None:
    command = script(
        tmp_path, "import sys\nopen(sys.argv[1] + '/found', 'w').write(sys.stdin.read())\n"
    )
    call(command, [REPORT], is_public=True)
    raw = (tmp_path / "found").read_bytes()
    assert decode(raw).title == REPORT.title
    assert decode(raw).context_before == ()
    assert b"netperf" not in raw
    assert REPORT.process.comm == "netperf"


def test_failure_is_counted_and_told() -> None:
    counts = call(["/bin/false"], [REPORT, REPORT])
    assert counts.hook_calls == {HookOutcome.FAILED: 2}
    assert counts.hook_error == "/bin/false: exit status 1"


def test_missing_program_is_a_failure(tmp_path: Path) -> None:
    counts = call([str(tmp_path / "none")], [REPORT])
    assert counts.hook_error == f"{tmp_path}/none: No such file or directory"


def test_program_that_reads_nothing_succeeds() -> None:
    large = make_report(text=("x" * 1000,) * 2000)
    assert call(["/bin/true"], [large]).hook_calls == {HookOutcome.SUCCEEDED: 1}


def test_program_that_floods_is_not_read(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import sys\nfor _ in range(2000):\n    print('x' * 10000)\n"
        "    print('y' * 10000, file=sys.stderr)\n",
    )
    assert call(command, [REPORT]).hook_calls == {HookOutcome.SUCCEEDED: 1}


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waits for is a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


HANGS = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen(['sleep', '1000'])\n"
    "open(sys.argv[1] + '/new', 'w').write(f'{os.getpid()} {child.pid}')\n"
    "os.rename(sys.argv[1] + '/new', sys.argv[1] + '/pids')\n"
    "time.sleep(1000)\n"
)


def test_program_that_hangs_is_killed_whole(tmp_path: Path) -> None:
    counts = call(script(tmp_path, HANGS), [REPORT], timeout_s=2.0)
    assert counts.hook_calls == {HookOutcome.TIMED_OUT: 1}
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    wait_until(lambda: all(map(is_gone, pids)))


def test_close_kills_the_running_program(tmp_path: Path) -> None:
    counts = ReportCounts()
    started: Callable[[], bool] = (tmp_path / "pids").exists

    async def run() -> None:
        hook = ReportHook(counts, Jobs())
        hook.settings = HookSettings(script(tmp_path, HANGS))
        hook.offer(REPORT)
        while not started():
            await asyncio.sleep(0.01)
        hook.close()

    asyncio.run(run())
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    wait_until(lambda: all(map(is_gone, pids)))


def test_one_call_at_a_time_of_bounded_queue(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import os, sys, time\n"
        "lock = sys.argv[1] + '/lock'\n"
        "os.close(os.open(lock, os.O_CREAT | os.O_EXCL))\n"
        "time.sleep(0.05)\n"
        "os.unlink(lock)\n",
    )
    counts = call(command, [REPORT] * 40)
    assert counts.hook_calls == {
        HookOutcome.SUCCEEDED: MAX_WAITING,
        HookOutcome.DROPPED: 40 - MAX_WAITING,
    }


def test_nothing_is_called_without_command() -> None:
    counts = ReportCounts()
    ReportHook(counts, Jobs()).offer(REPORT)
    assert counts.hook_calls.total() == 0
