# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of a new user on a bare Debian, typed as README.md shows them.

Each step gets a ``Visit``, raises CommandFailed if something is not as documented, and returns a
few words on what it saw.
"""

import random
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bare.system import USER, CommandFailed, System
from tests.bare.terminal import CTRL_C

PROJECT = Path(__file__).resolve().parents[2]
# The tests write to the one kernel log of this machine
ONE_TEST_RUN = threading.Lock()
# What a user waits at most for `make run`, with the packages and the environment that it makes
SET_UP_LIMIT_S = 600.0
# As long as the set-up of a virtual environment usually takes
LATEST_INTERRUPTION_S = 12.0


class Visit(NamedTuple):
    """A user in a clone on one bare Debian."""

    system: System
    user: str
    clone: str
    chance: random.Random
    interruptions: int

    @property
    def sudo(self) -> str:
        """What this user types before a command of root."""
        return "" if self.user == "root" else "sudo "

    def make(self, target: str) -> str:
        """Type a make command in the clone; return what it printed."""
        return self.system.need(target, user=self.user, at=self.clone).printed


class Step(NamedTuple):
    """A step, with the command that a user would type, and who takes it: everybody by default."""

    title: str
    take: Callable[[Visit], str]
    users: tuple[str, ...] = ("root", USER)


def install_tools(visit: Visit) -> str:
    """Type the line of README that installs what a clone needs."""
    lines: list[str] = re.findall(r"^(sudo apt(?:-get)? install .*)$", _quick_start(), re.MULTILINE)
    if not lines:
        raise CommandFailed("README.md: Quick start does not say how to install git and make")
    line = lines[0].split("#")[0].strip()
    if visit.user == "root":
        line = line.removeprefix("sudo ")
    visit.system.need("apt-get update -qq")
    visit.system.need(f"yes | {line}", user=visit.user)
    return line


def run_without_libraries(visit: Visit) -> str:
    """Without a compiler and three libraries it runs, and says what is missing."""
    need = visit.system.need
    need("apt-get install -y -qq --no-install-recommends python3-venv && ! command -v cc gcc")
    need("python3 -m venv /opt/bare && /opt/bare/bin/pip install -q msgspec")
    # A copy, as pip builds in the directory that it is given
    need(
        "cp -r . /opt/source && /opt/bare/bin/pip install -q --no-deps /opt/source", at=visit.clone
    )
    for words in ("--version", "maps", "check-config etc/klogd-py.toml", "help translate"):
        need(f"/opt/bare/bin/klogd-py {words}", at=visit.clone)
    options = "--config etc/klogd-py.toml --sink console"
    printed = _run_until_shown(visit, f"/opt/bare/bin/klogd-py {options}")
    found: list[str] = re.findall(r"^klogd-py: not watching .*$", printed, re.MULTILINE)
    need("rm -r /opt/bare /opt/source")
    if not found or "watchdog is missing" not in found[0]:
        raise CommandFailed(f"it does not say what is missing\n{printed[-2000:]}")
    return found[0]


def install_by_pipx(visit: Visit) -> str:
    """pipx installs it without a compiler: systemd-python is Debian's."""
    need = visit.system.need
    need("apt-get install -y -qq --no-install-recommends pipx python3-systemd")
    need("! command -v cc gcc && cp -r . /opt/source", at=visit.clone)
    need("pipx install --system-site-packages /opt/source")
    shown = need("/root/.local/bin/klogd-py --version").printed.strip()
    need("pipx uninstall klogd-py && rm -r /opt/source && apt-get purge -y -qq python3-systemd")
    return shown


def name_packages(visit: Visit) -> str:
    """As an ordinary user, `make run` names the packages; root installs them as it says."""
    return _paste_packages(visit, "make run")


def interrupt(visit: Visit) -> str:
    """Interrupt `make run` at random moments, by Ctrl-C and then by a power failure."""
    moments = []
    for number in range(visit.interruptions):
        is_killed = bool(number % 2)
        # The set-up begins anew, and its second half is interrupted, too.
        if not is_killed:
            visit.make("make clean")
        moments.append(_interrupt(visit, "make run", is_killed=is_killed))
    return ", ".join(moments)


