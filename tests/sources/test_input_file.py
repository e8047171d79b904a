# SPDX-License-Identifier: GPL-2.0-or-later
import bz2
import gzip
import lzma
import os
import random
import struct
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from klogd_py.record.types import Record
from klogd_py.sources.capture import Capture, open_capture
from klogd_py.sources.errors import InputFailed
from klogd_py.sources.input_file import InputFile, open_input
from klogd_py.sources.source import SourceUnavailable
from tests.sources.captured import read_to_end

LINES = b"".join(b"<6>[%5d.%06d] line %d of the log\n" % (i, i, i) for i in range(40_000))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    # Equal lines take it seconds otherwise
    "xz": partial(lzma.compress, preset=0),
    "bzip2": bz2.compress,
    "zstd": zstandard.compress,
}
packers = pytest.mark.parametrize("form", PACKERS)


def read_all(source: InputFile) -> bytes:
    """The whole content; what a pipe has must be there already."""
    pieces = []
    while not source.ended or source.has_content:
        pieces.append(source.read())
    source.close()
    return b"".join(pieces)


def of_file(content: bytes, tmp_path: Path) -> InputFile:
    path = tmp_path / "kern.log"
    path.write_bytes(content)
    return open_input(str(path))


def of_pipe(content: bytes) -> InputFile:
    readable, writable = os.pipe()
    os.write(writable, content)
    os.close(writable)
    return InputFile(readable, "pipe")


@packers
def test_packed_file_is_read_whatever_its_name(form: str, tmp_path: Path) -> None:
    source = of_file(PACKERS[form](LINES), tmp_path)
    assert read_all(source) == LINES
    assert source.failure is None


@packers
def test_packed_members_in_a_row_are_one(form: str, tmp_path: Path) -> None:
    pack = PACKERS[form]
    content = pack(b"first\n") + pack(LINES) + pack(b"last\n") + bytes(512)
    assert read_all(of_file(content, tmp_path)) == b"first\n" + LINES + b"last\n"


@packers
def test_packed_bytes_come_through_a_pipe(form: str) -> None:
    assert read_all(of_pipe(PACKERS[form](LINES[:9000]))) == LINES[:9000]


@packers
@pytest.mark.parametrize("size", [1, 4])
def test_packed_pipe_may_give_single_bytes(form: str, size: int) -> None:
    readable, writable = os.pipe()
    source, packed, pieces = InputFile(readable, "pipe"), PACKERS[form](LINES[:999]), list[bytes]()
    for at in range(0, len(packed), size):
        os.write(writable, packed[at : at + size])
        pieces.append(source.read())
    os.close(writable)
    assert b"".join([*pieces, read_all(source)]) == LINES[:999]
    assert source.failure is None


@pytest.mark.parametrize("text", [b"B", b"BZ", b"(", b"BZhello\n", b"BZh9"])
def test_short_text_of_a_pipe_is_text(text: bytes) -> None:
    assert read_all(of_pipe(text)) == text


