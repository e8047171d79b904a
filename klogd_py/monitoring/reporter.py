# SPDX-License-Identifier: GPL-2.0-or-later
"""Report the daemon's status: to the service manager, on the status socket, and to Prometheus.

No error here stops the daemon. A socket or file that cannot be opened or written is logged once,
and tried again at the next reload.

Source of truth: sd_notify(3) for STATUS=.
"""

import asyncio
import grp
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from klogd_py.config.schema import MetricsSection, StatusSection
from klogd_py.monitoring.errors import EndpointUnusable
from klogd_py.monitoring.http_exporter import MetricsServer
from klogd_py.monitoring.status import Status, summarize
from klogd_py.monitoring.status_socket import StatusSocket
from klogd_py.system import sd_notify
from klogd_py.system.jobs import Jobs
from klogd_py.system.libraries import PROMETHEUS, describe_import_error
from klogd_py.system.trusted_directory import is_shared
from klogd_py.system.worker_thread import WorkerThread

STATUS_PERIOD_S = 1.0

logger = logging.getLogger(__name__)


class StatusReporter:
    """The status endpoints of one daemon. Mutable; all methods run on the event loop."""

    def __init__(self, status: Callable[[], Status], jobs: Jobs | None = None) -> None:
        """``status`` returns the current document; it is called for each report."""
        self._status = status
        self._jobs = jobs or Jobs()
        self._timer: asyncio.TimerHandle | None = None
        self._section: StatusSection | None = None
        # What open_socket_for tried to open, and logged if it failed
        self._tried: StatusSection | None = None
        self._metrics = MetricsSection()
        self._socket: StatusSocket | None = None
        self._metrics_server: MetricsServer | None = None
        self._write_task: asyncio.Task[None] | None = None
        self._metrics_thread = WorkerThread("metrics")
        self._last_write_error: str | None = None

    @property
    def notify_line(self) -> str:
        """The message for sd_notify: ``STATUS=1201 records from /dev/kmsg to 2 sinks, ...``."""
        return f"STATUS={summarize(self._status())}"

    def notify(self) -> None:
        """Send the status line to the service manager now."""
        self._clear_timer()
        self._jobs.call("service manager", lambda: sd_notify.notify(self.notify_line), None)

    def _clear_timer(self) -> None:
        self._timer = None

    def notify_soon(self) -> None:
        """Send the status line in `STATUS_PERIOD_S`; further calls until then change nothing."""
        if self._timer is None and sd_notify.is_supervised():
            notify = self._jobs.guard("service manager", self.notify, self._clear_timer)
            self._timer = asyncio.get_running_loop().call_later(STATUS_PERIOD_S, notify)

    def open_socket_for(self, owner: int, section: StatusSection) -> None:
        """Open the status socket as root, before the daemon drops privileges to user ``owner``.

        A path in a directory that other users can write to is not opened as root; `configure`
        opens it later, as that user.
        """
        if section.socket and not is_shared(section.socket):
            self._jobs.call("status socket", lambda: self._open_socket(section, owner), None)
            self._tried = section

    async def configure(self, section: StatusSection, metrics: MetricsSection) -> None:
        """Open the endpoints that the configuration names, and close all others.

        Endpoints whose configuration did not change stay open.
        """
        if section is not self._tried and (self._socket is None or section != self._section):
            self._jobs.call("status socket", self._close_socket, None)
            self._jobs.call("status socket", lambda: self._open_socket(section, -1), None)
        # The next reload tries again what root could not open
        self._tried = None
        if metrics != self._metrics or (metrics.listen and self._metrics_server is None):
            self._jobs.call("metrics", self._close_metrics, None)
            self._metrics = metrics
            if not await self._jobs.run("metrics", lambda: self._open_metrics(metrics), False):
                self._jobs.call("metrics", self._close_metrics, None)
                # The next reload tries again
                self._metrics = MetricsSection()

    def close(self) -> None:
        """Close all endpoints; nothing more is sent to the service manager."""
        if self._timer is not None:
            self._timer.cancel()
        self._jobs.call("status socket", self._close_socket, None)
        self._jobs.call("metrics", self._close_metrics, None)
        self._metrics_thread.close()

    def _open_socket(self, section: StatusSection, owner: int) -> None:
        self._section = section
        if not section.socket:
            return
        group = None
        if section.group:
            try:
                group = grp.getgrnam(section.group).gr_gid
            except (KeyError, ValueError):
                logger.warning(
                    "status.group: there is no group %s; only root may read the status",
                    section.group,
                )
        try:
            self._socket = StatusSocket(
                Path(section.socket), group, self._status, owner, self._jobs
            )
        # EndpointUnusable, or the path was removed again while it was opened
        except OSError as error:
            logger.warning("klogd-py status will not work: %s", error)

    async def _open_metrics(self, metrics: MetricsSection) -> bool:
        """Open the metrics endpoints; false if prometheus-client is missing."""
        if not metrics.textfile and not metrics.listen:
            return True
        try:
            from klogd_py.monitoring import prometheus
        # As in `libraries`: a broken one may raise anything.
        except Exception as error:
            logger.error("no metrics: %s", describe_import_error(PROMETHEUS, error))
            return False
        if metrics.textfile:
            job = self._jobs.supervise(
                "metrics file",
                partial(self._write_metrics, Path(metrics.textfile), metrics.period_s),
            )
            self._write_task = asyncio.get_running_loop().create_task(job)
        if metrics.listen:
            server = MetricsServer(
                metrics.listen,
                lambda: prometheus.encode(self._status()),
                prometheus.CONTENT_TYPE,
                self._jobs,
            )
            try:
                await server.open()
            except EndpointUnusable as error:
                logger.warning("metrics.listen = %r cannot be used: %s", metrics.listen, error)
            else:
                self._metrics_server = server
        return True

    async def _write_metrics(self, path: Path, period_s: float) -> None:
        """Write the file every ``period_s`` seconds, in a thread: a slow disk blocks only that."""
        from klogd_py.monitoring import prometheus

        while True:
            content = prometheus.encode(self._status())
            try:
                await self._metrics_thread.call(partial(prometheus.write, path, content))
                self._last_write_error = None
            except OSError as error:
                if str(error) != self._last_write_error:
                    logger.warning("metrics not written: %s: %s", path, error.strerror)
                self._last_write_error = str(error)
            await asyncio.sleep(period_s)

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _close_metrics(self) -> None:
        if self._write_task is not None:
            self._write_task.cancel()
        if self._metrics_server is not None:
            self._metrics_server.close()
        self._write_task = self._metrics_server = None
