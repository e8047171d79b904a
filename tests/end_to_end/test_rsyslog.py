# SPDX-License-Identifier: GPL-2.0-or-later
import shutil
import subprocess
from pathlib import Path
from typing import Self

import pytest

from tests.end_to_end.program import Program, configure, lines_of
from tests.waiting import wait_until

RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(RSYSLOGD is None, reason="needs rsyslogd")

CONFIGURATION = """
global(workDirectory="{folder}")
module(load="imuxsock" SysSock.Use="off")
template(name="plain" type="string" string="%pri% %syslogfacility-text%.%syslogseverity-text% %syslogtag%|%msg%\\n")
input(type="imuxsock" Socket="{folder}/log" RateLimit.Interval="0" ParseTrusted="off" UseSysTimeStamp="off")
action(type="omfile" file="{folder}/received" template="plain" flushOnTXEnd="on")
"""  # noqa: E501


class Rsyslog:
    """A real rsyslogd with a socket and an output file of its own."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "log"
        self.received = folder / "received"
        self._folder = folder
        (folder / "rsyslog.conf").write_text(CONFIGURATION.format(folder=folder))

    def __enter__(self) -> Self:
        assert RSYSLOGD is not None
        options = [
            "-n",
            "-f",
            str(self._folder / "rsyslog.conf"),
            "-i",
            str(self._folder / "rsyslogd.pid"),
        ]
        self._errors = (self._folder / "rsyslog.err").open("w")
        self._process = subprocess.Popen([RSYSLOGD, *options], stderr=self._errors)
        wait_until(self.socket.exists, "rsyslogd's socket")
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    @property
    def lines(self) -> list[str]:
        return lines_of(self.received)

    def await_lines(self, count: int) -> None:
        wait_until(lambda: len(self.lines) >= count, f"{count} lines in {self.received}")


RECORDS = """\
0,1,1000000,-;Kernel panic - not syncing
3,2,1000001,-;ata1: error
4,3,1000002,-;eth0: link down: again
7,4,1000003,-;a debugging line
30,5,1000004,-;systemd[1]: Started.
12,6,1000005,-;no name
191,7,1000006,-;app: last
2047,8,1000007,-;far: past
6,9,1000008,-;two\\x0alines \\x1b[31m
"""

RECEIVED = [
    "0 kern.emerg kernel:| Kernel panic - not syncing",
    "3 kern.err kernel:| ata1: error",
    "4 kern.warning kernel:| eth0: link down: again",
    "7 kern.debug kernel:| a debugging line",
    "30 daemon.info systemd[1]:| Started.",
    "12 user.warning kmsg:| no name",
    "191 local7.debug app:| last",
    "15 user.debug far:| past",
    "6 kern.info kernel:| two\\x0alines \\x1b[31m",
]


def test_rsyslog_receives_facility_severity_tag_and_text_intact(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_text(RECORDS)
    with Rsyslog(tmp_path) as rsyslog:
        with Program(
            tmp_path, "--input", str(capture), "--sink", f"syslog:{rsyslog.socket}"
        ) as program:
            assert program.wait() == 0
        rsyslog.await_lines(len(RECEIVED))
        assert rsyslog.lines == RECEIVED


def _numbered(first: int, last: int) -> str:
    return "".join(f"6,{number},{number},-;record {number}\n" for number in range(first, last + 1))


def test_rsyslog_receives_a_long_capture_in_order(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_text(_numbered(1, 5000))
    with Rsyslog(tmp_path) as rsyslog:
        with Program(
            tmp_path, "--input", str(capture), "--sink", f"syslog:{rsyslog.socket}"
        ) as program:
            assert program.wait() == 0, program.log
        rsyslog.await_lines(5000)
        assert [line.rpartition(" ")[2] for line in rsyslog.lines] == [
            str(number) for number in range(1, 5001)
        ]


def test_capture_larger_than_the_queue_reaches_rsyslog(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_text(_numbered(1, 3000))
    config = configure(tmp_path, "queue.limit_kib = 64\n")
    with Rsyslog(tmp_path) as rsyslog:
        with Program(
            tmp_path, "--input", str(capture), "--sink", f"syslog:{rsyslog.socket}", config=config
        ) as program:
            assert program.wait() == 0, program.log
        rsyslog.await_lines(3000)
        assert [line.rpartition(" ")[2] for line in rsyslog.lines] == [
            str(number) for number in range(1, 3001)
        ]


def test_restart_of_rsyslog_loses_no_record(tmp_path: Path) -> None:
    rsyslog = Rsyslog(tmp_path)
    with (
        rsyslog,
        Program(tmp_path, "--input", "-", "--sink", f"syslog:{rsyslog.socket}") as program,
    ):
        program.feed(_numbered(1, 5))
        rsyslog.await_lines(5)
        rsyslog.__exit__(None, None, None)
        program.feed(_numbered(6, 10))
        program.wait_for_log("is down, retrying")
        with rsyslog:
            rsyslog.await_lines(10)
            program.wait_for_log("is back; records lost in between: 0")
            program.feed(_numbered(11, 15))
            rsyslog.await_lines(15)
            program.end_of_input()
            assert program.wait() == 0
            assert [line.rpartition(" ")[2] for line in rsyslog.lines] == [
                str(number) for number in range(1, 16)
            ]


def test_undelivered_records_fail_the_run_and_are_counted(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    capture.write_text(_numbered(1, 5))
    with Program(
        tmp_path, "--input", str(capture), "--sink", f"syslog:{tmp_path}/nobody"
    ) as program:
        assert program.wait() == 1
    assert [line for line in program.log if "entries never sent: 5" in line]
