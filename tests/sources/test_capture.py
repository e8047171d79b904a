# SPDX-License-Identifier: GPL-2.0-or-later
import os
import random
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.types import KERN, Gap, Record
from klogd_py.sources.capture import (
    DICTIONARY_WAIT_S,
    MAX_DICTIONARY_WAIT_S,
    Capture,
    open_capture,
)
from klogd_py.sources.capture_records import MAX_RECORD_BYTES
from klogd_py.sources.input_file import CHUNK_BYTES, InputFile
from klogd_py.sources.source import SourceUnavailable
from tests.sources.captured import read, read_to_end
from tests.test_linear import cpu_s

KMSG = b"6,1,10,-;one\n SUBSYSTEM=net\n DEVICE=n1\n6,2,20,-;two\n4,3,30,-;three\n"


def texts(records: list[Record | Gap]) -> list[str]:
    return [record.text for record in records if isinstance(record, Record)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (KMSG, ["one", "two", "three"]),
        (KMSG.rstrip(b"\n"), ["one", "two", "three"]),
        (b"\n[    1.000000] a\n[    2.000000] b\n", ["", "a", "b"]),
        (b"<4>a\n\n<5>b", ["a", "", "b"]),
        (b"Nov 19 12:34:38 host kernel: [1.000000] a\n", ["a"]),
        (b"", []),
    ],
)
def test_any_capture_format_is_recognised(
    content: bytes, expected: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "capture"
    path.write_bytes(content)
    assert texts(read(path)) == expected


def test_dictionary_lines_belong_to_record_before(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(KMSG)
    first = read(path)[0]
    assert isinstance(first, Record)
    assert first.fields == (("SUBSYSTEM", "net"), ("DEVICE", "n1"))


def test_records_across_chunks_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    lines = [
        b"6,%d,%d,-;record %d %s\n SUBSYSTEM=s%d\n" % (i, i, i, b"x" * (i % 97), i)
        for i in range(20_000)
    ]
    path.write_bytes(b"".join(lines))
    assert path.stat().st_size > 4 * CHUNK_BYTES
    records = read(path)
    assert [record.seq for record in records if isinstance(record, Record)] == list(range(20_000))
    assert all(
        record.fields == (("SUBSYSTEM", f"s{record.seq}"),)
        for record in records
        if isinstance(record, Record)
    )


def test_record_from_pipe_is_not_delayed() -> None:
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    source = Capture(InputFile(readable, "pipe"))
    os.write(writable, KMSG)
    assert texts(source.read_batch()) == ["one", "two", "three"]
    assert source.read_batch() == []
    os.write(writable, b"6,4,40,-;fo")
    assert source.read_batch() == []
    os.write(writable, b"ur\n")
    assert texts(source.read_batch()) == ["four"]
    os.close(writable)
    assert source.read_batch() == []
    assert source.exhausted
    source.close()


def test_delayed_dictionary_lines_join_their_record() -> None:
    readable, writable = os.pipe()
    source = Capture(InputFile(readable, "pipe"))
    os.write(writable, b"6,1,10,-;one\n")
    later = threading.Timer(
        DICTIONARY_WAIT_S / 4, os.write, (writable, b" SUBSYSTEM=net\n DEVICE=n1\n6,2,20,-;two\n")
    )
    later.start()
    records = source.read_batch()
    later.join()
    assert texts(records) == ["one", "two"]
    assert isinstance(records[0], Record)
    assert records[0].fields == (("SUBSYSTEM", "net"), ("DEVICE", "n1"))
    os.close(writable)
    source.close()


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), (".", "Is a directory")])
def test_unreadable_capture_is_refused_with_reason(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=reason):
        open_capture(str(tmp_path / name), "auto")


def in_pieces(content: bytes, form: str, size: int) -> list[Record]:
    """The records of a pipe that is written so many bytes at a time."""
    readable, writable = os.pipe()
    source = Capture(InputFile(readable, "pipe"), form)
    records: list[Record | Gap] = []
    for start in range(0, len(content), size):
        os.write(writable, content[start : start + size])
        records += source.read_batch()
    os.close(writable)
    records += read_to_end(source)
    source.close()
    return [record for record in records if isinstance(record, Record)]


