# SPDX-License-Identifier: GPL-2.0-or-later
"""Download and unpack the Debian packages of the other log daemons.

They are unpacked into a cache and not installed: two syslog daemons cannot be installed at once,
and the daemon of the machine stays as it is.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

CACHE = Path(os.environ.get("KLOGD_BENCH_CACHE", Path.home() / ".cache/klogd-py/bench"))


class Unavailable(OSError):
    """Something that a measurement needs is missing; the message says what, and why."""


def unpack(package: str) -> Path:
    """Return the root of a package, unpacked with the libraries that this machine lacks.

    Raises Unavailable.
    """
    root = CACHE / package
    if (root / ".complete").exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Unavailable(f"{package}: needs Debian's apt-get and dpkg-deb")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    _download(package, root)
    (archive,) = root.glob(f"{package}_*.deb")
    for library in _required_libraries(archive):
        if not _is_installed(library):
            _download(library, root)
    for archive in root.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
        archive.unlink()
    (root / ".complete").touch()
    return root


def library_path(root: Path) -> str:
    """Return the LD_LIBRARY_PATH for a program of an unpacked package."""
    return ":".join(sorted({str(path.parent) for path in root.rglob("*.so.[0-9]*")}))


def _required_libraries(archive: Path) -> list[str]:
    """Return the libraries among the dependencies of a package.

    ``libc6 (>= 2.34), libnet1 (>= 1.1.2.1), lsb-base | x``: of alternatives, the first.
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


def _download(package: str, root: Path) -> None:
    done = subprocess.run(
        ["apt-get", "-q", "download", package], cwd=root, capture_output=True, text=True
    )
    if done.returncode:
        raise Unavailable(
            f"{package}: apt-get download failed: {done.stderr.strip().splitlines()[-1:]}"
        )
