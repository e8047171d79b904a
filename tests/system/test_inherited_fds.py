# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klogd_py.sources import factory
from klogd_py.sources.source import SourceUnavailable
from klogd_py.system import inherited_fds
from klogd_py.system.regular_file import FileTooLarge, NotRegularFile


def test_descriptor_is_found_by_its_fdname() -> None:
    assert inherited_fds.map_by_path({3: "kallsyms", 4: "unknown", 5: "kmsg"}) == {
        "/proc/kallsyms": 3,
        "/dev/kmsg": 5,
    }


def test_inherited_file_is_reread_through_its_descriptor(
    tmp_path: Path,
) -> None:
    file = tmp_path / "kallsyms"
    file.write_text("first\n")
    with file.open("rb") as opened:
        file.rename(tmp_path / "elsewhere")
        read = inherited_fds.build_reader({str(file): opened.fileno()})
        assert (read(str(file)), read(str(file))) == (b"first\n", b"first\n")


def test_other_file_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "modules").write_text("as usual\n")
    assert inherited_fds.build_reader({})(str(tmp_path / "modules")) == b"as usual\n"


def test_descriptors_for_another_pid_are_ignored() -> None:
    assert "LISTEN_PID" not in os.environ
    assert inherited_fds.receive() == {}


@pytest.mark.parametrize("count", ["x", "-1", "1000000", "9" * 5000, "1", ""])
def test_invalid_listen_fds_does_not_prevent_start(tmp_path: Path, count: str) -> None:
    (tmp_path / "capture").write_text("<6>one\n")
    script = (
        'LISTEN_PID=$$ LISTEN_FDS=$1 LISTEN_FDNAMES=kmsg exec "$0" -m klogd_py '
        '--input "$2" --sink file:- --config /dev/null'
    )
    command = [
        "sh",
        "-c",
        f"{script} --style off",
        sys.executable,
        count,
        str(tmp_path / "capture"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.endswith("kernel: one\n")) == (0, True)
    assert "Traceback" not in ran.stderr


def test_descriptor_of_another_device_is_refused(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(SourceUnavailable, match="not the kernel's log device"):
        factory.open_source("/dev/kmsg", {"/dev/kmsg": descriptor})


@pytest.mark.parametrize(
    "obstacle",
    [os.pipe, lambda: (os.open("/dev/zero", os.O_RDONLY), os.open("/dev/null", os.O_RDONLY))],
)
def test_a_descriptor_of_no_file_is_not_read(obstacle: Callable[[], tuple[int, int]]) -> None:
    reading, other = obstacle()
    try:
        with pytest.raises(NotRegularFile):
            inherited_fds.read_all(reading)
    finally:
        os.close(reading)
        os.close(other)


def test_a_descriptor_is_read_within_limits(tmp_path: Path) -> None:
    (tmp_path / "kallsyms").touch()
    os.truncate(tmp_path / "kallsyms", inherited_fds.MAX_BYTES + 1)
    with (tmp_path / "kallsyms").open("rb") as opened, pytest.raises(FileTooLarge, match="limit"):
        inherited_fds.read_all(opened.fileno())
