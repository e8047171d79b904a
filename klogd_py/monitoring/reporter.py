# SPDX-License-Identifier: GPL-2.0-or-later
"""Who is told how things stand? The service manager, whoever asks at the status socket, and
Prometheus.

Nothing here can stop the daemon: what cannot be opened or written is said once, and tried again at
the next reload.
"""

import asyncio
import grp
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from klogd_py.config.schema import MetricsSection, StatusSection
from klogd_py.monitoring.http_exporter import MetricsServer
from klogd_py.monitoring.status import Status, summarize
from klogd_py.monitoring.status_socket import StatusSocket
from klogd_py.system import sd_notify
from klogd_py.system.jobs import Jobs
from klogd_py.system.trusted_directory import is_shared
from klogd_py.system.worker_thread import WorkerThread

STATUS_PERIOD_S = 1.0

logger = logging.getLogger(__name__)


class StatusReporter:
    """All windows into a daemon. Mutable; lives on the event loop."""

    def __init__(self, status: Callable[[], Status], jobs: Jobs | None = None) -> None:
        """``status`` draws the document at the moment of asking."""
        self._status = status
        self._jobs = jobs or Jobs()
        self._timer: asyncio.TimerHandle | None = None
        self._section: StatusSection | None = None
        self._tried: StatusSection | None = (
            # Before the daemon went on as somebody else, and told if in vain
            None
        )
        self._metrics = MetricsSection()
        self._socket: StatusSocket | None = None
        self._scrape: MetricsServer | None = None
        self._writing: asyncio.Task[None] | None = None
        self._courier = WorkerThread("metrics")
        self._complaint = ""

    @property
    def notify_line(self) -> str:
        """What the service manager shows, as sd_notify wants it."""
        return f"STATUS={summarize(self._status())}"

    def notify(self) -> None:
        """Tell the service manager now."""
        self._forget_timer()
        self._jobs.value("service manager", lambda: sd_notify.tell(self.notify_line), None)

    def _forget_timer(self) -> None:
        self._timer = None

    def notify_soon(self) -> None:
        """Tell the service manager before long.

        Asked any number of times meanwhile it tells once.
        """
        if self._timer is None and sd_notify.is_supervised():
            tell = self._jobs.guarded("service manager", self.notify, self._forget_timer)
            self._timer = asyncio.get_running_loop().call_later(STATUS_PERIOD_S, tell)

    def open_socket_for(self, owner: int, section: StatusSection) -> None:
        """Open the status socket for a user as whom the daemon is about to go on, where only root
        can.

        What lies where others can change it is left to the user.
        """
        if section.socket and not is_shared(section.socket):
            self._jobs.value("status socket", lambda: self._open_socket(section, owner), None)
            self._tried = section

    async def configure(self, section: StatusSection, prometheus: MetricsSection) -> None:
        """Have the windows that the configuration names.

        Those that it names as before stay open.
        """
        if section is not self._tried and (self._socket is None or section != self._section):
            self._jobs.value("status socket", self._close_socket, None)
            self._jobs.value("status socket", lambda: self._open_socket(section, -1), None)
        # A reload tries again what root could not open
        self._tried = None
        if prometheus != self._metrics or (prometheus.listen and self._scrape is None):
            self._jobs.value("metrics", self._close_metrics, None)
            self._metrics = prometheus
            if not await self._jobs.run("metrics", lambda: self._open_metrics(prometheus), False):
                self._jobs.value("metrics", self._close_metrics, None)
                # The next reload tries again
                self._metrics = MetricsSection()

    def close(self) -> None:
        """Close all of them; the manager is told no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._jobs.value("status socket", self._close_socket, None)
        self._jobs.value("metrics", self._close_metrics, None)
        self._courier.close()

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
                    "status.group: there is no group %s; only root may ask", section.group
                )
        try:
            self._socket = StatusSocket(
                Path(section.socket), group, self._status, owner, self._jobs
            )
        # SocketUnusable, or somebody has taken the name away again
        except OSError as error:
            logger.warning("klogd-py status will not work: %s", error)

    async def _open_metrics(self, wanted: MetricsSection) -> bool:
        """Open what is wanted; whether it could be."""
        if not wanted.textfile and not wanted.listen:
            return True
        try:
            from klogd_py.monitoring import prometheus
        except ImportError as error:
            logger.error("no metrics: they need the Python package prometheus-client (%s)", error)
            return False
        if wanted.textfile:
            writing = self._jobs.keep(
                "metrics file", partial(self._write, Path(wanted.textfile), wanted.period_s)
            )
            self._writing = asyncio.get_running_loop().create_task(writing)
        if wanted.listen:
            scrape = MetricsServer(
                wanted.listen,
                lambda: prometheus.text(self._status()),
                prometheus.CONTENT_TYPE,
                self._jobs,
            )
            try:
                await scrape.open()
            except OSError as error:
                scrape.close()
                logger.warning(
                    "metrics.listen = %r cannot be used: %s", wanted.listen, error.strerror or error
                )
            else:
                self._scrape = scrape
        return True

    async def _write(self, path: Path, period_s: float) -> None:
        """Write the file again and again; a disk that hangs holds up nothing else."""
        from klogd_py.monitoring import prometheus

        while True:
            content = prometheus.text(self._status())
            try:
                await self._courier.call(partial(prometheus.write, path, content))
                self._complaint = ""
            except OSError as error:
                if str(error) != self._complaint:
                    logger.warning("metrics not written: %s: %s", path, error.strerror)
                self._complaint = str(error)
            await asyncio.sleep(period_s)

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _close_metrics(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
        if self._scrape is not None:
            self._scrape.close()
        self._writing = self._scrape = None
