# SPDX-License-Identifier: GPL-2.0-or-later
"""An outage of a sink and a burst of records, with the real ring buffer as the queue."""

import re
import secrets
import time
from pathlib import Path

import pytest

from tests.end_to_end.program import Program, configure, lines_of, write_kmsg
from tests.json_documents import read_document
from tests.needs import needs_kmsg
from tests.sockets import BackgroundDatagramListener
from tests.waiting import wait_until

pytestmark = needs_kmsg

GAP = re.compile(r'\[gap first="(\d+)" last="(\d+)" count="(\d+)" cause="([a-z-]+)"\]')
RATE = 200
OUTAGE_S = 2.0


def test_a_burst_of_a_thousand_records_arrives_whole(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"burst-{secrets.token_hex(8)}"
    with Program(tmp_path, "--sink", f"file:{log}") as program:
        for number in range(1000):
            write_kmsg(f"{marker} {number};")
        wait_until(
            lambda: any(f"{marker} 999;" in line for line in lines_of(log)), "the last of the burst"
        )
        assert program.stop() == 0
    numbers = [
        int(line.rpartition(" ")[2].removesuffix(";")) for line in lines_of(log) if marker in line
    ]
    assert numbers == [*range(1000)]


@pytest.mark.parametrize("when_full", ["wait", "drop"])
def test_outage_loses_nothing_or_announces_every_drop(tmp_path: Path, when_full: str) -> None:
    log, socket, marker = tmp_path / "kern.log", tmp_path / "log", f"outage-{secrets.token_hex(8)}"
    config = configure(
        tmp_path, f'[file]\nformat = "json"\n[queue]\nlimit_kib = 64\nwhen_full = "{when_full}"\n'
    )
    with Program(
        tmp_path, "--sink", f"file:{log}", "--sink", f"syslog:{socket}", config=config
    ) as program:
        program.wait_for_log("is down")
        for number in range(int(RATE * OUTAGE_S)):
            write_kmsg(f"{marker} {number};")
            time.sleep(1 / RATE)
        with BackgroundDatagramListener(socket) as listener:
            program.wait_for_log("is back")
            # Errors are not dropped.
            write_kmsg(f"<11>{marker} last;")
            wait_until(
                lambda: any(
                    f"{marker} last;".encode() in datagram for datagram in listener.received
                ),
                "the last record",
                10,
            )
            assert program.stop() == 0
    documents = [read_document(line) for line in lines_of(log)]
    numbers = {
        document["text"]: document["seq"] for document in documents if marker in document["text"]
    }
    texts = [
        datagram.decode().rpartition(": ")[2]
        for datagram in listener.received
        if marker.encode() in datagram
    ]
    gaps = [
        found.groups() for datagram in listener.received if (found := GAP.search(datagram.decode()))
    ]
    dropped = {
        text
        for text, seq in numbers.items()
        if any(int(gap[0]) <= seq <= int(gap[1]) for gap in gaps)
    }
    assert texts == [text for text in numbers if text not in dropped]
    # A full ring buffer may lose earlier records, but not those written by this test.
    causes = {cause for *_, cause in gaps}
    seqs = [*numbers.values()]
    if seqs[-1] - seqs[0] > 2 * RATE * OUTAGE_S:
        pytest.skip("needs a kernel log that no other program fills")
    assert (bool(dropped), "sink-drop" in causes) == (
        (False, False) if when_full == "wait" else (True, True)
    )
