# SPDX-License-Identifier: GPL-2.0-or-later
"""What does the service manager want to hear? sd_notify through systemd-python, imported only under
a manager.

Source of truth: sd_notify(3), sd_watchdog_enabled(3).
"""

import contextlib
import os
import re
import select
import socket
from collections.abc import Mapping

# Whatever the manager's limit is
MIN_PERIOD_S, MAX_PERIOD_S = 0.01, 3600.0
# Only this message is worth waiting for
READY_PATIENCE_MS = 1000
_NUMBER = re.compile(r"[0-9]{1,20}")


def notify(message: str) -> None:
    """Send ``READY=1``, ``STATUS=...`` and the like; silently nothing where no service manager
    listens, or reads.

    The library's call would wait for a manager that does not read, and with it every record.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address and _has_room(address, READY_PATIENCE_MS if message.startswith("READY=1") else 0):
        from systemd import daemon

        # It has gone meanwhile, or its address is none
        with contextlib.suppress(OSError):
            daemon.notify(message.encode("utf-8", "backslashreplace").decode())


def is_supervised() -> bool:
    """Whether a service manager listens."""
    return "NOTIFY_SOCKET" in os.environ


def reloading_message(monotonic_s: float) -> str:
    """That a reload begins now; ``READY=1`` is to follow, whatever comes of it.

    Type=notify-reload waits for both.
    """
    return f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s * 1_000_000)}"


def _has_room(address: str, patience_ms: int) -> bool:
    """Whether a datagram to the manager's socket would be taken at once."""
    # Another machine's manager, see sd_notify(3)
    if address[0] not in "/@":
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            return False
        poll = select.poll()
        poll.register(probe, select.POLLOUT)
        return bool(poll.poll(patience_ms))


def watchdog_period_s(environment: Mapping[str, str], pid: int) -> float | None:
    """How often to send ``WATCHDOG=1``: half the manager's limit.

    ``None`` if it set none for this process.
    """
    limit_us = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", str(pid))
    if not _NUMBER.fullmatch(limit_us) or int(limit_us) == 0 or owner != str(pid):
        return None
    return min(max(int(limit_us) / 2_000_000, MIN_PERIOD_S), MAX_PERIOD_S)