HEADS = {
    "kmsg": b"6,1,10,-;",
    "dmesg": b"[    1.000000] ",
    "klogd": b"<4>",
    "syslog": b"Nov 19 12:34:38 host kernel: ",
}


@pytest.mark.parametrize("form", HEADS)
@pytest.mark.parametrize(
    "length",
    [
        *range(MAX_RECORD_BYTES - 40, MAX_RECORD_BYTES + 2),
        3 * MAX_RECORD_BYTES,
        5 * MAX_RECORD_BYTES + 7,
    ],
)
def test_too_long_line_is_split_without_loss(form: str, length: int) -> None:
    text = bytes(random.Random(length).choices(b"abcdefghij", k=length))
    content = HEADS[form] + text + b"\n" + HEADS[form].replace(b"1,10", b"2,20") + b"after\n"
    records = in_pieces(content, form, 60_000)
    assert "".join(record.text for record in records[:-1]).encode() == text
    assert records[-1].text == "after"
    assert not records[-1].unparsed
    assert [record.truncated for record in records] == [True] * (len(records) - 2) + [False] * 2
    assert [record.unparsed for record in records[:-1]] == [False] + [True] * (len(records) - 2)
    assert all(len(record.text) <= MAX_RECORD_BYTES for record in records)
    assert all(record.facility != KERN for record in records[1:-1]), (
        "a part is not what the kernel said"
    )


@pytest.mark.parametrize("form", ["auto", *HEADS])
@given(
    pieces=st.lists(
        st.sampled_from(
            [b"\n", b" A=b\n", b"6,1,10,-;one\n", b"<4>x", b"y" * 70_000, b"\xff", b";"]
        ),
        max_size=12,
    ),
    size=st.sampled_from([1 << 16, 30_000, 1013]),
)
def test_every_input_byte_is_in_some_record(form: str, pieces: list[bytes], size: int) -> None:
    content = b"".join(pieces)
    records = in_pieces(content, form, size)
    length = sum(len(record.text) + len(record.head) for record in records)
    assert b"".join(pieces).count(b"y") == sum(record.text.count("y") for record in records)
    assert length <= len(content)


def test_slow_writer_does_not_block_reader() -> None:
    readable, writable = os.pipe()
    source = Capture(InputFile(readable, "pipe"), "kmsg")
    done = threading.Event()

    def drip() -> None:
        while not done.is_set():
            os.write(writable, b"6,1,10,-;a\n")
            done.wait(DICTIONARY_WAIT_S / 2)

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        time.sleep(DICTIONARY_WAIT_S)
        began_s = time.monotonic()
        assert source.read_batch()
        assert time.monotonic() - began_s < MAX_DICTIONARY_WAIT_S + 0.4
    finally:
        done.set()
        dripping.join()
        os.close(writable)
        source.close()


@pytest.mark.parametrize("form", ["auto", *HEADS])
def test_endless_line_takes_linear_time_and_little_memory(form: str) -> None:
    def peak_bytes(size: int) -> int:
        readable, writable = os.pipe()
        source = Capture(InputFile(readable, "pipe"), form)
        tracemalloc.start()
        try:
            for _ in range(size >> 16):
                os.write(writable, b"1" * (1 << 16))
                source.read_batch()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            os.close(writable)
            source.close()

    assert peak_bytes(16 << 20) < 2 << 20
    content = HEADS.get(form, b"") + b"1" * (32 << 20)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()

        def read_first(size: int) -> None:
            os.truncate(file.name, size)
            assert sum(len(text) for text in texts(read(Path(file.name), form=form))) > size - 100

        large_s, small_s = (
            cpu_s(lambda: read_first(32 << 20)),
            cpu_s(lambda: read_first(16 << 20)),
        )
    assert large_s < 3 * small_s + 0.1
