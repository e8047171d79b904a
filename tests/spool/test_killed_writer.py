# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that writes reports and is killed at any moment leaves only whole files."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from klogd_py.spool.reader import Spool
from klogd_py.spool.retention import Limits
from klogd_py.spool.writer import SpoolWriter
from tests.reports_made import BOOT_ID
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
WRITES = """
import sys
from pathlib import Path
from klogd_py.record.report import Span
from klogd_py.spool.pending import Batch
from klogd_py.spool.retention import Limits
from klogd_py.spool.writer import SpoolWriter
from tests.reports_made import BOOT_ID, make_report

writer = SpoolWriter(Path(sys.argv[1]), Limits(), BOOT_ID)
first = int(sys.argv[2])
for number in range(first, first + 100_000):
    batch = Batch(next_seq=number + 1)
    text = tuple(f"{number} {line}" for line in range(300))
    batch.add(make_report(id=f"id-{number:06d}", text=text, seq=Span(number, number)), number)
    writer.store(batch)
"""


def test_killed_writer_leaves_only_whole_files(tmp_path: Path) -> None:
    path, dice = tmp_path / "reports", random.Random(7)
    spool = Spool(path)
    counted = [0]
    for _ in range(8):
        command = [sys.executable, "-c", WRITES, str(path), str(counted[-1])]
        writing = subprocess.Popen(command, cwd=PROJECT)
        before = counted[-1]

        def goes_on(before: int = before) -> bool:
            return sum(issue.count for issue in spool.issues().issues) > before

        wait_until(goes_on, "a report more")
        time.sleep(dice.random() / 20)
        writing.send_signal(signal.SIGKILL)
        writing.wait(30)
        listing = spool.list()
        assert listing.broken == ()
        assert 0 < len(listing.summaries) <= 7
        for one in listing.summaries:
            report = spool.load(one.id)
            assert report.text == tuple(f"{int(one.id[3:])} {line}" for line in range(300))
        counts = spool.issues()
        counted.append(sum(issue.count for issue in counts.issues))
        # All before it, and no other, are counted.
        assert counts.next_seq == counted[-1]
    assert SpoolWriter(path, Limits(), BOOT_ID).open(counted[-1]).usage.problem == ""
    assert list(path.glob(".*.new")) == []
