# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpack the programs of Debian's package prometheus: ``python -m tests.vm.lab.prometheus``.

They are not installed: 95 MB would stay, and the package starts a server that listens on all
addresses. apt needs no right to fetch a package, but its lists must be there.
"""

import platform
import sys
from pathlib import Path

from tests.vm.lab.cache import place_of, product
from tests.vm.lab.roots import BuildFailed, run

_UNPACK = """
apt-get download -qq prometheus
dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin
rm prometheus_*.deb
"""


def programs() -> Path:
    """Return the directory with ``prometheus`` and ``promtool``, which is made if it is missing.

    Raises:
        BuildFailed: the package cannot be fetched.
    """
    return product("prometheus", _inputs(), _make)


def expected_place() -> Path:
    """Return the directory that `programs` makes, which need not be there."""
    return place_of("prometheus", _inputs())


def _make(place: Path) -> None:
    run("sh", "-eu", "-c", _UNPACK, at=place)


def _inputs() -> list[str]:
    system = Path("/etc/os-release")
    return [system.read_text() if system.exists() else "", platform.machine(), _UNPACK]


def main() -> int:
    """Unpack the programs; the status is 1 if they cannot be fetched."""
    try:
        programs()
    except BuildFailed as error:
        print(f"vm-lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
