# SPDX-License-Identifier: GPL-2.0-or-later
"""Each crash of a real kernel is one report, of the right kind and function, in every place.

All crashes are provoked at once, in one boot; the tests look at what is there then, or provoke
more of them. The last one ends the guest.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import Report
from tests.json_documents import JsonDocument
from tests.vm.aftermath import SILENCE_S, Aftermath, collect, provoke, wait_for
from tests.vm.crashes import (
    CRASHES,
    NO_CRASHES,
    SILENT,
    WARNINGS_EACH_CPU,
    WARNINGS_EACH_TIME,
    Crash,
    options_of,
)
from tests.vm.lab.guests import GUESTS
from tests.vm.lab.machine import SLOWNESS, GuestPanicked
from tests.vm.lab.session import SERVICE_LOG, Session

EVERYWHERE = ("bare", "debian12", "debian13", "arm64")
MAX_DELAY_S = 3 * SLOWNESS
# 1,000 warnings; each time the daemon has read them all before the next ones
TIMES = 40
STORM = f"""
echo 1 >/proc/sys/kernel/printk
for time in $(seq {TIMES}); do
    echo warns >/proc/klogd_trouble
    echo "<7>vm-lab storm $time;" >/dev/kmsg
    until tail -n 100 {SERVICE_LOG} | grep -q "vm-lab storm $time;"; do sleep 0.1; done
