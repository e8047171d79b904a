# SPDX-License-Identifier: GPL-2.0-or-later
"""`translate`, ``--input`` and the daemon have the same stages, and so the same results."""

from pathlib import Path

import pytest

from klogd_py.oops.capture_line import record_from_line
from tests.corpus.logs import OWN_AND_COLLECTION, log_files
from tests.end_to_end.one_way import read_capture, read_kmsg, timestamps, translate

# Of so many files of a large collection one is read.
STEP = 4


def read_lines(path: Path) -> list[str]:
    """Return the lines of a log in ASCII; none if its bytes were changed on the way to a file."""
    raw = path.read_bytes().replace(b"\r", b"").rstrip(b"\n")
    return raw.decode().split("\n") if raw.isascii() else []


def are_messages(stamps: list[int | None]) -> bool:
    """Whether each line is a message: among others, one without a timestamp is a part of one."""
    return None not in stamps or not any(stamp is not None for stamp in stamps)


@pytest.mark.parametrize("folder", OWN_AND_COLLECTION)
def test_three_ways_give_the_same_texts_and_traces(folder: Path, tmp_path: Path) -> None:
    logs = log_files(folder)
    named = compared = 0
    for path in logs if len(logs) < 100 else logs[::STEP]:
        lines = read_lines(path)
        log = tmp_path / "log"
        log.write_text("".join(f"{line}\n" for line in lines))
        stamps = [record_from_line(line).usec for line in lines]
        # In the form of /dev/kmsg a record has several lines, and not every form has its timestamps
        # read by both.
        if not lines or timestamps(log) != stamps:
            continue
        by_translate, by_input = translate(log.read_bytes()), read_capture(log)
        assert by_translate.traces == by_input.traces, path
        other = [
            line
            for line, text in zip(by_translate.texts, by_input.texts, strict=True)
            if not line.endswith(text)
        ]
        assert len(other) == by_translate.doubtful, path
        named += sum("+0x1/0x10" in text for text in by_input.texts)
        compared += 1
        if not are_messages(stamps):
            continue
        by_kmsg = read_kmsg(lines)
        assert by_kmsg.traces == by_input.traces, path
        for text, message in zip(by_input.texts, by_kmsg.texts, strict=True):
            assert text.endswith(message) or message.endswith(text), path
    assert compared > len(logs) / STEP * 0.6
    assert named