@packers
@pytest.mark.parametrize("lost", [1, 700])
def test_cut_file_gives_its_beginning_and_reason(form: str, lost: int, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(700_000).hex().encode()
    source = of_file(PACKERS[form](noise)[:-lost], tmp_path)
    found = read_all(source)
    # A block of bzip2 has up to 900 kB, and is unpacked as a whole.
    assert noise.startswith(found)
    assert len(found) > 800_000
    assert source.failure == f"{source.name}: cut off: its {form} content ends too early"


@packers
def test_garbage_behind_packed_content_is_reported(form: str, tmp_path: Path) -> None:
    source = of_file(PACKERS[form](LINES) + b"something else", tmp_path)
    assert read_all(source) == LINES
    assert source.failure is not None
    assert "follows something else" in source.failure


@packers
def test_input_is_read_twice_after_rewind(form: str, tmp_path: Path) -> None:
    source = of_file(PACKERS[form](LINES), tmp_path)
    while not source.ended:
        source.read()
    source.rewind()
    assert read_all(source) == LINES


@packers
def test_small_file_of_much_content_takes_little_memory(form: str, tmp_path: Path) -> None:
    line = b"x" * 99 + b"\n"
    source = of_file(PACKERS[form](line * 400_000), tmp_path)
    tracemalloc.start()
    count = 0
    while not source.ended:
        count += len(source.read())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    source.close()
    assert count == 40_000_000
    assert peak < 20 << 20


def test_records_before_damage_come_before_the_error(tmp_path: Path) -> None:
    path = tmp_path / "kern.log.2.gz"
    path.write_bytes(gzip.compress(LINES)[:-40])
    source = open_capture(str(path), "auto")
    records = read_to_end(source)
    first, last = records[0], records[-1]
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert first.text == "line 0 of the log"
    assert (last.usec or 0) > 39_000_000_000
    with pytest.raises(InputFailed, match="cut off: its gzip"):
        source.read_batch()
    assert source.read_batch() == []
    source.close()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_text_with_byte_order_mark_becomes_utf8(encoding: str, tmp_path: Path) -> None:
    text = "[    1.000000] größe ✓\r\n" * 20_000
    content = f"\ufeff{text}".encode(encoding)
    assert read_all(of_file(content, tmp_path)).decode() == text


BINARY = [
    (b"LPKSHHRH" + bytes(200), "a journal file", "journalctl -k -o short-monotonic --file"),
    (b"\x7fELF\2\1\1" + bytes(9) + b"\4\0" + bytes(99), "a core dump", "vmcore-dmesg"),
    (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0" + bytes(99), "an ELF file", ""),
    (b"KDUMP   " + bytes(99), "a kernel crash dump", "makedumpfile --dump-dmesg"),
    (b"SQLite format 3\0" + bytes(99), "an SQLite database", ""),
    (b"name".ljust(257, b"\0") + b"ustar  \0" + bytes(99), "a tar archive", "tar -xOf"),
    (b"PK\3\4" + bytes(99), "a zip archive", "unzip -p"),
    (b"\x89PNG\r\n\x1a\n" + bytes(99), "an image", ""),
    (b"\x04\x22\x4d\x18" + bytes(99), "packed with lz4", "lz4 -dc"),
    (random.Random(7).randbytes(5000), "binary", ""),
    (bytes(5000), "nothing but NUL bytes", ""),
    (struct.pack("<200I", *range(200)), "binary", ""),
    ("[    1.000000] text\r\n".encode("utf-16-le") * 9, "UTF-16 without a byte", "iconv -f"),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("content", "kind", "command"), BINARY)
def test_binary_file_is_refused_with_its_kind(
    content: bytes, kind: str, command: str, packed: bool, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnavailable) as refused:
        of_file(gzip.compress(content) if packed else content, tmp_path)
    wrong, _, remedy = str(refused.value).partition("\n")
    assert wrong.startswith(f"{tmp_path}/kern.log: {kind}")
    assert bool(remedy) == bool(command)
    assert command in remedy


@packers
@pytest.mark.parametrize("outer", PACKERS)
def test_what_is_packed_twice_is_read(form: str, outer: str, tmp_path: Path) -> None:
    source = of_file(PACKERS[outer](PACKERS[form](LINES)), tmp_path)
    assert read_all(source) == LINES
    assert source.failure is None


def test_cut_content_of_two_layers_fails_late(tmp_path: Path) -> None:
    cut = of_file(gzip.compress(gzip.compress(LINES)[:-40]), tmp_path)
    found = read_all(cut)
    assert len(found) > len(LINES) // 2
    assert LINES.startswith(found)
    assert cut.failure == f"{tmp_path}/kern.log: cut off: its gzip content ends too early"


def test_what_is_packed_in_four_layers_is_refused(tmp_path: Path) -> None:
    content = LINES
    for _ in range(4):
        content = gzip.compress(content)
    with pytest.raises(SourceUnavailable, match=r"packed several times, not text\nklogd-py: "):
        of_file(content, tmp_path)


def test_binary_pipe_ends_with_its_kind() -> None:
    source = of_pipe(b"LPKSHHRH" + bytes(200))
    assert read_all(source) == b""
    assert source.failure is not None
    assert source.failure.startswith("pipe: a journal file, not text\n")
    assert source.failure.endswith(" --file FILE")
    source = of_pipe(b"LPKSHHRH" + bytes(200))
    with pytest.raises(InputFailed, match="a journal file"):
        Capture(source).read_batch()
    source.close()


TEXTS = [
    b"",
    b"\n",
    b"one line",
    bytes(4096) + b"Nov 27 02:00:00 host kernel: after a crash\n" * 20,
    b"Nov 27 02:00:00 host kernel: before\n" * 20 + bytes(9000) + b"after\n",
    b"6,1,2,-;text\n\0 SUBSYSTEM=net\n" + b"6,2,3,-;text\n\0" * 400,
    "größe naïve\n".encode("latin-1") * 99,
    "ядро не загружено\n".encode("koi8-r") * 99,
    "内核\n".encode("gbk") * 99,
    b"\x1b[1;31m[    1.000000]\x1b[0m coloured\r\r\n" * 99,
    b"\xff\x00\xf8\x01" * 12 + b"U-Boot 2024.01\r\n[    0.000000] Linux version 6.1\r\n" * 99,
    b"BZh is no archive\n",
    b"PK\n",
]


@pytest.mark.parametrize("content", TEXTS)
def test_text_of_any_kind_comes_unchanged(content: bytes, tmp_path: Path) -> None:
    assert read_all(of_file(content, tmp_path)) == content


@pytest.mark.parametrize(
    "first", [bytes(20), bytes(300), "reset\r\n".encode("utf-16-le") * 9], ids=len
)
def test_text_may_follow_noise_in_a_pipe(first: bytes) -> None:
    readable, writable = os.pipe()
    source = InputFile(readable, "pipe")
    os.write(writable, first)
    found = source.read()
    os.write(writable, LINES[:1000])
    os.close(writable)
    found += read_all(source)
    assert (found, source.failure) == (first + LINES[:1000], None)


def test_noise_of_a_serial_line_is_read() -> None:
    content = random.Random(3).randbytes(400) + b"\r\n[    0.000000] Linux version 6.1\r\n"
    assert read_all(of_pipe(content)) == content


def test_nul_between_kernel_records_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    path.write_bytes(b"6,1,10,-;one\n\0006,2,20,-;two\n\0" + b"6,3,30,-;three\n")
    source = open_capture(str(path), "auto")
    records = [item for item in source.read_batch() if isinstance(item, Record)]
    assert [(record.seq, record.text) for record in records] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
    ]
    source.close()


def test_content_that_is_unpacked_needs_no_wait() -> None:
    readable, writable = os.pipe()
    os.write(writable, gzip.compress(b"<6>the same line\n" * 40_000))
    source = Capture(InputFile(readable, "pipe"))
    count = 0
    # The pipe stays open and has no more bytes: only what is held can come.
    while records := source.read_batch():
        count += len(records)
    assert count == 40_000
    os.close(writable)
    source.close()


def test_missing_zstd_package_is_named_as_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(SourceUnavailable, match="Python package zstandard"):
        of_file(zstandard.compress(LINES), tmp_path)