done
echo 7 >/proc/sys/kernel/printk
"""
STORM_LIMIT_S = 300 * SLOWNESS
# The first one at once, then one at the end of each period, which doubles
MAX_ENTRIES = 4
KILLED_AFTER_S = (0.0, 0.3)
# In which the crash "thread" happens
THREAD = "klogd_trouble"

pytestmark = pytest.mark.guests(*EVERYWHERE)


class Crashed(Struct):
    """A guest in which every crash of the table was provoked. Mutable: tests provoke more."""

    session: Session
    aftermath: Aftermath
    options: frozenset[str]


@pytest.fixture(scope="module")
def crashed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Crashed]:
    """Yield a guest of its own: some crashes are only found before the first oops of a boot."""
    guest = GUESTS[request.param]
    with guest.machine(tmp_path_factory.mktemp(f"{guest.name}-reports")) as machine:
        guest.prepare(machine)
        session = Session(guest, machine)
        session.start("json")
        options = options_of(guest)
        # It reads what was printed before it started
        session.wait_until_written()
        expected = sum(len(crash.reports(options)) for crash in CRASHES)
        first, *others = (crash.name for crash in CRASHES)
        provoke(session, [first])
        wait_for(session, lambda aftermath: len(aftermath.spooled) > 0)
        provoke(session, others)
        wait_for(session, lambda aftermath: len(aftermath.spooled) >= expected)
        provoke(session, list(NO_CRASHES))
        time.sleep(SILENCE_S)
        yield Crashed(session, collect(session), options)


def found(reports: list[Report]) -> list[tuple[str, str]]:
    """Return kind and function of reports."""
    return [(report.kind, report.function) for report in reports]


def counts_of(aftermath: Aftermath) -> list[int]:
    """Return how many warnings of each processor have been counted, the smaller number first."""
    return sorted(aftermath.count_of(f"complain_on_{which}_cpu") for which in ("first", "second"))


def decode(file: Path) -> list[JsonDocument]:
    """Return the reports that klogd-py finds in a log."""
    done = subprocess.run(
        [sys.executable, "-m", "klogd_py", "reports", "decode", "--json", file],
        capture_output=True,
        check=True,
    )
    reports: list[JsonDocument] = json.loads(done.stdout)
    return reports


def test_silent_crashes_lack_their_option(crashed: Crashed) -> None:
    lacking = {crash.name: crash.needs for crash in CRASHES if crash.needs not in crashed.options}
    assert lacking == SILENT[crashed.session.guest.name]


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.name)
def test_crash_is_one_report_in_file(crashed: Crashed, crash: Crash) -> None:
    assert found(crashed.aftermath.documents_of(crash.name)) == crash.reports(crashed.options)


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.name)
def test_report_is_the_same_everywhere(crashed: Crashed, crash: Crash) -> None:
    aftermath = crashed.aftermath
    ids = [report.id for report in aftermath.documents_of(crash.name)]
    assert len(ids) == len(crash.reports(crashed.options))
    expected = crash.reports(crashed.options)
    assert found([aftermath.spooled[one].report for one in ids]) == expected
    if crashed.session.guest.systemd:
        assert found([aftermath.journal[one].report for one in ids]) == expected
        assert [line for line in aftermath.lines if line in ids] == ids


def test_reports_are_out_within_three_seconds(crashed: Crashed) -> None:
    """Those behind the first one, with which a daemon loads the symbols and compiles its
    expressions: emulated, that takes seconds by itself."""
    aftermath = crashed.aftermath
    said = [*aftermath.spooled.values(), *aftermath.journal.values()]
    later = [one for one in said if aftermath.mark_of(one.report).name != CRASHES[0].name]
    assert len(later) >= len(CRASHES) - 1 - len(SILENT[crashed.session.guest.name])
    delays = {one.report.title: aftermath.delay_s(one) for one in later}
    assert {title: delay for title, delay in delays.items() if delay > MAX_DELAY_S} == {}


@pytest.mark.parametrize("name", NO_CRASHES)
def test_stacks_without_crash_are_no_report(crashed: Crashed, name: str) -> None:
    assert name in [mark.name for mark in crashed.aftermath.marks]
    assert crashed.aftermath.documents_of(name) == []


@pytest.mark.guests("debian13")
def test_doctor_explains_the_forged_crash(crashed: Crashed) -> None:
    said = crashed.session.machine.attempt("klogd-py doctor")[1]
    assert "no reports are made of what is written to /dev/kmsg" in said


def test_warnings_on_two_processors_all_count(crashed: Crashed) -> None:
    provoke(crashed.session, ["cpus"])
    aftermath = wait_for(
        crashed.session, lambda aftermath: counts_of(aftermath) >= [WARNINGS_EACH_CPU] * 2
    )
    assert counts_of(aftermath) == [WARNINGS_EACH_CPU] * 2


def test_killed_daemon_keeps_each_report_once(crashed: Crashed) -> None:
    session = crashed.session
    for seconds in KILLED_AFTER_S:
        session.machine.attempt(f"echo thread >/proc/klogd_trouble; sleep {seconds}")
        session.kill()
        session.wait_until_written()
    aftermath = wait_for(
        session, lambda aftermath: len(aftermath.spooled_of(THREAD)) >= len(KILLED_AFTER_S)
    )
    ours = aftermath.spooled_of(THREAD)
    assert len({report.seq for report in ours}) == len(ours) == len(KILLED_AFTER_S)
    assert [report.truncated for report in ours] == [False] * len(ours)
    assert aftermath.count_of(ours[0].function, CrashKind.NULL_DEREF) == len(KILLED_AFTER_S)


@pytest.mark.guests("debian12")
def test_thousand_warnings_are_counted_exactly(crashed: Crashed) -> None:
    session = crashed.session
    session.machine.run(STORM, STORM_LIMIT_S)
    total = TIMES * WARNINGS_EACH_TIME
    aftermath = wait_for(session, lambda aftermath: aftermath.count_of("complain_often") >= total)
    assert aftermath.count_of("complain_often") == total
    entries = [one for one in aftermath.documents if one.function == "complain_often"]
    assert 1 <= len(entries) <= MAX_ENTRIES


def test_stack_overflow_on_console_is_decoded(crashed: Crashed, tmp_path: Path) -> None:
    """No daemon can see it: the kernel stops at once."""
    machine = crashed.session.machine
    # Behind what the crashes before it have printed
    machine.run("echo 7 >/proc/sys/kernel/printk; sleep 3; echo '<5>vm-lab overflow' >/dev/kmsg")
    with pytest.raises(GuestPanicked):
        machine.run("echo overflow >/proc/klogd_trouble")
    console = machine.console.read_bytes()
    file = tmp_path / "console.log"
    file.write_bytes(console[console.rindex(b"vm-lab overflow") :])
    decoded = decode(file)
    assert [(one["kind"], one["panicked"]) for one in decoded] == [("stack-overflow", True)]
    if crashed.session.guest.name != "bare":
        assert decoded[0]["function"] == "recurse_without_end"
