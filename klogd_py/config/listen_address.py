# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse the address that the metrics are served at, which only this machine may reach."""

import ipaddress
import re
from pathlib import Path

EXAMPLE = "127.0.0.1:9184"


def parse_listen_address(listen: str) -> tuple[str, int] | Path:
    """Parse ``127.0.0.1:9184``, ``[::1]:9184``, ``localhost:9184`` or ``unix:/run/x/metrics``.

    Returns the address and the port, or the path of the Unix socket.

    Raises:
        ValueError: the text is none of these, or an address that other machines can reach.
    """
    kind, _, path = listen.partition(":")
    if kind == "unix" and path.startswith("/"):
        return Path(path)
    host, _, port = listen.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16 or "%" in host:
        raise ValueError
    if (
        host != "localhost"
        and not ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    ):
        raise ValueError
    return "127.0.0.1" if host == "localhost" else host.strip("[]"), int(port)
