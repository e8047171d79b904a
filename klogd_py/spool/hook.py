# SPDX-License-Identifier: GPL-2.0-or-later
"""Call a program for each report that is announced: one call at a time, within a limit of time.

There is no shell. The program gets the document on its standard input and a few facts in its
environment, all of them untrusted text. What it prints is dropped. It has none of the daemon's
capabilities and files, but its user. When its time is over, its whole process group is killed.

Source: execve(2), setsid(2), capabilities(7) for the ambient set.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from functools import partial

from klogd_py.record.report import Report
from klogd_py.reports.announcement import shown_safely
from klogd_py.reports.document import encode
from klogd_py.reports.report_counts import HookOutcome, ReportCounts
from klogd_py.spool.settings import HookSettings
from klogd_py.system.errors import describe_expected
from klogd_py.system.jobs import Jobs
from klogd_py.system.privileges import keep_from_programs
from klogd_py.system.worker_thread import WorkerThread

MAX_WAITING = 16
# Nothing of the daemon's own environment is passed on.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

logger = logging.getLogger(__name__)


def environment_of(report: Report) -> dict[str, str]:
    """Return the environment of the program: no value has a control character."""
    facts = {
        "ID": report.id,
        "KIND": report.kind,
        "SEVERITY": report.severity.value,
        "TITLE": report.title,
        "FUNCTION": report.function,
        "MODULE": report.module,
        "FINGERPRINT": report.fingerprint.issue,
        "COUNT": str(report.count),
        "CONFIDENCE": report.confidence.value,
    }
    shown = {f"KLOGD_REPORT_{key}": shown_safely(value) for key, value in facts.items()}
    return {"PATH": _PATH, "LANG": "C.UTF-8", **shown}


class HookProgram:
    """Runs the program in the thread that calls it. Mutable: the process that runs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(
        self, settings: HookSettings, environment: Mapping[str, str], document: bytes
    ) -> tuple[HookOutcome, str]:
        """Run the program to its end; returns how it ended, and why it failed."""
        name = settings.command[0]
        # The capability sets belong to this thread, which has been started for the program.
        keep_from_programs()
        try:
            process = subprocess.Popen(
                settings.command,
                env=environment,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return HookOutcome.FAILED, describe_expected(error)
        with self._lock:
            self._process = process
        try:
            process.communicate(document, settings.timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            process.wait()
            return HookOutcome.TIMED_OUT, f"{name}: killed after {settings.timeout_s:g} s"
        finally:
            with self._lock:
                self._process = None
        if process.returncode:
            return HookOutcome.FAILED, f"{name}: {_describe_end(process.returncode)}"
        return HookOutcome.SUCCEEDED, ""

    def kill(self) -> None:
        """Kill the process group of the program, if it runs; any thread may call it."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)


class ReportHook:
    """The reports that wait for the program. Mutable; lives on the event loop."""

    def __init__(self, counts: ReportCounts, jobs: Jobs) -> None:
        """``counts`` gets how each call ended."""
        self.settings = HookSettings()
        self._counts = counts
        self._jobs = jobs
        self._program = HookProgram()
        self._worker = WorkerThread("report hook", ends_idle=True)
        self._waiting: deque[Report] = deque()
        self._calling: asyncio.Task[None] | None = None
        # The last error that was logged
        self._logged = ""

    def offer(self, report: Report) -> None:
        """Call the program with a report once those before are done, unless too many wait."""
        if not self.settings.command:
            return
        if len(self._waiting) >= MAX_WAITING:
            self._count(HookOutcome.DROPPED, f"{MAX_WAITING} reports wait for it already")
            return
        self._waiting.append(report)
        if self._calling is None or self._calling.done():
            calling = self._jobs.run("report hook", self._call_all, None)
            self._calling = asyncio.get_running_loop().create_task(calling)

    def close(self) -> None:
        """Kill the program, and call it no more."""
        self._waiting.clear()
        if self._calling is not None:
            self._calling.cancel()
        self._program.kill()
        self._worker.close()

    async def _call_all(self) -> None:
        while self._waiting and self.settings.command:
            report = self._waiting.popleft()
            if self.settings.is_public:
                # Imported here: few hooks need it, and its words take memory.
                from klogd_py.reports.public.public import make_public

                report = make_public(report)
            job = partial(self._program.run, self.settings, environment_of(report), encode(report))
            self._count(*await self._worker.call(job))

    def _count(self, outcome: HookOutcome, error: str) -> None:
        self._counts.count_hook(outcome, error)
        if error and error != self._logged:
            logger.warning("the program for reports failed: %s", error)
        self._logged = error


def _describe_end(status: int) -> str:
    return f"exit status {status}" if status > 0 else f"killed by signal {-status}"
