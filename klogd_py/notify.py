"""What does the service manager want to hear? sd_notify through systemd-python, imported only under a manager.

Source of truth: sd_notify(3), sd_watchdog_enabled(3).
"""

import os
from collections.abc import Mapping


def tell(message: str) -> None:
    """Send ``READY=1``, ``STATUS=...`` and the like; silently nothing where no service manager listens."""
    if "NOTIFY_SOCKET" in os.environ:
        from systemd import daemon

        daemon.notify(message)


def reloading(monotonic_s: float) -> str:
    """That a reload begins now; ``READY=1`` is to follow, whatever comes of it. Type=notify-reload waits for both."""
    return f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s * 1_000_000)}"


def watchdog_period_s(environment: Mapping[str, str], pid: int) -> float | None:
    """How often to send ``WATCHDOG=1``: half the manager's limit; ``None`` if it set none for this process."""
    limit_us = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", str(pid))
    if not limit_us.isdecimal() or int(limit_us) == 0 or owner != str(pid):
        return None
    return int(limit_us) / 2_000_000
