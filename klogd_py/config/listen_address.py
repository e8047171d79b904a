# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse the address that the metrics are served at, which only this machine may reach."""

import ipaddress
import re
from pathlib import Path

from msgspec import Struct

from klogd_py.config.errors import WrongText

_EXPECTED = "a loopback address such as 127.0.0.1:9184 or unix:PATH"


class TcpAddress(Struct, frozen=True):
    """A loopback address without brackets, and a port."""

    host: str
    port: int


def parse_listen_address(listen: str) -> TcpAddress | Path:
    """Parse ``127.0.0.1:9184``, ``[::1]:9184``, ``localhost:9184`` or ``unix:/run/x/metrics``.

    A path is that of the Unix socket.

    Raises:
        WrongText: the text is none of these, or an address that other machines can reach.
    """
    kind, _, path = listen.partition(":")
    if kind == "unix" and path.startswith("/"):
        return Path(path)
    host, _, port = listen.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16 or "%" in host:
        raise WrongText(_EXPECTED)
    if host != "localhost" and not _is_loopback(host.removeprefix("[").removesuffix("]")):
        raise WrongText(_EXPECTED)
    return TcpAddress("127.0.0.1" if host == "localhost" else host.strip("[]"), int(port))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
