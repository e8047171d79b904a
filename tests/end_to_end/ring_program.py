# SPDX-License-Identifier: GPL-2.0-or-later
"""Run a daemon as a process that reads a ring buffer which the test fills.

Only the kernel writes records of facility 0 to /dev/kmsg. So the process has a `FakeRing` in its
place, and fills it from a file: one record in hexadecimal digits on each line. A process that is
started again reads the file, and so the ring, from its beginning.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from klogd_py.config.run_options import RunOptions
from klogd_py.daemon import Daemon
from klogd_py.record.types import Record
from klogd_py.sources import kmsg_format
from klogd_py.system import logging_setup
from tests.end_to_end.program import socket_of
from tests.fakes import FakeRing
from tests.waiting import wait_until

STEP_US = 100
POLL_S = 0.005


class RingProgram:
    """The process, a context manager; it can be killed and started again.

    ``log`` is the file of its sink, ``reports`` its spool, ``errors`` what it prints itself.
    """

    def __init__(self, folder: Path, config: str = "", sinks: Iterable[str] = ()) -> None:
        self.log, self.reports = folder / "kern.log", folder / "reports"
        self.errors = folder / "errors"
        self._ring = folder / "ring"
        self._config = folder / "klogd-py.toml"
        shown = ", ".join(f'"{sink}"' for sink in (f"file:{self.log}", *sinks))
        self._config.write_text(
            f"sinks = [{shown}]\n"
            f'state.cursor_file = "{folder}/position.json"\n'
            f'reports.spool = "{self.reports}"\n'
            f'status.socket = "{socket_of(folder)}"\n'
            "watch.files = false\nwatch.modules = false\n"
            "symbols.search = []\nsymbols.kallsyms = ''\nsymbols.modules = ''\n" + config
        )
        self._seq = 0
        self._us = 5_000_000
        self._status_socket = socket_of(folder)
        self.process: subprocess.Popen[bytes] | None = None

    def say(self, *texts: str, prefix: int = 4, after_us: int = STEP_US) -> None:
        """Let the kernel print lines."""
        with self._ring.open("a") as file:
            for text in texts:
                self._us += after_us
                raw = kmsg_format.render(Record(text, prefix, self._seq, self._us))
                file.write(f"{raw.hex()}\n")
                self._seq += 1

    def start(self) -> Self:
        """Start the process."""
        self._ring.touch()
        command = [sys.executable, "-m", "tests.end_to_end.ring_program"]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [*command, str(self._ring), str(self._config)],
                stderr=errors,
                stdin=subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "NO_COLOR": "1"},
            )
        return self

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Let it stop; returns its exit status."""
        return self._end(signal.SIGTERM)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._status_socket.unlink(missing_ok=True)

    @property
    def lines(self) -> list[str]:
        """The lines of its sink."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def announced(self) -> list[str]:
        """The lines of its sink that announce a report."""
        return [line for line in self.lines if " klogd-py: report " in line]

    def wait_for_reports(self, count: int) -> list[str]:
        """Wait until so many reports are announced, and return their lines."""

        def found() -> list[str]:
            return lines if len(lines := self.announced()) >= count else []

        return wait_until(found, f"{count} reports")

    def wait_for_line(self, part: str) -> None:
        """Wait until a line of its sink has a part."""
        wait_until(lambda: [line for line in self.lines if part in line], part)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        return self.process.wait(30)


async def _serve(ring_file: Path, config: str) -> int:
    ring = FakeRing()

    async def fill() -> None:
        with ring_file.open() as file:
            left = ""
            while True:
                left += file.readline()
                if left.endswith("\n"):
                    ring.log(raw=bytes.fromhex(left))
                    left = ""
                else:
                    await asyncio.sleep(POLL_S)

    filling = asyncio.create_task(fill())
    try:
        return await Daemon(RunOptions(config_path=config), ring.device).run()
    finally:
        filling.cancel()


if __name__ == "__main__":
    logging_setup.to_stderr("info")
    sys.exit(asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2])))
