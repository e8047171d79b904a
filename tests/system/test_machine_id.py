# SPDX-License-Identifier: GPL-2.0-or-later
import shutil
import subprocess
from pathlib import Path

import pytest

from klogd_py.system.machine_id import (
    APPLICATION_ID,
    MACHINE_ID,
    NoMachineId,
    derive_application_id,
    read_application_id,
)

A_MACHINE = "0123456789abcdef0123456789abcdef"


def test_derived_id_is_uuid_of_version_four() -> None:
    derived = derive_application_id(bytes.fromhex(A_MACHINE), APPLICATION_ID)
    assert (len(derived), derived[6] >> 4, derived[8] >> 6) == (16, 4, 2)
    assert derived != derive_application_id(bytes.fromhex(A_MACHINE), bytes(16))
    assert derived != derive_application_id(bytes(16), APPLICATION_ID)


def test_systemd_derives_the_same_machine_id() -> None:
    if shutil.which("systemd-id128") is None or not MACHINE_ID.exists():
        pytest.skip("needs systemd-id128 and /etc/machine-id")
    command = ["systemd-id128", "machine-id", "--app-specific", APPLICATION_ID.hex()]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert read_application_id(MACHINE_ID) == ran.stdout.strip()


@pytest.mark.parametrize("end", ["", "\n"])
def test_id_is_read_with_any_end(end: str, tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text(A_MACHINE.upper() + end)
    derived = derive_application_id(bytes.fromhex(A_MACHINE), APPLICATION_ID)
    assert read_application_id(path) == derived.hex()
    assert A_MACHINE not in derived.hex()


@pytest.mark.parametrize("content", ["", "uninitialized\n", "0" * 32, A_MACHINE[1:], "x" * 100])
def test_file_without_an_id_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "machine-id"
    path.write_text(content)
    with pytest.raises(NoMachineId, match=str(path)):
        read_application_id(path)


def test_missing_machine_id_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoMachineId, match="machine-id: No such file or directory"):
        read_application_id(tmp_path / "machine-id")
