# SPDX-License-Identifier: GPL-2.0-or-later
"""Find out which distribution a machine has, and what starts its services.

Both are read from the files of the machine, so that a machine below another directory is judged by
its own files.

Source of truth: os-release(5), ID and ID_LIKE; sd_booted(3).
"""

import os
import shlex
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType

from klogd_py.doctor.host import Host
from klogd_py.system.regular_file import read_if_readable

_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
_MAX_BYTES = 1 << 16
_MAX_LINKS = 40


class Family(Enum):
    """Distributions that have the same package manager and names of packages."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    FEDORA = "fedora"
    SUSE = "suse"
    ARCH = "arch"
    ALPINE = "alpine"
    NIXOS = "nixos"
    OTHER = "other"


class Init(Enum):
    """What starts the services of a machine."""

    SYSTEMD = "systemd"
    OPENRC = "openrc"
    OTHER = "other"


_FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "ubuntu": Family.UBUNTU,
        "debian": Family.DEBIAN,
        "fedora": Family.FEDORA,
        "rhel": Family.FEDORA,
        "centos": Family.FEDORA,
        "suse": Family.SUSE,
        "opensuse": Family.SUSE,
        "sles": Family.SUSE,
        "arch": Family.ARCH,
        "alpine": Family.ALPINE,
        "nixos": Family.NIXOS,
    }
)
# For machines without an os-release
_MARKERS: Mapping[str, Family] = MappingProxyType(
    {
        "/etc/NIXOS": Family.NIXOS,
        "/etc/debian_version": Family.DEBIAN,
        "/etc/redhat-release": Family.FEDORA,
        "/etc/SuSE-release": Family.SUSE,
        "/etc/arch-release": Family.ARCH,
        "/etc/alpine-release": Family.ALPINE,
    }
)
_CONTAINER_MARKS = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")


def find_family(host: Host) -> Family:
    """Return the family of the machine's distribution: by ID, then by the words of ID_LIKE."""
    for path in _OS_RELEASE:
        raw = read_if_readable(_resolve(host.root, path), _MAX_BYTES)
        values = parse_os_release((raw or b"").decode("utf-8", "replace"))
        for word in [values.get("ID", ""), *values.get("ID_LIKE", "").split()]:
            # opensuse-tumbleweed, opensuse-leap
            family = _FAMILIES.get(word) or _FAMILIES.get(word.partition("-")[0])
            if family is not None:
                return family
    found = (family for path, family in _MARKERS.items() if host.exists(path))
    return next(found, Family.OTHER)


def parse_os_release(text: str) -> Mapping[str, str]:
    """Return the variables of an os-release: ``ID_LIKE="rhel fedora"`` gives ``rhel fedora``."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            values[name] = " ".join(shlex.split(value))
        # A quote that is not closed
        except ValueError:
            continue
    return values


def find_init(host: Host) -> Init:
    """Return what starts services: what runs on this machine, or what another one has installed."""
    if host.exists("/run/systemd/system"):
        return Init.SYSTEMD
    if host.exists("/run/openrc"):
        return Init.OPENRC
    if host.is_this_machine:
        return Init.OTHER
    if host.exists("/usr/lib/systemd/systemd") or host.exists("/lib/systemd/systemd"):
        return Init.SYSTEMD
    if find_family(host) is Family.NIXOS:
        return Init.SYSTEMD
    return Init.OPENRC if host.exists("/sbin/openrc-run") else Init.OTHER


def is_container(host: Host) -> bool:
    """Tell whether the machine is a container, as far as its files show."""
    return any(host.exists(path) for path in _CONTAINER_MARKS)


def is_own_environment() -> bool:
    """Tell whether this program has a virtual environment that hides the system's packages."""
    if sys.prefix == sys.base_prefix:
        return False
    raw = read_if_readable(Path(sys.prefix) / "pyvenv.cfg", _MAX_BYTES) or b""
    settings = dict(line.split(b"=", 1) for line in raw.splitlines() if b"=" in line)
    shown = settings.get(b"include-system-site-packages ", b"false")
    return shown.strip() != b"true"


def _resolve(root: Path, path: str) -> Path:
    """Follow the links of a path as the machine below ``root`` does: absolute ones start there."""
    if root == Path("/"):
        return Path(path)
    parts, found, links = path.split("/")[::-1], root, 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            found = found.parent if found != root else root
            continue
        try:
            target = os.readlink(found / part)
        # No link, or nothing is there
        except OSError:
            found = found / part
            continue
        links += 1
        if links > _MAX_LINKS:
            break
        found = root if target.startswith("/") else found
        parts += target.split("/")[::-1]
    return found
