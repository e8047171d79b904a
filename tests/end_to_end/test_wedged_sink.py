# SPDX-License-Identifier: GPL-2.0-or-later
import socket
from pathlib import Path

from tests.end_to_end.program import Program, configure
from tests.waiting import wait_until


def test_listener_that_never_reads_blocks_no_other_sink(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wedged:
        wedged.bind(str(tmp_path / "wedged"))
        sinks = ["--sink", f"syslog:{tmp_path / 'wedged'}", "--sink", f"file:{log}"]
        with Program(
            tmp_path,
            "--input",
            "-",
            *sinks,
            config=configure(tmp_path, "queue.limit_kib = 8192\n"),
        ) as program:
            program.feed("".join(f"<6>record {number}\n" for number in range(100)))
            wait_until(
                lambda: log.exists() and log.read_text().count("\n") == 100,
                "every record in the file",
            )
            wait_until(
                lambda: any("takes nothing" in line for line in program.log),
                "the warning about the wedged sink",
            )
    lines = log.read_text().splitlines()
    assert [line.rpartition("record ")[2] for line in lines] == [str(n) for n in range(100)]
