# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: every failure ends within a limit, with an error that names the cause."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm.lab.guests import GUESTS
from tests.vm.lab.machine import GuestFailed
from tests.vm.lab.session import Session

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.guests("bare")
def test_guest_without_answer_fails_with_its_console(session: Session, tmp_path: Path) -> None:
    machine = GUESTS["bare"].machine(tmp_path, "rdinit=/bin/sleep -- 999")
    try:
        with pytest.raises(
            GuestFailed,
            match=r"guest bare: did not finish booting within 20 s\n(?s:.*)Run /bin/sleep as init",
        ):
            machine.start(limit_s=20)
    finally:
        machine.stop()


@pytest.mark.guests("bare")
def test_guest_kernel_panic_ends_the_wait(session: Session, tmp_path: Path) -> None:
    machine = GUESTS["bare"].machine(tmp_path, "rdinit=/bin/false")
    try:
        with pytest.raises(GuestFailed, match="guest bare: its kernel panicked"):
            machine.start()
    finally:
        machine.stop()


@pytest.mark.guests("bare")
def test_hanging_command_is_killed_at_its_limit(session: Session) -> None:
    assert session.machine.attempt("sleep 999", limit_s=1) == (124, "")
    assert session.machine.run("echo it goes on") == "it goes on\n"


@pytest.mark.guests("bare")
def test_missing_qemu_names_the_setup_script(session: Session, tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "git").symlink_to(git)
    status, said = vm_lab("bare", PATH=str(tmp_path))
    assert (status, said) == (
        1,
        "vm-lab: qemu-system-x86_64 is not installed; run: scripts/setup --vm\n",
    )


@pytest.mark.guests("bare")
def test_build_without_network_names_the_failed_download(session: Session, tmp_path: Path) -> None:
    status, said = vm_lab(
        "bare", "--make", KLOGD_VM_CACHE=str(tmp_path), KLOGD_VM_MIRROR="http://127.0.0.1:9/debian"
    )
    assert status == 1
    assert "vm-lab: bare: mmdebstrap " in said
    assert "Failed to fetch http://127.0.0.1:9/debian" in said
    assert not list(tmp_path.glob("builder-*"))


def vm_lab(*words: str, **environment: str) -> tuple[int, str]:
    """Run tests.vm.lab and return its status and its standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.vm.lab", *words],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr.decode()
