# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what the lines of one run say of the machine that their records are from; pure.

A record of a capture that states its machine overrides it.

Source of truth: RFC 5424 section 6 for the host name and for ``-``.
"""

import re
from functools import lru_cache

from msgspec import Struct

from klogd_py.record.types import Machine, Record

# RFC 5424: NILVALUE
UNKNOWN_HOST = "-"
MAX_HOST_CHARS = 255
# A colon at the end would make an identifier of it.
_NOT_IN_A_HOST = re.compile(r"[^\x21-\x7e]|:\Z")


class MachineIdentity(Struct, frozen=True):
    """The machine of the records that state none, as far as it is known.

    For the running kernel that is this machine; for a capture, everything is empty. ``machine_id``
    is also empty unless it is wanted. ``build_id`` has hexadecimal digits.
    """

    host: str = ""
    machine_id: str = ""
    boot_id: str = ""
    release: str = ""
    build_id: str = ""


def stated_host(record: Record) -> str:
    """Return the host that a record states, as one word; empty if it states none."""
    machine = record.machine
    return "" if machine is None or not machine.host else host_word(machine.host)


# Few machines are in one capture.
@lru_cache(64)
def host_word(host: str) -> str:
    r"""Return a host name as one word of ASCII: ``my\x20host``. A capture can state anything."""
    return _NOT_IN_A_HOST.sub(_escape, host[:MAX_HOST_CHARS])


def identity_of(machine: Machine) -> MachineIdentity:
    """Return what a capture states of a machine."""
    return MachineIdentity(machine.host, "", machine.boot_id, machine.release)


def _escape(found: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape"))
