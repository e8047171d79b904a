# SPDX-License-Identifier: GPL-2.0-or-later
"""A spool with reports, as the daemon writes it, and the commands that read it."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.cli import main as cli
from klogd_py.record.report import Boot, Confidence, Fingerprint, Report, ReportSeverity
from klogd_py.spool.pending import Batch
from klogd_py.spool.retention import Limits
from klogd_py.spool.writer import SpoolWriter
from tests.reports_made import BOOT_ID, make_report

# Newer than the oldest that are kept, whenever the tests run
PANIC = make_report(
    id="00000000-000000000001-aaaa0000",
    title="BUG: unable to handle kernel NULL pointer dereference in very_long_driver_probe",
    kind="null-deref",
    module="very_long_driver",
    function="very_long_driver_probe",
    severity=ReportSeverity.FATAL,
    panicked=True,
    confidence=Confidence.LOW,
    doubts=("another report began among its lines",),
    fingerprint=Fingerprint("1:9999aaaa11112222", "1:1", "1:2"),
    first_seen="2026-11-20T00:00:00Z",
    last_seen="2026-11-20T00:00:00Z",
    boot=Boot("0" * 32),
)


def occurrence(number: int) -> Report:
    """One of several reports of one issue, a minute after the one before."""
    return make_report(
        id=f"{BOOT_ID[:8]}-{number:012d}-1a2b3c4d",
        first_seen=f"2026-11-27T18:{number:02}:05.200000Z",
        last_seen=f"2026-11-27T18:{number:02}:05.300000Z",
    )


def fill(path: Path, reports: Iterable[Report]) -> Path:
    """Store reports in a directory, and return it."""
    writer = SpoolWriter(path, Limits(days=100_000), BOOT_ID)
    batch = Batch()
    for seq, report in enumerate(reports):
        batch.add(report, seq)
    assert writer.store(batch).usage.problem == ""
    return path


class Printed(Struct, frozen=True):
    """What a command has printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def run_reports(*words: str | Path, spool: Path | None = None) -> Printed:
    """Run ``klogd-py reports`` in this process."""
    where = ["--spool", str(spool)] if spool is not None else []
    stdout = io.StringIO()
    with tempfile.TemporaryFile("w+") as stderr, _log_left_alone():
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            status = cli.main(["reports", *map(str, words), *where])
        stderr.seek(0)
        return Printed(status, stdout.getvalue(), stderr.read())


@contextlib.contextmanager
def _log_left_alone() -> Iterator[None]:
    """Undo what a command does to the log of this process."""
    loggers = [logging.getLogger(name) for name in ("klogd_py", "asyncio", "pyroute2", "watchdog")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate
