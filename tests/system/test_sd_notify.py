# SPDX-License-Identifier: GPL-2.0-or-later
import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.system.sd_notify import watchdog_period_s
from tests.fakes import environment
from tests.sockets import DatagramListener

TELLS = """
import sys
from klogd_py.system import sd_notify
for number in range(int(sys.argv[1])):
    sd_notify.notify(f"STATUS={number}")
print("told")
"""


def _tell(times: int, address: str | None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TELLS, str(times)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment(NOTIFY_SOCKET=address)
    )


def test_the_manager_hears_what_is_told(tmp_path: Path) -> None:
    with DatagramListener(tmp_path / "notify") as manager:
        assert _tell(3, str(manager.path)).stdout == "told\n"
        assert manager.read() == [b"STATUS=0", b"STATUS=1", b"STATUS=2"]


def test_manager_that_does_not_read_never_blocks(tmp_path: Path) -> None:
    with DatagramListener(tmp_path / "notify") as manager:
        assert _tell(10_000, str(manager.path)).stdout == "told\n"
        assert manager.read()[:2] == [b"STATUS=0", b"STATUS=1"]


@pytest.mark.parametrize("message", ["STATUS=\udcff", "STATUS=\u00e9"])
def test_what_is_no_text_is_told_as_escapes(tmp_path: Path, message: str) -> None:
    with DatagramListener(tmp_path / "notify") as manager:
        words = f"from klogd_py.system import sd_notify; sd_notify.notify({message!a})"
        subprocess.run(
            [sys.executable, "-c", words],
            check=True,
            timeout=60,
            env=environment(NOTIFY_SOCKET=str(manager.path)),
        )
        assert manager.read() == [message.encode("utf-8", "backslashreplace")]


@pytest.mark.parametrize(
    ("limit_us", "period_s"),
    [
        ("30000000", 15.0),
        ("1", 0.01),
        ("18446744073709551615", 3600.0),
        ("9" * 5000, None),
        ("0", None),
        ("-1", None),
        ("", None),
        ("1e6", None),
        ("\u0664\u0664", None),
        ("\udcff", None),
    ],
)
def test_the_watchdog_is_fed_within_reason(limit_us: str, period_s: float | None) -> None:
    assert watchdog_period_s({"WATCHDOG_USEC": limit_us}, 1) == period_s
    assert watchdog_period_s({"WATCHDOG_USEC": limit_us, "WATCHDOG_PID": "\udcff"}, 1) is None


NOBODY = [
    None,
    "",
    "/nonexistent/socket",
    "@klogd-py-nobody",
    "@",
    "/",
    "garbage",
    "vsock:x",
    "vsock:",
    "/" + "x" * 300,
    "/\udcff",
]


@pytest.mark.parametrize("address", NOBODY)
def test_where_nobody_listens_nothing_happens(address: str | None) -> None:
    ran = _tell(2, address)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "told\n", "")
