# SPDX-License-Identifier: GPL-2.0-or-later
"""Start tasks in reaction to signals and changes, and cancel them when the daemon stops."""

import asyncio
from collections.abc import Awaitable, Callable

from klogd_py.system.jobs import Jobs


class BackgroundTasks:
    """The reactions that run at present. Mutable; lives on the event loop."""

    def __init__(self, group: asyncio.TaskGroup, jobs: Jobs) -> None:
        self._group = group
        self._jobs = jobs
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def start(self, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run a job as a task of its own; does nothing after `cancel`."""
        if not self._is_closed:
            task = self._group.create_task(self._jobs.run(name, job, None))
            self._tasks.add(task)
            task.add_done_callback(self._jobs.guard(name, self._tasks.discard))

    def cancel(self) -> None:
        """Cancel all tasks, and start no others."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
