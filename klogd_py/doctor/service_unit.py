# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the service of klogd-py, with its drop-ins, and tell what it lets the daemon execute.

Source of truth: systemd.unit(5) for the places, their order and drop-ins; systemd.exec(5) for
``ExecPaths=``, ``NoExecPaths=`` and ``ProtectHome=``.
"""

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from klogd_py.doctor.host import Host

NAME = "klogd-py.service"
# In order of precedence
_PLACES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_TRUE = frozenset(("1", "yes", "y", "true", "t", "on"))
_HOMES = ("/home", "/root", "/run/user")


def find_unit(host: Host) -> str | None:
    """Return the path of the service that systemd uses; ``None`` if there is none."""
    return next(
        (path for place in _PLACES if host.exists(path := f"{place}/{NAME}")),
        None,
    )


def may_execute(host: Host, program: str) -> bool:
    """Tell whether the service lets the daemon execute a program; without a service it may."""
    settings = list(_settings(host))
    real = "/" + os.path.relpath(os.path.realpath(host.path_of(program)), host.root)
    hidden = [value for key, value in settings if key == "ProtectHome"]
    if hidden and hidden[-1].lower() in {*_TRUE, "tmpfs"} and _is_below(real, _HOMES):
        return False
    allowed = _deepest(real, _paths(settings, "ExecPaths"))
    return _deepest(real, _paths(settings, "NoExecPaths")) <= allowed


def _settings(host: Host) -> Iterator[tuple[str, str]]:
    """Yield the assignments of the unit and of its drop-ins, in the order of systemd."""
    unit = find_unit(host)
    files = {} if unit is None else {"": unit}
    for place in reversed(_PLACES):
        folder = host.path_of(f"{place}/{NAME}.d")
        files |= {path.name: f"{place}/{NAME}.d/{path.name}" for path in folder.glob("*.conf")}
    for name in sorted(files):
        text = host.read_text(files[name]).replace("\\\n", " ")
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            if equals and not line.lstrip().startswith(("#", ";")):
                yield key.strip(), value.strip()


def _paths(settings: list[tuple[str, str]], key: str) -> list[str]:
    """Return the paths of a list; an empty assignment empties it."""
    found: list[str] = []
    for name, value in settings:
        if name == key:
            found = [*found, *value.split()] if value else []
    return [path.lstrip("-+") for path in found]


def _deepest(path: str, folders: list[str]) -> int:
    """Return how deep the deepest folder above a path lies; -1 if none is above it."""
    return max(
        (len(PurePosixPath(folder).parts) for folder in folders if _is_below(path, (folder,))),
        default=-1,
    )


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)
