# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the service manager about start, reload, stop, and that the event loop still runs.

Source: sd_notify(3); systemd.service(5), Type=notify-reload and WatchdogSec=.
"""

import asyncio
import os
import time

from klogd_py.monitoring.reporter import StatusReporter
from klogd_py.system import sd_notify
from klogd_py.system.jobs import Jobs

JOB = "service manager"


class ServiceManager:
    """The service manager of this run; without one, nothing is sent."""

    def __init__(self, reporter: StatusReporter, jobs: Jobs) -> None:
        self._reporter = reporter
        self._jobs = jobs

    def notify_ready(self) -> None:
        """Send READY=1, at the end of the start and of each reload."""
        self._jobs.call(
            JOB, lambda: sd_notify.notify(f"READY=1\n{self._reporter.notify_line}"), None
        )

    def notify_reloading(self) -> None:
        """Send RELOADING=1; `notify_ready` has to follow, whatever the outcome."""
        self._jobs.call(
            JOB, lambda: sd_notify.notify(sd_notify.reloading_message(time.monotonic())), None
        )

    def notify_stopping(self) -> None:
        """Send STOPPING=1."""
        self._jobs.call(JOB, lambda: sd_notify.notify("STOPPING=1"), None)

    async def feed_watchdog(self) -> None:
        """Send WATCHDOG=1 periodically; returns at once if the manager asks for none."""
        period_s = sd_notify.watchdog_period_s(os.environ, os.getpid())
        while period_s is not None:
            sd_notify.notify("WATCHDOG=1")
            await asyncio.sleep(period_s)
