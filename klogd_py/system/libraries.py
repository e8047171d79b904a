# SPDX-License-Identifier: GPL-2.0-or-later
"""Say in one line why a Python library cannot be used.

klogd-py runs without each of systemd-python, watchdog, pyroute2 and prometheus-client; only what
needs the library is missing then.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from klogd_py.system.errors import describe_unexpected


class Library(Struct, frozen=True):
    """A library: its name on PyPI, the module that klogd-py imports, and Debian's package."""

    name: str
    module: str
    package: str


SYSTEMD = Library("systemd-python", "systemd._journal", "python3-systemd")
WATCHDOG = Library("watchdog", "watchdog.observers.inotify_c", "python3-watchdog")
PYROUTE2 = Library("pyroute2", "pyroute2.netlink", "python3-pyroute2")
ZSTANDARD = Library("zstandard", "zstandard", "python3-zstandard")
PROMETHEUS = Library("prometheus-client", "prometheus_client.core", "python3-prometheus-client")
LIBRARIES: Mapping[str, Library] = MappingProxyType(
    {library.name: library for library in (SYSTEMD, WATCHDOG, PYROUTE2, PROMETHEUS)}
)


def describe_import_error(library: Library, error: Exception) -> str:
    """Return why an import failed.

    ``the Python library watchdog is missing (Debian: python3-watchdog)``, or, for one that is
    there, what it lacks itself: ``... cannot be used: ImportError('libsystemd.so.0: ...')``.
    """
    top = library.module.partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == top:
        return f"the Python library {library.name} is missing (Debian: {library.package})"
    return f"the Python library {library.name} cannot be used: {describe_unexpected(error)}"


def find_import_error(library: Library) -> str | None:
    """Import a library; return why that failed, ``None`` if it can be used."""
    try:
        importlib.import_module(library.module)
    # A library of another version, or for another Python, may raise anything.
    except Exception as error:
        return describe_import_error(library, error)
    return None
