# SPDX-License-Identifier: GPL-2.0-or-later
"""A reader of klogd-py's output that stops reading delays no other sink, and no stop."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.program import configure, lines_of, write_kmsg
from tests.fakes import environment
from tests.needs import needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg

# The limit of the daemon
STOP_LIMIT_S = 5.0
# For the interpreter on a busy machine
LEAVING_S = 3.0


@pytest.mark.parametrize("sink", ["console", "file:-"])
def test_unread_output_blocks_no_sink_and_no_stop(tmp_path: Path, sink: str) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = configure(tmp_path, '[file]\nformat = "json"\n[console]\njson = true\n')
    readable, writable = os.pipe()
    blocked = os.open(f"/proc/self/fd/{writable}", os.O_WRONLY | os.O_NONBLOCK)
    with (
        open(readable, "rb"),
        open(writable, "wb") as output,
        open(blocked, "wb", buffering=0) as filling,
    ):
        while filling.write(b"x" * 4096):
            pass
        command = [
            sys.executable,
            "-m",
            "klogd_py",
            "--config",
            str(config),
            "--sink",
            sink,
            "--sink",
            f"file:{log}",
        ]
        with subprocess.Popen(
            command, stdout=output, env=environment(NOTIFY_SOCKET=None)
        ) as process:
            try:
                write_kmsg(marker)
                wait_until(
                    lambda: [line for line in lines_of(log) if marker in line],
                    "the marker in the other sink",
                )
                began_s = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert process.wait(STOP_LIMIT_S + LEAVING_S) == 1, (
                    "entries that were never sent are a failure"
                )
                assert time.monotonic() - began_s < STOP_LIMIT_S + LEAVING_S
            finally:
                process.kill()


def test_daemon_ends_when_its_only_reader_is_gone(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--config",
        str(configure(tmp_path)),
        "--sink",
        "console",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        write_kmsg("one more")
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_own_messages_in_kernel_log_are_read_once(
    tmp_path: Path,
) -> None:
    """A sink is down, and standard error is /dev/kmsg, as with StandardError=kmsg.

    Each message of the daemon is then a record to deliver.
    """
    away, log = tmp_path / "away" / "kern.log", tmp_path / "kern.log"
    command = [sys.executable, "-m", "klogd_py", "--config", str(configure(tmp_path))]
    command += ["--sink", f"file:{away}", "--sink", f"file:{log}"]
    surroundings = environment(NOTIFY_SOCKET=None)
    with (
        open("/dev/kmsg", "wb", buffering=0) as kernel,
        subprocess.Popen(command, stderr=kernel, env=surroundings) as process,
    ):
        try:
            wait_until(
                lambda: [line for line in lines_of(log) if f"{away} is down" in line],
                "the message about the sink",
            )
            for number in range(3):
                write_kmsg(f"record {number}")
                time.sleep(0.3)
            assert process.poll() is None
        finally:
            process.kill()
    assert len([line for line in lines_of(log) if f"{away} is down" in line]) == 1
