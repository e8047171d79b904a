"""What does the service manager want to hear? sd_notify through systemd-python, imported only under a manager.

Source of truth: sd_notify(3), sd_watchdog_enabled(3).
"""

import os
from collections.abc import Mapping


def tell(message: str) -> None:
    """Send ``READY=1``, ``STATUS=...`` and the like; silently nothing where no service manager listens."""
    if is_heard():
        from systemd import daemon

        daemon.notify(message)


def is_heard() -> bool:
    """Whether a service manager listens."""
    return "NOTIFY_SOCKET" in os.environ


def watchdog_period_s(environment: Mapping[str, str], pid: int) -> float | None:
    """How often to send ``WATCHDOG=1``: half the manager's limit; ``None`` if it set none for this process."""
    limit_us = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", str(pid))
    if not limit_us.isdecimal() or int(limit_us) == 0 or owner != str(pid):
        return None
    return int(limit_us) / 2_000_000
