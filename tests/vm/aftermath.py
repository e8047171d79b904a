# SPDX-License-Identifier: GPL-2.0-or-later
"""Provoke every crash of the table in a guest, and collect what klogd-py says of each.

A line of a process in the kernel's log begins each crash: ``vm-lab crash null 1764266400.123``, the
wall time behind it. A report belongs to the crash whose records it has.
"""

import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Struct

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import Report
from klogd_py.spool.issues import IssueCounts
from tests.json_documents import JsonDocument, read_documents
from tests.vm.crashes import AFTER, BEFORE, NO_CRASHES
from tests.vm.lab.machine import SLOWNESS
from tests.vm.lab.session import SYSLOGD_LOG, Session

SPOOL = "/var/lib/klogd-py/reports"
MESSAGE_ID = "ed1765b5c93c4a38b11ad05b8475c37c"
ISSUES = "issues.json"
# Reports end by two seconds of silence; then they are written
SILENCE_S = 3
# An emulated machine takes so long to take a report apart
PAUSE = "sleep 0.5"
ALL_LIMIT_S = 240 * SLOWNESS
WAIT_LIMIT_S = 90 * SLOWNESS

_MARK = re.compile(r"vm-lab crash (?P<name>[\w-]+) (?P<wall_s>\d+\.\d+)")
_SYSLOG_LINE = re.compile(r" klogd-py: report .* id=(?P<id>\S+)$")
_NAME = re.compile(r"[0-9A-Za-z][\w-]*\.json")


class Mark(Struct, frozen=True):
    """Where a crash begins in the log: its records follow the number ``seq``."""

    name: str
    seq: int
    usec: int
    wall_s: float


class Said(Struct, frozen=True):
    """A report as one place has it, and the wall time at which it was there."""

    report: Report
    wall_s: float


class Aftermath(Struct, frozen=True):
    """What is known after the crashes. Reports by their id; ``lines`` are the ids in kern.log."""

    marks: tuple[Mark, ...]
    documents: tuple[Report, ...]
    spooled: dict[str, Said]
    journal: dict[str, Said]
    lines: tuple[str, ...]
    issues: IssueCounts

    def mark_of(self, report: Report) -> Mark:
        """Return the crash that a report is of."""
        assert report.seq is not None, report.title
        return max(
            (mark for mark in self.marks if mark.seq < report.seq.first), key=lambda mark: mark.seq
        )

    def documents_of(self, name: str) -> list[Report]:
        """Return the reports of a crash in klogd-py's file."""
        return [report for report in self.documents if self.mark_of(report).name == name]

    def spooled_of(self, comm: str) -> list[Report]:
        """Return the reports of crashes in a process of this name."""
        found = (said.report for said in self.spooled.values())
        return [report for report in found if report.process.comm == comm]

    def delay_s(self, said: Said) -> float:
        """Return how long after its last line a report was there."""
        assert said.report.usec is not None, said.report.title
        mark = self.mark_of(said.report)
        printed_s = mark.wall_s + (said.report.usec.last - mark.usec) / 1e6
        return said.wall_s - printed_s

    def count_of(self, function: str, kind: CrashKind = CrashKind.WARNING) -> int:
        """Return how often issues with this function have been counted."""
        return sum(
            issue.count
            for issue in self.issues.issues
            if (issue.function, issue.kind) == (function, kind.value)
        )


def provoke(session: Session, names: Sequence[str]) -> None:
    """Provoke crashes one after the other, each behind its mark."""
    session.load()
    steps = []
    for name in names:
        command = NO_CRASHES.get(name) or session.command(name)
        steps += [BEFORE.get(name, ":"), _mark(name), command, AFTER.get(name, ":"), PAUSE]
    steps.append(_mark("none"))
    session.machine.attempt("\n".join(steps), ALL_LIMIT_S)
    session.wait_until_written()


def wait_for(session: Session, has_all: Callable[[Aftermath], bool]) -> Aftermath:
    """Return what is known when it has all that is waited for, and a while later; or at a limit.

    Whether more came than should is then seen as well.
    """
    until = time.monotonic() + WAIT_LIMIT_S
    while time.monotonic() < until and not has_all(collect(session)):
        time.sleep(SILENCE_S)
    time.sleep(SILENCE_S)
    return collect(session)


def collect(session: Session) -> Aftermath:
    """Return what klogd-py has written of the crashes so far."""
    documents = read_documents(session.written())
    spooled, issues = _spool(session)
    return Aftermath(
        tuple(_marks(documents)),
        tuple(msgspec.convert(one["report"], Report) for one in documents if "report" in one),
        spooled,
        _journal(session) if session.guest.systemd else {},
        tuple(_lines(session)) if session.guest.systemd else (),
        issues,
    )


def _mark(name: str) -> str:
    return f'echo "<6>vm-lab crash {name} $(date +%s.%N)" >/dev/kmsg'


def _marks(documents: Sequence[JsonDocument]) -> Iterator[Mark]:
    for document in documents:
        if found := _MARK.fullmatch(document["text"]):
            yield Mark(found["name"], document["seq"], document["usec"], float(found["wall_s"]))


def _spool(session: Session) -> tuple[dict[str, Said], IssueCounts]:
    """Return the files of the spool; their times need an archive of the form pax."""
    # 1: a file has changed meanwhile
    session.machine.run(f"tar -C {SPOOL} --format=pax -cf /tmp/reports.tar . || [ $? = 1 ]")
    reports, issues = {}, IssueCounts()
    with tarfile.open(fileobj=io.BytesIO(session.machine.get("/tmp/reports.tar"))) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            name = member.name.removeprefix("./")
            if file is not None and name == ISSUES:
                issues = msgspec.json.decode(file.read(), type=IssueCounts)
            elif file is not None and _NAME.fullmatch(name):
                report = msgspec.json.decode(file.read(), type=Report)
                reports[report.id] = Said(report, float(member.mtime))
    return reports, issues


def _journal(session: Session) -> dict[str, Said]:
    session.machine.run("journalctl --sync")
    shown = session.machine.run(f"journalctl -o json --all --no-pager MESSAGE_ID={MESSAGE_ID}")
    found = {}
    for line in shown.splitlines():
        entry = json.loads(line)
        report = msgspec.json.decode(entry["KLOGD_REPORT"], type=Report)
        assert entry["KLOGD_REPORT_ID"] == report.id
        found[report.id] = Said(report, int(entry["__REALTIME_TIMESTAMP"]) / 1e6)
    return found


def _lines(session: Session) -> Iterator[str]:
    """Yield the ids of the reports in the file of the syslog daemon."""
    for line in session.machine.get(SYSLOGD_LOG).decode("utf-8", "replace").splitlines():
        if found := _SYSLOG_LINE.search(line):
            yield found["id"]
