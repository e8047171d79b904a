import os
import threading
from pathlib import Path

import pytest

from klogd_py.device import SourceUnavailable
from klogd_py.record import Gap, Record
from klogd_py.replay import CHUNK_BYTES, REST_S, Replay, open_replay

KMSG = b"6,1,10,-;one\n SUBSYSTEM=net\n DEVICE=n1\n6,2,20,-;two\n4,3,30,-;three\n"


def read_all(path: Path, form: str = "auto") -> list[Record | Gap]:
    source = open_replay(str(path), form)
    records: list[Record | Gap] = []
    while not source.exhausted:
        records += source.read_batch()
    source.close()
    return records


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
def test_a_capture_of_any_form_is_recognised(content: bytes, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(content)
    assert texts(read_all(path)) == expected


def test_dictionary_lines_belong_to_the_record_before_them(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(KMSG)
    first = read_all(path)[0]
    assert isinstance(first, Record)
    assert first.fields == (("SUBSYSTEM", "net"), ("DEVICE", "n1"))


def test_records_across_the_edges_of_chunks_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    lines = [b"6,%d,%d,-;record %d %s\n SUBSYSTEM=s%d\n" % (i, i, i, b"x" * (i % 97), i) for i in range(20_000)]
    path.write_bytes(b"".join(lines))
    assert path.stat().st_size > 4 * CHUNK_BYTES
    records = read_all(path)
    assert [record.seq for record in records if isinstance(record, Record)] == list(range(20_000))
    assert all(record.fields == (("SUBSYSTEM", f"s{record.seq}"),) for record in records if isinstance(record, Record))


def test_a_record_from_a_pipe_is_not_held_back() -> None:
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    source = Replay(readable, "pipe")
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


def test_dictionary_lines_that_a_pipe_parts_from_their_record_belong_to_it() -> None:
    readable, writable = os.pipe()
    source = Replay(readable, "pipe")
    os.write(writable, b"6,1,10,-;one\n")
    later = threading.Timer(REST_S / 4, os.write, (writable, b" SUBSYSTEM=net\n DEVICE=n1\n6,2,20,-;two\n"))
    later.start()
    records = source.read_batch()
    later.join()
    assert texts(records) == ["one", "two"]
    assert isinstance(records[0], Record)
    assert records[0].fields == (("SUBSYSTEM", "net"), ("DEVICE", "n1"))
    os.close(writable)
    source.close()


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), (".", "Is a directory")])
def test_what_cannot_be_read_is_named(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match=reason):
        open_replay(str(tmp_path / name), "auto")
