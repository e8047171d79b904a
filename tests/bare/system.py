# SPDX-License-Identifier: GPL-2.0-or-later
"""A bare Debian in a chroot: the smallest one that apt calls complete, with a new user.

Each system is an overlay over a Debian that mmdebstrap made once, or a copy of it where the kernel
cannot lay one over the directory of the cache. Nothing of it is mounted in this machine's own mount
namespace. A command runs in a process namespace of its own, so whatever it leaves running ends with
it. The kernel, its log and /dev are those of this machine.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.bare.terminal import Terminal
from tests.vm.lab.cache import PLACE
from tests.vm.lab.roots import debian, run

USER = "user"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What says how the registries of packages are reached from here
PASSED_ON = ("PIP_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_INDEX_URL", "SSL_CERT_FILE", "https_proxy")

# $1 is the Debian below, $2 the directory of the overlay, $3 that of the downloads.
_MOUNT = r"""
mount --make-rprivate /
root=$2/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$root" 2>/dev/null ||
    cp -a "$1/." "$root/"
mount --rbind /dev "$root/dev"
mount -t sysfs -o ro sysfs "$root/sys"
mkdir -p "$root/etc/ssl/certs" "$root/var/cache/apt/archives" "$root/var/cache/pip"
mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
mount --bind "$3/apt" "$root/var/cache/apt/archives"
mount --bind "$3/pip" "$root/var/cache/pip"
touch "$root/etc/resolv.conf"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
echo mounted
exec sleep infinity
"""

# $1 is the root; what follows is the command.
_ENTER = r"""
root=$1
shift
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


class Ran(NamedTuple):
    """The end of a command: its status, what it printed, and how long it took."""

    status: int
    printed: str
    seconds: float


class CommandFailed(RuntimeError):
    """A command ended with another status, or printed something else, than it should."""


class System:
    """One bare Debian, of a suite such as ``"bookworm"``; ``close`` removes it."""

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self._base = debian(f"bare-{suite}", suite, ["ca-certificates"]) / "root"
        _remove_abandoned()
        self._overlay = Path(tempfile.mkdtemp(prefix=f"visit-{os.getpid()}-", dir=PLACE))
        for name in ("upper", "work", "root"):
            (self._overlay / name).mkdir()
        # Overlay shows the mode of the upper directory
        (self._overlay / "upper").chmod(0o755)
        self._downloads = PLACE / f"bare-downloads-{suite}"
        for name in ("apt/partial", "pip"):
            (self._downloads / name).mkdir(parents=True, exist_ok=True)
        # Both users download into it
        (self._downloads / "pip").chmod(0o1777)
        self._mounts = self._mount()

    def close(self) -> None:
        """Unmount the system and remove it."""
        self._mounts.kill()
        self._mounts.wait()
        shutil.rmtree(self._overlay)

    def _mount(self) -> subprocess.Popen[bytes]:
        """Start the process whose mount namespace has the system, until this process ends."""
        places = [str(path) for path in (self._base, self._overlay, self._downloads)]
        holder = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "unshare", "--mount"),
                *("sh", "-eu", "-c", _MOUNT, "sh", *places),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        if holder.stdout.readline() != b"mounted\n":
            raise CommandFailed(f"{self._overlay}: the system cannot be mounted")
        return holder

    def add_user(self) -> None:
        """Add an ordinary user who may use sudo, as the installer of Debian does."""
        self.run("apt-get install -y -qq --no-install-recommends sudo adduser")
        self.run(f"useradd --create-home --shell /bin/bash {USER}")
        self.run(f"echo '{USER} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{USER}")
        self.run('echo "127.0.0.1 localhost $(hostname)" >/etc/hosts')

    def copy_in(self, folder: Path, place: str, user: str) -> None:
        """Copy a directory of this machine to ``place`` in the system; it belongs to ``user``."""
        # The directory as the system's namespace shows it: an overlay must not change below
        target = Path(f"/proc/{self._mounts.pid}/root{self._overlay}/root") / place.lstrip("/")
        shutil.copytree(folder, target, symlinks=True)
        self.need(f"chown -R {user}:{user} {shlex.quote(place)}")

    def run(
        self, command: str, *, user: str = "root", at: str = "/", limit_s: float = 900.0
    ) -> Ran:
        """Run a shell command as a user in a directory; without a terminal, and without input."""
        started = time.monotonic()
        process = subprocess.Popen(
            self._entering(command, user, at),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            printed, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            # --kill-child takes the whole process namespace with it
            process.kill()
            printed, _ = process.communicate()
            raise CommandFailed(
                f"{command}: not done after {limit_s:.0f} s\n{_text(printed)}"
            ) from None
        return Ran(process.returncode, _text(printed), time.monotonic() - started)

    def need(self, command: str, *, user: str = "root", at: str = "/") -> Ran:
        """Run a command that must succeed."""
        ran = self.run(command, user=user, at=at)
        if ran.status:
            raise CommandFailed(f"{command}: status {ran.status}\n{ran.printed}")
        return ran

    def type(self, command: str, *, user: str = "root", at: str = "/") -> Terminal:
        """Start a command in a terminal of its own."""
        return Terminal(self._entering(command, user, at))

    def _entering(self, command: str, user: str, at: str) -> Sequence[str]:
        home = "/root" if user == "root" else f"/home/{user}"
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        given |= {
            "HOME": home,
            "USER": user,
            "PATH": PATH,
            "TERM": "dumb",
            "LANG": "C.UTF-8",
            "PIP_CACHE_DIR": f"/var/cache/pip/{user}",
        }
        # The first process of a namespace ignores signals, so it is a shell that waits
        typed = f"cd {shlex.quote(at)} && {command}\nexit $?"
        return [
            *("setpriv", "--pdeathsig", "KILL"),
            *("nsenter", f"--mount=/proc/{self._mounts.pid}/ns/mnt"),
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *("sh", "-eu", "-c", _ENTER, "sh", str(self._overlay / "root")),
            *("setpriv", "--reuid", user, "--regid", user, "--init-groups"),
            *("env", "-i", *(f"{name}={value}" for name, value in given.items())),
            *("sh", "-c", typed),
        ]


def _remove_abandoned() -> None:
    """Remove the systems of runs that were killed."""
    for overlay in PLACE.glob("visit-*-*"):
        if not Path("/proc", overlay.name.split("-")[1]).exists():
            shutil.rmtree(overlay, ignore_errors=True)


def _text(printed: bytes) -> str:
    return printed.decode(errors="replace").replace("\r\n", "\n")


def clone_here(project: Path) -> Path:
    """Return a fresh clone of the project's last commit, in a directory of its own."""
    folder = Path(tempfile.mkdtemp(prefix="bare-clone-")) / "klogd-py"
    run("git", "clone", "-q", "--depth", "1", f"file://{project}", str(folder))
    return folder
