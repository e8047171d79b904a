# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests need of the machine, and marks that skip a test where it is missing.

Each thing is tried once, when the first test asks for it. A reason says what is missing and, after
a semicolon, what to do. Equal reasons are counted together at the end of a run.
"""

import os
import stat
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from klogd_py.sources import proc_kmsg

NOBODY = 65534
KMSG = Path("/dev/kmsg")
PRINTK = Path("/proc/sys/kernel/printk")
# Whoever writes "change" to it has the kernel send an event.
UEVENT = Path("/sys/class/mem/null/uevent")
AS_ROOT = "root; run as root: make test"
ANOTHER_SYSTEM = "run make test on a system that is no container"


def is_root() -> bool:
    """Whether this process is root."""
    return os.geteuid() == 0


@cache
def _missing_user_change() -> str:
    """Other users are needed as well: root of a container may have only itself."""
    if not is_root():
        return AS_ROOT
    try:
        subprocess.run(["true"], user=NOBODY, group=NOBODY, extra_groups=(), check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the right to become user {NOBODY}: {error}; {ANOTHER_SYSTEM}"
    return ""


@cache
def _missing_kmsg() -> str:
    """The device itself, not what some containers have under its name."""
    if not is_root():
        return AS_ROOT
    try:
        with open(KMSG, "r+b", buffering=0) as device:
            number = os.fstat(device.fileno()).st_rdev
    except OSError as error:
        return f"{KMSG}: {error.strerror}; {ANOTHER_SYSTEM}"
    if number != os.makedev(1, 11):
        return f"{KMSG} with the kernel's log: it is something else; {ANOTHER_SYSTEM}"
    return ""


@cache
def _missing_readable_kmsg() -> str:
    try:
        with open(KMSG, "rb", buffering=0) as device:
            is_device = stat.S_ISCHR(os.fstat(device.fileno()).st_mode)
    except PermissionError:
        return AS_ROOT
    except OSError as error:
        return f"{KMSG}: {error.strerror}; {ANOTHER_SYSTEM}"
    return "" if is_device else f"{KMSG}: it is no device; {ANOTHER_SYSTEM}"


@cache
def _missing_mount() -> str:
    if not is_root():
        return AS_ROOT
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    tried = _failure(command)
    return f"leave to mount a file system: {tried}; {ANOTHER_SYSTEM}" if tried else ""


@cache
def missing_uevent() -> str:
    """Why no event of the kernel can be provoked; nothing if one can."""
    if not is_root():
        return AS_ROOT
    try:
        UEVENT.write_text("change")
    except OSError as error:
        return f"{UEVENT} to write to: {error.strerror}; {ANOTHER_SYSTEM}"
    return ""


@cache
def _missing_module_uevent() -> str:
    if not any(Path("/sys/module").glob("*/uevent")):
        return "a loaded module; run make test on a kernel with loadable modules"
    return missing_uevent()


@cache
def _missing_console_level() -> str:
    """The level is read as everybody, and set to what it is."""
    if not is_root():
        return AS_ROOT
    try:
        level = int(PRINTK.read_text().split()[0])
        PRINTK.write_text(str(level))
        proc_kmsg.set_console_level(level)
    except OSError as error:
        return f"leave to set the console's level: {error.strerror}; {ANOTHER_SYSTEM}"
    return ""


def _failure(command: list[str]) -> str:
    """Run a command; return the last words of its error, nothing if it succeeded."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]


def _mark(missing: Callable[[], str]) -> pytest.MarkDecorator:
    reason = missing()
    return pytest.mark.skipif(bool(reason), reason=f"needs {reason}")


needs_other_users = _mark(_missing_user_change)
needs_kmsg = _mark(_missing_kmsg)
needs_readable_kmsg = _mark(_missing_readable_kmsg)
needs_mount = _mark(_missing_mount)
needs_module_uevent = _mark(_missing_module_uevent)
needs_console_level = _mark(_missing_console_level)
