# SPDX-License-Identifier: GPL-2.0-or-later
"""Send notifications to the service manager, without ever waiting for it.

systemd-python is imported only if there is a service manager. Without it the message is sent as it
is: a datagram to the manager's socket.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import contextlib
import os
import re
import select
import socket
from collections.abc import Mapping

# Bounds of the watchdog period, whatever the manager's limit is
MIN_PERIOD_S, MAX_PERIOD_S = 0.01, 3600.0
# How long to wait until the manager can take READY=1. No other message is waited for.
READY_TIMEOUT_MS = 1000
_NUMBER = re.compile(r"[0-9]{1,20}")


def notify(message: str) -> None:
    """Send ``READY=1``, ``STATUS=...`` and the like.

    Does nothing if no service manager listens, or if it does not read: the library's call would
    wait for it, and records with it.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    text = message.encode("utf-8", "backslashreplace").decode()
    timeout_ms = READY_TIMEOUT_MS if message.startswith("READY=1") else 0
    # The manager has closed its socket meanwhile, or the address is wrong.
    with contextlib.suppress(OSError):
        # A vsock address, see sd_notify(3)
        if address[0] not in "/@":
            _send_through_library(text)
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
            poll = select.poll()
            poll.register(manager, select.POLLOUT)
            if poll.poll(timeout_ms) and not _send_through_library(text):
                manager.send(text.encode(), socket.MSG_DONTWAIT)


def is_supervised() -> bool:
    """Return whether there is a service manager."""
    return "NOTIFY_SOCKET" in os.environ


def reloading_message(monotonic_s: float) -> str:
    """Return the message that a reload begins now.

    ``READY=1`` has to follow, whatever the outcome: Type=notify-reload waits for both.
    """
    return f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s * 1_000_000)}"


def _send_through_library(text: str) -> bool:
    """Send a message by systemd-python; returns False if it cannot be used."""
    try:
        from systemd import daemon
    # As in `libraries`: a broken one may raise anything.
    except Exception:
        return False
    daemon.notify(text)
    return True


def watchdog_period_s(environment: Mapping[str, str], pid: int) -> float | None:
    """Return how often to send ``WATCHDOG=1``: half the manager's limit.

    ``None`` if there is no limit for this process.
    """
    limit_us = environment.get("WATCHDOG_USEC", "")
    owner = environment.get("WATCHDOG_PID", str(pid))
    if not _NUMBER.fullmatch(limit_us) or int(limit_us) == 0 or owner != str(pid):
        return None
    return min(max(int(limit_us) / 2_000_000, MIN_PERIOD_S), MAX_PERIOD_S)
