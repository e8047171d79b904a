# SPDX-License-Identifier: GPL-2.0-or-later
"""In a container that was not given the host's log it says so in one line, and ends with a status
of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.program import configure
from tests.fakes import environment
from tests.needs import needs_mount

pytestmark = needs_mount
PROGRAMS = {"klogd-py": "main", "klogd": "klogd"}
# What a container engine does: devices of its own, masked files in /proc, no CAP_SYSLOG.
CONTAINER = """
mount -t tmpfs none /dev
mknod -m 666 /dev/null c 1 3
mount --bind /dev/null /proc/kmsg
exec setpriv --bounding-set=-syslog --inh-caps=-syslog -- "$@"
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_container_without_kernel_log_is_status_69(tmp_path: Path, program: str) -> None:
    call = (
        f"import sys; sys.argv[0] = {program!r}; "
        f"from klogd_py.cli.main import {PROGRAMS[program]} as run; sys.exit(run())"
    )
    options = ["--config", str(configure(tmp_path)), "--pid-file", f"{tmp_path}/klogd.pid"]
    command = [
        "unshare",
        "--mount",
        "sh",
        "-eu",
        "-c",
        CONTAINER,
        "sh",
        sys.executable,
        "-c",
        call,
        *options,
    ]
    surroundings = environment(NOTIFY_SOCKET=None, JOURNAL_STREAM=None)
    ran = subprocess.run(
        command, env=surroundings, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 69
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stderr.startswith(
        f"{program}: no kernel messages to read: /dev/kmsg: No such file or directory; /proc/kmsg: "
    )
    assert "/proc/kmsg: not the kernel's log" in ran.stderr
    assert "syslog(2): Operation not permitted" in ran.stderr
    assert not (tmp_path / "klogd.pid").exists()
