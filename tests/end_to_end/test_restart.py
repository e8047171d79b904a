# SPDX-License-Identifier: GPL-2.0-or-later
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.program import Program, configure, lines_of, write_kmsg
from tests.json_documents import read_document
from tests.needs import needs_kmsg
from tests.waiting import wait_until

pytestmark = needs_kmsg

JSON_FILE = '[file]\nformat = "json"\n'


def _documents(log: Path) -> list[dict[str, object]]:
    """The records in a file, without a gap of the cause ``pre-start`` before the first one.

    There must be no other gap.
    """
    documents = [read_document(line) for line in lines_of(log)]
    if documents and documents[0].get("gap", {}).get("cause") == "pre-start":
        assert documents[0]["gap"] == {
            "first": 0,
            "last": documents[1]["seq"] - 1,
            "count": documents[1]["seq"],
        } | {"cause": "pre-start"}
        del documents[0]
    assert not [document for document in documents if "gap" in document]
    return documents


def _oldest() -> int:
    """The sequence number of the oldest record in the ring buffer."""
    ring = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int(os.read(ring, 1 << 14).split(b",", 2)[1])
    finally:
        os.close(ring)


def _marked(log: Path, marker: str) -> list[str]:
    return [line.split(marker)[1][1:3] for line in lines_of(log) if marker in line]


def _until_marked(log: Path, marker: str, last: int) -> None:
    wait_until(lambda: f"{last:02d}" in _marked(log, marker), f"marker {last} in {log}")


def test_clean_stop_loses_and_repeats_nothing(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = configure(tmp_path, JSON_FILE)
    for run in range(3):
        write_kmsg(f"{marker} {2 * run:02d}")
        with Program(tmp_path, "--sink", f"file:{log}", config=config) as program:
            write_kmsg(f"{marker} {2 * run + 1:02d}")
            _until_marked(log, marker, 2 * run + 1)
            assert program.stop() == 0
    assert _marked(log, marker) == ["00", "01", "02", "03", "04", "05"]
    seqs = [document["seq"] for document in _documents(log)]
    assert isinstance(seqs[0], int)
    assert seqs == [*range(seqs[0], seqs[0] + len(seqs))]


def test_after_a_kill_nothing_is_missing(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = configure(tmp_path, JSON_FILE)
    for run in range(2):
        with Program(tmp_path, "--sink", f"file:{log}", config=config) as program:
            write_kmsg(f"{marker} {run:02d}")
            _until_marked(log, marker, run)
            program.stop(signal.SIGKILL)
    seqs = [document["seq"] for document in _documents(log)]
    assert seqs[0] == min(map(int, map(str, seqs)))
    assert {*seqs} == {*range(int(str(seqs[0])), int(str(seqs[-1])) + 1)}


def test_second_pass_delivers_only_new_records(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = configure(tmp_path, JSON_FILE)

    def once() -> list[dict[str, object]]:
        before = len(_documents(log))
        with Program(tmp_path, "--once", "--sink", f"file:{log}", config=config) as program:
            assert program.wait() == 0
        return _documents(log)[before:]

    first = once()
    assert first
    write_kmsg(f"{marker}")
    later = once()
    assert [document for document in later if document["text"] == marker]
    assert min(int(str(document["seq"])) for document in later) == int(str(first[-1]["seq"])) + 1


def test_each_sink_continues_at_its_own_position(tmp_path: Path) -> None:
    old, new, marker = tmp_path / "old.log", tmp_path / "new.log", f"marker-{secrets.token_hex(8)}"
    config = configure(tmp_path, JSON_FILE)
    for sinks in ([old], [old, new]):
        options = [word for sink in sinks for word in ("--sink", f"file:{sink}")]
        with Program(tmp_path, *options, config=config) as program:
            write_kmsg(f"{marker} {len(sinks):02d}")
            for sink in sinks:
                _until_marked(sink, marker, len(sinks))
            assert program.stop() == 0
    continued, started = (
        [int(str(document["seq"])) for document in _documents(log)] for log in (old, new)
    )
    assert continued == list(range(continued[0], continued[-1] + 1))
    # The ring buffer may have dropped its oldest records in between.
    assert started == continued[continued.index(started[0]) :]


def test_console_shows_all_records_at_every_start(tmp_path: Path) -> None:
    shown = []
    for _ in range(2):
        with Program(tmp_path, "--once", "--sink", "console", "--json") as program:
            assert program.wait() == 0
        shown.append([read_document(line)["seq"] for line in lines_of(program.output)])
    assert shown[0]
    assert shown[0][-1] in shown[1]


@pytest.mark.parametrize(
    "saved",
    [
        b"",
        b"not json",
        b'{"boot_id": "0", "next": {"file:LOG": 5}}',
        b'{"boot_id": "BOOT", "next": {"file:LOG": 18446744073709551615}}',
        b'{"boot_id": "BOOT", "next": {"file:LOG": -1}}',
        b'{"boot_id": "BOOT", "next": {"file:LOG": "five"}}',
    ],
    ids=["empty", "not JSON", "another boot", "beyond the ring", "negative", "not a number"],
)
def test_invalid_saved_position_suppresses_no_record(tmp_path: Path, saved: bytes) -> None:
    log = tmp_path / "kern.log"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    filled = saved.replace(b"BOOT", boot_id.encode()).replace(b"LOG", os.fsencode(log))
    (tmp_path / "position.json").write_bytes(filled)
    config = configure(tmp_path, JSON_FILE)
    before = _oldest()
    with Program(tmp_path, "--once", "--sink", f"file:{log}", config=config) as program:
        assert program.wait() == 0
    written = [document["seq"] for document in _documents(log)]
    # The ring buffer may have dropped its oldest records in between.
    assert before <= int(str(written[0])) <= _oldest()
    assert written == list(range(int(str(written[0])), int(str(written[-1])) + 1))


def test_unsaved_position_is_logged_and_stops_nothing(tmp_path: Path) -> None:
    log, marker = tmp_path / "kern.log", f"marker-{secrets.token_hex(8)}"
    config = tmp_path / "klogd-py.toml"
    config.write_text(f'state.cursor_file = "{tmp_path}/missing/position.json"\n')
    with Program(tmp_path, "--sink", f"file:{log}", config=config) as program:
        program.wait_for_log("position not saved")
        write_kmsg(f"{marker} 00")
        _until_marked(log, marker, 0)
        assert program.stop() == 0


def test_second_daemon_on_the_cursor_file_is_refused(tmp_path: Path) -> None:
    config = configure(tmp_path, JSON_FILE)
    with Program(tmp_path, "--sink", f"file:{tmp_path}/kern.log", config=config) as program:
        second = [sys.executable, "-m", "klogd_py", "--config", str(config), "--once", "--sink"]
        refused = subprocess.run(
            [*second, f"file:{tmp_path}/other.log"], capture_output=True, text=True, timeout=60
        )
        assert refused.returncode == 1
        assert refused.stderr == (
            f"klogd-py: {tmp_path}/position.json: in use by another klogd-py; "
            "give this one a state.cursor_file of its own, or none\n"
        )
        watching = subprocess.run([*second, "console"], capture_output=True, text=True, timeout=60)
        assert watching.returncode == 0, "a console has no position"
        assert program.stop() == 0
