# SPDX-License-Identifier: GPL-2.0-or-later
"""Create the Debian systems in which the guests' parts are compiled and from which they boot.

mmdebstrap makes them from Debian's packages alone. A builder compiles kernel, modules and klogd-py
for the guests in a chroot, so that the host needs no compiler and no headers. Its package lists are
not updated, so that packages fetched later match those installed.
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.vm.lab.cache import product

COMMAND_LIMIT_S = 1500.0
# The guests' own files in this repository
GUEST = Path(__file__).parent.parent / "guest"

_PYTHON = [
    "python3",
    "python3-venv",
    "python3-dev",
    "gcc",
    "pkg-config",
    "libsystemd-dev",
    "ca-certificates",
]
_KERNEL = [
    "make",
    "flex",
    "bison",
    "bc",
    "libelf-dev",
    "libssl-dev",
    "xz-utils",
    "cpio",
    "kmod",
    "libc6-dev",
]
_PACKAGING = [
    "build-essential",
    "debhelper",
    "dh-python",
    "pybuild-plugin-pyproject",
    "python3-dev",
    "python3-setuptools",
    "python3-pip",
    "libsystemd-dev",
    "pkg-config",
    "ca-certificates",
]

# The headers are unpacked, not installed: they depend on a compiler that runs on arm64.
_ADD_ARM64_HEADERS = """
cd "$1/tmp"
chroot "$1" sh -c 'cd /tmp && apt-get download -qq $(apt-cache depends linux-headers-arm64:arm64 | sed -n "s/ *Depends: //p")'
chroot "$1" sh -c 'for deb in /tmp/*.deb; do dpkg-deb -x $deb /; done'
rm *.deb
"""  # noqa: E501


class BuildFailed(RuntimeError):
    """A command of a recipe failed; the message holds it and the end of its output."""


def builder(suite: str) -> Path:
    """Return a Debian with compilers and the headers of its cloud kernel.

    In trixie those of arm64 are unpacked as well.
    """
    packages = [*_PYTHON, *_KERNEL, "linux-headers-cloud-amd64"]
    if suite != "trixie":
        return debian(f"builder-{suite}", suite, packages)
    packages.append("gcc-aarch64-linux-gnu")
    return debian(f"builder-{suite}", suite, packages, foreign=["arm64"], last=_ADD_ARM64_HEADERS)


def packager(suite: str) -> Path:
    """Return a Debian that can build klogd-py's package: debhelper, pybuild, and pip for what this
    Debian lacks."""
    return debian(f"packager-{suite}", suite, _PACKAGING)


def debian(
    name: str,
    suite: str,
    packages: Sequence[str],
    *,
    architecture: str = "amd64",
    foreign: Sequence[str] = (),
    variant: str = "minbase",
    last: str = "",
    parts: Sequence[Path] = (),
) -> Path:
    """Return the product whose ``root`` is a Debian with these packages.

    ``variant`` is that of mmdebstrap. ``last`` is a shell script that completes the root: ``$1`` is
    the root, ``$2`` the directory that holds ``parts``, the files that it uses.
    """

    def make(place: Path) -> None:
        root = place / "root"
        run(
            "mmdebstrap",
            f"--variant={variant}",
            f"--architectures={','.join([architecture, *foreign])}",
            f"--include={','.join(packages)}",
            # Documentation takes half of the space and of the time
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            '--aptopt=APT::Install-Recommends "false"',
            "--skip=cleanup/apt/lists",
            suite,
            str(root),
            *_sources_of(suite),
        )
        # Not a hook of mmdebstrap, which calls none where it only extracts
        mounts = (
            'mkdir -p "$1/dev" "$1/proc"; mount --bind /dev "$1/dev"; '
            'mount -t proc proc "$1/proc"; '
        )
        run("unshare", "--mount", "sh", "-eu", "-c", mounts + last, "sh", str(root), str(GUEST))

    return product(name, [suite, architecture, variant, last, *packages, *foreign, *parts], make)


def _sources_of(suite: str) -> list[str]:
    """Return the lines of sources.list for a suite.

    The mirror is that of this machine's own packages, or KLOGD_VM_MIRROR.
    """
    mirror = os.environ.get("KLOGD_VM_MIRROR", "")
    security = os.environ.get("KLOGD_VM_SECURITY_MIRROR", f"{mirror}-security")
    if not mirror:
        here = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
        listed = run(
            "apt-get",
            "indextargets",
            "--format",
            "$(RELEASE) $(SITE)",
            "Created-By: Packages",
            limit_s=60,
        )
        sites = dict(line.split(" ", 1) for line in reversed(listed.splitlines()))
        try:
            mirror, security = sites[here], sites[f"{here}-security"]
        except KeyError as error:
            raise BuildFailed(
                f"apt-get has no source for {error}: set KLOGD_VM_MIRROR to a mirror of Debian"
            ) from error
    return [
        f"deb {mirror} {suite} main",
        f"deb {mirror} {suite}-updates main",
        f"deb {security} {suite}-security main",
    ]


def run(*command: str, at: Path | None = None, limit_s: float = COMMAND_LIMIT_S) -> str:
    """Run a command and return its output.

    Raises BuildFailed if it fails or takes longer than the limit.
    """
    try:
        done = subprocess.run(
            command,
            cwd=at,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildFailed(f"{command[0]} is not installed; run: scripts/setup --vm") from error
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"{' '.join(command)}: not done after {limit_s:.0f} s") from error
    printed = done.stdout.decode(errors="replace")
    if done.returncode:
        raise BuildFailed(f"{' '.join(command)}: status {done.returncode}\n{printed[-3000:]}")
    return printed


def run_in(
    root: Path,
    script: str,
    *,
    binds: dict[Path, str] | None = None,
    limit_s: float = COMMAND_LIMIT_S,
) -> str:
    """Run a shell script in a root, in a mount namespace of its own.

    ``binds`` maps directories of this machine to the places at which they are mounted.
    """
    mounts = [f"mount --bind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
    for outside, inside in (binds or {}).items():
        mounts += [f"mkdir -p {root}{inside}", f"mount --bind {outside} {root}{inside}"]
    # Mounted, not copied: several scripts run in one root at once
    mounts += [
        f"touch {root}/etc/resolv.conf",
        f"mount --bind /etc/resolv.conf {root}/etc/resolv.conf",
    ]
    mounts += [f'exec chroot {root} /bin/sh -eu -c "$1"']
    return run(
        "unshare", "--mount", "sh", "-eu", "-c", "\n".join(mounts), "sh", script, limit_s=limit_s
    )