def interrupt_builds(visit: Visit) -> str:
    """Interrupt `make deb` and `make install`, which come again."""
    commands = ("make deb", f"{visit.sudo}make install")
    return ", ".join(
        f"{command}: {_interrupt(visit, command, is_killed=is_killed)}"
        for command in commands
        for is_killed in (False, True)
    )


def _interrupt(visit: Visit, command: str, *, is_killed: bool) -> str:
    moment_s = visit.chance.uniform(0.0, LATEST_INTERRUPTION_S)
    screen = visit.system.type(command, user=visit.user, at=visit.clone)
    running = screen.wait(moment_s)
    if is_killed:
        screen.kill()
    elif running:
        screen.type(CTRL_C)
    screen.end(30.0)
    _no_traceback(command, screen.printed)
    return f"{moment_s:.1f} s {'killed' if is_killed else 'Ctrl-C'}"


def show_log(visit: Visit) -> str:
    """`make run` prints the kernel's log until Ctrl-C, as root."""
    _run_until_shown(visit, f"{visit.sudo}make run")
    return "shown until Ctrl-C"


def run_as_user(visit: Visit) -> str:
    """`make run` of a user who may not read the log says so."""
    ran = visit.system.run("make run", user=visit.user, at=visit.clone)
    _no_traceback("make run", ran.printed)
    if "CAP_SYSLOG" not in ran.printed:
        raise CommandFailed(f"make run: it does not say what it may not read\n{ran.printed}")
    return ran.printed.strip().splitlines()[-1]


def run_tests(visit: Visit) -> str:
    """`make test` is green."""
    if visit.user != "root":
        _paste_packages(visit, "make test")
    with ONE_TEST_RUN:
        printed = visit.make("make test")
    _check_owner(visit)
    return printed.strip().splitlines()[-1]


def build_package(visit: Visit) -> str:
    """`make deb` builds the package; an ordinary user is told first what it needs."""
    if visit.user != "root":
        _paste_packages(visit, "make deb")
    printed = visit.make("make deb")
    _check_owner(visit)
    return printed.strip().splitlines()[-1]


def install(visit: Visit) -> str:
    """`make install`, the installed program, and `make uninstall`."""
    visit.make(f"{visit.sudo}make install")
    shown = visit.system.need("klogd-py --version && which klogd-py", user=visit.user).printed
    visit.system.need("klogd -v && which klogd")
    visit.make(f"{visit.sudo}make uninstall")
    if visit.system.run("which klogd-py || which klogd").status == 0:
        raise CommandFailed("make uninstall left a command")
    _check_owner(visit)
    return " ".join(shown.split())


def install_package(visit: Visit) -> str:
    """Install the package as README says, use it, remove it, purge it."""
    at, system = visit.clone, visit.system
    installed = system.need(
        f"yes | {visit.sudo}apt install ./dist/klogd-py_*.deb", user=visit.user, at=at
    )
    shown = system.need("klogd-py --version && which klogd-py", user=visit.user).printed
    system.need("klogd -v && test -d /etc/klogd-py.toml.d")
    system.need("apt-get remove -y -qq klogd-py && test -e /etc/klogd-py.toml")
    system.need("apt-get purge -y -qq klogd-py && ! ls -d /etc/klogd-py* /var/lib/klogd-py*")
    _no_traceback("apt install", installed.printed)
    return " ".join(shown.split())


def check_package(visit: Visit) -> str:
    """lintian has nothing to say about the package."""
    visit.system.need("apt-get install -y -qq --no-install-recommends lintian")
    printed = visit.system.need(
        "lintian --allow-root --info --fail-on error,warning,info --display-info "
        "./dist/klogd-py_*.deb",
        at=visit.clone,
    ).printed
    return printed.strip() or "nothing"


