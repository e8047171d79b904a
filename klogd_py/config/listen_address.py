# SPDX-License-Identifier: GPL-2.0-or-later
"""Which addresses can only this machine reach?"""

import ipaddress
import re
from pathlib import Path

EXAMPLE = "127.0.0.1:9184"


def address_of(listen: str) -> tuple[str, int] | Path:
    """What ``127.0.0.1:9184``, ``[::1]:9184`` or ``unix:/run/klogd-py/metrics`` stands for.

    Raises:
        ValueError: it is none of these, or an address that other machines can reach.
    """
    kind, _, rest = listen.partition(":")
    if kind == "unix" and rest.startswith("/"):
        return Path(rest)
    host, _, port = listen.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16 or "%" in host:
        raise ValueError
    if (
        host != "localhost"
        and not ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    ):
        raise ValueError
    return "127.0.0.1" if host == "localhost" else host.strip("[]"), int(port)
