# SPDX-License-Identifier: GPL-2.0-or-later
"""No entry blocks a sink for ever, and all errors of a sink become outcomes."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from klogd_py.record.types import Entry, Record
from klogd_py.sinks import Sink, SinkDown, SinkError, SinkFailed, SinkGone
from klogd_py.sinks.attempt import Outcome, try_send
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.file import FileSink
from klogd_py.sinks.file_format import FileFormat
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.local_syslog import SyslogSink
from tests.entries import numbered_entries
from tests.json_documents import read_document
from tests.sockets import DatagramListener

# Neither JSON nor the calendar can represent such a number.
TOO_LARGE = 1 << 80
BROKEN = Record("broken \ud800", 6, TOO_LARGE, TOO_LARGE)


def with_broken(places: Sequence[int], count: int) -> list[Entry]:
    entries = [*numbered_entries(range(count))]
    for place in places:
        entries[place] = Entry(BROKEN, TOO_LARGE, BROKEN.text)
    return entries


class PickySink:
    """A sink that raises for entries of `TOO_LARGE`, or ``error`` for all."""

    name, keeps_position, blocking, has_partial_write = "picky", True, False, False

    def __init__(self, error: Exception | None = None) -> None:
        self.received: list[str] = []
        self.calls = 0
        self._error = error

    def send(self, entries: Sequence[Entry]) -> int:
        self.calls += 1
        if self._error is not None:
            raise self._error
        if any(entry.wall_us == TOO_LARGE for entry in entries):
            raise OverflowError("no such year")
        self.received += [entry.text for entry in entries]
        return len(entries)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("places", [[0], [511], [100, 101, 300], [*range(0, 512, 64)]])
def test_unsendable_entry_is_sent_in_plain_form(places: list[int]) -> None:
    sink, reported = PickySink(), list[Exception]()
    entries = with_broken(places, 512)
    assert try_send(sink, entries, reported.append) == Outcome(512)
    wanted = [r"broken \ud800" if at in places else entry.text for at, entry in enumerate(entries)]
    assert sink.received == wanted
    assert {type(error) for error in reported} == {OverflowError}
    assert sink.calls < 40 * len(places)


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), MemoryError(), RecursionError(), ValueError("embedded null byte")]
)
def test_sink_that_fails_for_every_entry_is_down(error: Exception) -> None:
    sink = PickySink(error)
    outcome = try_send(sink, numbered_entries(range(512)), lambda error: None)
    assert outcome.accepted == 0
    assert isinstance(outcome.error, SinkFailed)
    assert outcome.error.cause is error
    assert sink.calls < 20


@pytest.mark.parametrize(
    ("error", "accepted", "kind"),
    [
        (SinkDown("away", 3), 3, SinkDown),
        (SinkGone("gone"), 0, SinkGone),
        (OSError(5, "I/O"), 0, SinkDown),
    ],
)
def test_expected_error_is_an_outcome(error: OSError, accepted: int, kind: type[SinkError]) -> None:
    reported: list[Exception] = []
    outcome = try_send(PickySink(error), numbered_entries(range(5)), reported.append)
    assert type(outcome.error) is kind
    assert outcome.accepted == accepted
    assert reported == []


def console(folder: Path) -> Sink:
    out = (folder / "out").open("wb")
    return ConsoleSink(Colour.NEVER, json=True, descriptor=out.fileno())


@pytest.mark.parametrize(
    "make",
    [
        *(
            lambda folder, file_format=file_format: FileSink(str(folder / "out"), file_format)
            for file_format in FileFormat
        ),
        lambda folder: SyslogSink(str(folder / "socket")),
        lambda folder: JournalSink("boot", str(folder / "socket")),
    ],
)
def test_unsendable_record_stops_no_real_sink(make: type, tmp_path: Path) -> None:
    entries = with_broken([2], 5)
    with DatagramListener(tmp_path / "socket") as listener:
        sink: Sink = make(tmp_path)
        assert try_send(sink, entries, lambda error: None) == Outcome(5)
        sink.close()
        out = tmp_path / "out"
        received = out.read_bytes().splitlines() if out.exists() else listener.read()
    assert len(received) == 5, "each once"
    assert [b"broken" in line for line in received] == [False, False, True, False, False]
    documents = [read_document(line) for line in received if line.startswith(b"{")]
    assert [document.get("seq") for document in documents] in ([], [0, 1, None, 3, 4])