def meet_foreign_environment(visit: Visit) -> str:
    """A `.venv` that root made is explained in a few lines; the command that they name heals it."""
    visit.make("sudo rm -rf .venv && sudo python3 -m venv .venv")
    ran = visit.system.run("make run", user=visit.user, at=visit.clone)
    _no_traceback("make run", ran.printed)
    lines = ran.printed.strip().splitlines()
    if ran.status == 0 or len(lines) > 4 or "sudo make clean" not in ran.printed:
        raise CommandFailed(f"make run: the .venv of root is not explained\n{ran.printed}")
    visit.make("sudo make clean")
    return lines[0]


def clean(visit: Visit) -> str:
    """`make clean` leaves the clone as it was."""
    visit.make("make clean")
    left = visit.system.run("git clean -ndx", user=visit.user, at=visit.clone).printed
    if left:
        raise CommandFailed(f"make clean: files are left\n{left}")
    return ""


def _run_until_shown(visit: Visit, command: str) -> str:
    """Run the daemon until it shows a new message of the kernel, then type Ctrl-C.

    Returns what was printed.
    """
    text = f"bare-systems {visit.chance.getrandbits(40):x}"
    screen = visit.system.type(command, user=visit.user, at=visit.clone)
    shown, end = False, time.monotonic() + SET_UP_LIMIT_S
    while not shown and screen.running and time.monotonic() < end:
        # Others may overwrite it in the ring before it is read
        with Path("/dev/kmsg").open("w") as log:
            log.write(text)
        shown = screen.wait_for(text, 2.0)
    began = time.monotonic()
    if shown:
        screen.type(CTRL_C)
    status = screen.end(30.0)
    ended_s = time.monotonic() - began
    _no_traceback(command, screen.printed)
    if not shown or status not in (0, 130) or ended_s > 10.0 or "Error" in screen.printed[-200:]:
        raise CommandFailed(
            f"{command}: status {status}, {ended_s:.0f} s after Ctrl-C\n{screen.printed}"
        )
    _check_owner(visit)
    return screen.printed


def _paste_packages(visit: Visit, command: str) -> str:
    """Run a command that lacks packages, and paste the line that it prints, as root."""
    ran = visit.system.run(command, user=visit.user, at=visit.clone)
    lines: list[str] = re.findall(r"(apt(?:-get)? install .*)$", ran.printed, re.MULTILINE)
    if ran.status == 0 or not lines:
        raise CommandFailed(f"{command}: names no packages to install\n{ran.printed}")
    visit.system.need(f"yes | {lines[-1]}")
    return lines[-1]


def _quick_start() -> str:
    return (PROJECT / "README.md").read_text().split("\n## Quick start")[1].split("\n## ")[0]


def _no_traceback(command: str, printed: str) -> None:
    if "Traceback" in printed:
        raise CommandFailed(f"{command}: prints a traceback\n{printed}")


def _check_owner(visit: Visit) -> None:
    """Check that everything in the clone belongs to the user, and that git sees no change."""
    at = visit.clone
    foreign = visit.system.run(f"find . ! -user {visit.user} | head", at=at).printed
    changed = visit.system.run("git status --porcelain", user=visit.user, at=at).printed
    if foreign or changed:
        raise CommandFailed(
            f"files that do not belong to {visit.user}:\n{foreign}changed files:\n{changed}"
        )


FULL = (
    Step("apt install git make", install_tools),
    Step("without libraries", run_without_libraries, ("root",)),
    Step("pipx, no compiler", install_by_pipx, ("root",)),
    Step("packages named", name_packages, (USER,)),
    Step("make run, interrupted", interrupt),
    Step("make run", run_as_user, (USER,)),
    Step("make run as root", show_log),
    Step("make test", run_tests),
    Step("make deb", build_package),
    Step("builds, interrupted", interrupt_builds),
    Step("make install", install),
    Step("apt install the package", install_package),
    Step("lintian", check_package),
    Step(".venv of root", meet_foreign_environment, (USER,)),
    Step("make clean", clean),
)
LONG_ONLY = ("make test", "lintian", "pipx, no compiler", "builds, interrupted")
SHORT = tuple(step for step in FULL if step.title not in LONG_ONLY)
# User and clone
HOMES: tuple[tuple[str, str], ...] = (
    ("root", "/root/klogd-py"),
    ("root", "/srv/klogd-py"),
    (USER, f"/home/{USER}/klogd-py"),
)
