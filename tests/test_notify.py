import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import DatagramListener, environment

TELLS = """
import sys
from klogd_py import notify
for number in range(int(sys.argv[1])):
    notify.tell(f"STATUS={number}")
print("told")
"""


def _tell(times: int, address: str | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TELLS, str(times)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment(NOTIFY_SOCKET=address))


def test_the_manager_hears_what_is_told(tmp_path: Path) -> None:
    with DatagramListener(tmp_path / "notify") as manager:
        assert _tell(3, str(manager.path)).stdout == "told\n"
        assert manager.read() == [b"STATUS=0", b"STATUS=1", b"STATUS=2"]


def test_a_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    with DatagramListener(tmp_path / "notify") as manager:
        assert _tell(10_000, str(manager.path)).stdout == "told\n"
        assert manager.read()[:2] == [b"STATUS=0", b"STATUS=1"]


@pytest.mark.parametrize("address", [None, "", "/nonexistent/socket", f"@nobody-{os.getpid()}"])
def test_where_nobody_listens_nothing_happens(address: str | None) -> None:
    ran = _tell(2, address)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "told\n", "")
