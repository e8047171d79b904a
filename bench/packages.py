# SPDX-License-Identifier: GPL-2.0-or-later
"""Where do the programs come from that klogd-py is compared with?

Debian's packages, unpacked into a cache rather than installed: two syslog daemons cannot be
installed at a time, and the machine's own is left alone.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("KLOGD_BENCH_CACHE", Path.home() / ".cache/klogd-py/bench"))


class NotToBeHad(OSError):
    """A program is not here and cannot be fetched; the message says which, and why."""


def unpacked(package: str) -> Path:
    """The root of an unpacked package with the libraries that it needs and this machine lacks.

    Raises NotToBeHad.
    """
    root = CACHE / package
    if (root / ".complete").exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise NotToBeHad(
            f"{package}: only to be had from Debian's archive, and there is no apt-get here"
        )
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    _fetch(package, root)
    (archive,) = root.glob(f"{package}_*.deb")
    for library in _libraries(archive):
        if not _is_installed(library):
            _fetch(library, root)
    for archive in root.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
        archive.unlink()
    (root / ".complete").touch()
    return root


def library_path(root: Path) -> str:
    """What LD_LIBRARY_PATH must be for a program of an unpacked package."""
    return ":".join(sorted({str(path.parent) for path in root.rglob("*.so.[0-9]*")}))


def _libraries(archive: Path) -> list[str]:
    """``libc6 (>= 2.34), libnet1 (>= 1.1.2.1), lsb-base | x``.

    The first of each alternative that is a library.
    """
    depends = subprocess.run(
        ["dpkg-deb", "-f", archive, "Depends"], check=True, capture_output=True, text=True
    ).stdout
    names = [re.split(r"[ |(:]", part.strip(), maxsplit=1)[0] for part in depends.split(",")]
    return [name for name in names if name.startswith("lib")]


def _is_installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True
    )
    return "installed" in done.stdout.split()


def _fetch(package: str, root: Path) -> None:
    done = subprocess.run(
        ["apt-get", "-q", "download", package], cwd=root, capture_output=True, text=True
    )
    if done.returncode:
        raise NotToBeHad(
            f"{package}: apt-get download failed: {done.stderr.strip().splitlines()[-1:]}"
        )
