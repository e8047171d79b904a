# SPDX-License-Identifier: GPL-2.0-or-later
"""Reload the configuration while the daemon runs.

A wrong configuration changes nothing: the one in use stays. The service manager and the status
are notified of every reload, whatever its outcome.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from klogd_py.config.errors import ConfigError
from klogd_py.config.schema import Config
from klogd_py.lifecycle.active_config import ActiveConfig
from klogd_py.lifecycle.config_files import ConfigFiles
from klogd_py.lifecycle.service_manager import ServiceManager
from klogd_py.monitoring.status_builder import StatusBuilder
from klogd_py.sinks.cursor_file import CursorFileInUse
from klogd_py.system.errors import describe_unexpected
from klogd_py.system.jobs import Jobs

# A change of these takes effect at the next start.
START_ONLY = ("input", "state", "user")

logger = logging.getLogger("klogd_py")


class ConfigReloader:
    """Reloads the configuration, one reload at a time. Mutable; lives on the event loop."""

    def __init__(
        self,
        files: ConfigFiles,
        active: ActiveConfig,
        status_builder: StatusBuilder,
        service_manager: ServiceManager,
        on_applied: Callable[[str], Awaitable[None]],
        jobs: Jobs,
    ) -> None:
        """``on_applied`` is awaited with the reason after a configuration was applied."""
        self._files = files
        self._active = active
        self._status_builder = status_builder
        self._service_manager = service_manager
        self._on_applied = on_applied
        self._jobs = jobs
        self._lock = asyncio.Lock()

    async def reload(self, reason: str) -> None:
        """Read and apply the configuration; a wrong one is logged and changes nothing.

        Sinks are opened again, also where their configuration is the same.
        """
        async with self._lock:
            self._service_manager.notify_reloading()
            try:
                config = self._files.load()
                # The user takes effect at the next start, which a wrong name would prevent.
                if config.user != self._active.config.user:
                    self._files.options.look_up_user(config)
                await self._replace(config, reason)
            except (ConfigError, CursorFileInUse) as error:
                self._refuse(reason, str(error))
            except Exception as error:
                self._jobs.report("reload", error)
                self._refuse(reason, describe_unexpected(error))
            self._service_manager.notify_ready()

    async def _replace(self, config: Config, reason: str) -> None:
        """Apply a configuration, and the one before it again if that fails."""
        before = self._active.config
        late = ", ".join(key for key in START_ONLY if getattr(config, key) != getattr(before, key))
        if late:
            logger.warning("the change of %s takes effect at the next start", late)
        try:
            await self._active.apply(config)
        except Exception:
            self._active.config = before
            await self._jobs.run("reload", lambda: self._active.apply(before), None)
            raise
        self._status_builder.record_reload(
            "configuration", reason, True, late and f"{late} at the next start"
        )
        await self._on_applied(reason)

    def _refuse(self, reason: str, error: str) -> None:
        logger.error("keeping the old configuration: %s", error)
        self._status_builder.record_reload("configuration", reason, False, error)
