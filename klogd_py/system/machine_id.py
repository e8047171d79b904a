# SPDX-License-Identifier: GPL-2.0-or-later
"""Derive an id of this machine that other programs cannot derive the machine's own id from.

The id in /etc/machine-id is confidential: it must not be sent over the network.

Source of truth: machine-id(5); sd_id128_get_machine_app_specific(3), which returns the same.
"""

import hashlib
import hmac
import re
from pathlib import Path

from klogd_py.system.errors import SystemOperationError
from klogd_py.system.regular_file import read_regular

MACHINE_ID = Path("/etc/machine-id")
# Of klogd-py, made at random; another one would give each machine another id.
APPLICATION_ID = bytes.fromhex("b1e3a9886e9f4d5ba9e85e7ae8e643cd")

_MAX_BYTES = 64
_ID = re.compile(rb"([0-9a-fA-F]{32})\n?")


class NoMachineId(SystemOperationError):
    """The id of this machine is not known; the message names the file and the reason."""


def read_application_id(path: Path) -> str:
    """Return the id that klogd-py has for this machine, in 32 hexadecimal digits.

    ``path`` is /etc/machine-id. Raises NoMachineId.
    """
    try:
        content = read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise NoMachineId(f"{path}: {error.strerror or error}") from error
    found = _ID.fullmatch(content)
    # "uninitialized" is the content before the first boot is complete.
    if found is None or not found[1].strip(b"0"):
        raise NoMachineId(f"{path}: no machine id")
    return derive_application_id(bytes.fromhex(found[1].decode()), APPLICATION_ID).hex()


def derive_application_id(machine_id: bytes, application_id: bytes) -> bytes:
    """Return the id of a machine for one application: 16 bytes of each, a UUID of version 4."""
    derived = bytearray(hmac.digest(machine_id, application_id, hashlib.sha256)[:16])
    derived[6] = derived[6] & 0x0F | 0x40
    derived[8] = derived[8] & 0x3F | 0x80
    return bytes(derived)
