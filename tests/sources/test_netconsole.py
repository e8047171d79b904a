# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures of netconsole: fragments, releases, holes in the sequence numbers."""

from pathlib import Path

import pytest

from klogd_py.record.types import Cause, Gap, Machine, Record
from klogd_py.sources.capture_records import CaptureRecords
from tests.sources.captured import read


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


FRAGMENTS = [
    (b"6,416,1758426,-,ncfrag=0/16;first ", b"6,416,1758426,-,ncfrag=6/16;and second\n"),
    (b"6,416,1758426,-,ncfrag=0/16;first \n", b"6,416,1758426,-,ncfrag=6/16;and second\n"),
    (
        b"6.4.0,6,416,1758426,-,ncfrag=0/16;first ",
        b"6.4.0,6,416,1758426,-,ncfrag=6/16;and second\n",
    ),
]


@pytest.mark.parametrize("fragments", FRAGMENTS)
def test_fragments_of_netconsole_become_one_record(
    fragments: tuple[bytes, bytes], log: Path
) -> None:
    after = b"6,417,1758427,-;next\n"
    found = read(log, b"".join(fragments) + after)
    assert isinstance(found[0], Record)
    release = Machine(release="6.4.0") if fragments[0].startswith(b"6.4") else None
    assert found[0].machine == release
    assert [(record.seq, record.text) for record in found if isinstance(record, Record)] == [
        (416, "first and second"),
        (417, "next"),
    ]


@pytest.mark.parametrize("form", ["auto", "kmsg"])
@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"ncfrag=0/33;the first chunk,", ["the first chunk,"]),
        (b"ncfrag=0/33;the first chunk,\n", ["the first chunk,"]),
        (b"ncfrag=0/99;up\n SUBSYSTEM=net\n", ["up"]),
        (b"ncfrag=16/33;the 2nd chunk.\n6.4.0,6,417,1,-;next\n", ["...the 2nd chunk.", "next"]),
        (b"ncfrag=0/99;up\nno record\n6.4.0,6,417,1,-;next\n", ["up", "no record", "next"]),
        (b"ncfrag=0/99;up\n no record\n6.4.0,6,417,1,-;next\n", ["up", " no record", "next"]),
        (b"ncfrag=0/99;0xf\n6.4.0,6,416,1,-,ncfrag=9/99;81\n", ["0xf...81"]),
    ],
)
def test_fragment_without_others_is_marked(
    content: bytes, texts: list[str], form: str, log: Path
) -> None:
    found = read(log, b"6.4.0,6,416,1,-," + content, form)
    records = [record for record in found if isinstance(record, Record)]
    assert [record.text for record in records] == texts
    assert [record.truncated for record in records] == [True, *[False] * len(texts[1:])]
    assert [record.machine for record in records if record.seq is not None] == [
        Machine(release="6.4.0") for text in texts if "no record" not in text
    ]


@pytest.mark.parametrize("order", [(1, 0), (0, 0, 1), (0, 1, 1)])
def test_fragments_may_come_in_any_order(order: tuple[int, ...], log: Path) -> None:
    fragments = FRAGMENTS[1]
    found = read(log, b"".join(fragments[number] for number in order) + b"6,417,1,-;next\n")
    assert [(item.text, item.truncated) for item in found if isinstance(item, Record)] == [
        *(("first and second", False), ("next", False)),
    ]


def fragments_of(seq: int, text: bytes, parts: int = 2) -> list[bytes]:
    """The datagrams of one record, each in a line."""
    body = text + b"\n"
    size = -(-len(body) // parts)
    head = b"6,%d,%d,-,ncfrag=" % (seq, seq)
    return [
        head + b"%d/%d;" % (at, len(body)) + body[at : at + size].removesuffix(b"\n") + b"\n"
        for at in range(0, len(body), size)
    ]


A, B, C = (fragments_of(seq, b"the text of record %d" % seq) for seq in (1, 2, 3))
WHOLE = b"6,2,2,-;the text of record 2\n"


@pytest.mark.parametrize(
    "lines",
    [
        [A[0], B[0], A[1], B[1], *C],
        [B[0], A[0], B[1], A[1], *C],
        [A[0], B[0], C[0], C[1], B[1], A[1]],
        [B[1], C[0], A[1], A[0], A[1], C[1], B[0], B[0]],
        [A[0], WHOLE, A[1], *C],
        [A[0], *C, WHOLE, A[1]],
        [A[0], C[0], WHOLE, C[1], A[1]],
    ],
)
@pytest.mark.parametrize("form", ["auto", "kmsg"])
def test_fragments_of_several_records_may_interleave(
    lines: list[bytes], form: str, log: Path
) -> None:
    found = read(log, b"".join(lines) + b"6,4,4,-;next\n", form)
    assert [
        (item.seq, item.text, item.truncated) if isinstance(item, Record) else item
        for item in found
    ] == [
        *((seq, f"the text of record {seq}", False) for seq in (1, 2, 3)),
        (4, "next", False),
    ]


def test_dictionary_follows_record_that_overtook(log: Path) -> None:
    lines = [A[0], WHOLE, b" SUBSYSTEM=net\n", A[1], C[0], WHOLE.replace(b",2", b",1"), b" D=1\n"]
    found = read(log, b"".join([*lines, C[1]]))
    assert [(item.seq, item.fields) for item in found if isinstance(item, Record)] == [
        *((1, ()), (2, (("SUBSYSTEM", "net"),)), (1, (("D", "1"),)), (3, ())),
    ]


def test_lost_fragment_delays_few_records_only() -> None:
    records = CaptureRecords()
    raw = A[0] + b"".join(b"6,%d,%d,-;text\n" % (seq, seq) for seq in range(2, 40))
    found = records.push(raw, is_end=False, is_full=True)
    seqs = [item.seq for item in found if isinstance(item, Record)]
    assert seqs == [*range(1, len(seqs) + 1)]
    assert len(seqs) >= 20
    # The input pauses.
    found = records.push(b"6,40,40,-;text\n", is_end=False)
    assert [item.seq for item in found if isinstance(item, Record)][-1] == 40


def test_records_begun_at_once_are_few() -> None:
    records = CaptureRecords()
    raw = b"".join(fragments_of(seq, b"the text")[0] for seq in range(9))
    found = records.push(raw, is_end=False, is_full=True)
    assert [item.truncated for item in found if isinstance(item, Record)] == [True] * 5


def test_dictionary_is_part_of_the_fragments(log: Path) -> None:
    body = b"up\n SUBSYSTEM=net\n DEVICE=n1\n"
    first, second = body[:10], body[10:]
    length = len(body)
    content = b"6,1,2,-,ncfrag=0/%d;%s" % (length, first)
    content += b"6,1,2,-,ncfrag=10/%d;%s" % (length, second)
    (record,) = read(log, content)
    assert isinstance(record, Record)
    assert (record.text, record.fields) == ("up", (("SUBSYSTEM", "net"), ("DEVICE", "n1")))


def test_hole_in_sequence_numbers_is_announced(log: Path) -> None:
    found = read(log, b"6,7,1,-;a\n6,8,2,-;b\n6,12,3,-;c\n6,0,4,-;other boot\n6,2,5,-;d\n")
    assert [item for item in found if isinstance(item, Gap)] == [
        Gap(9, 11, Cause.CAPTURE),
        Gap(1, 1, Cause.CAPTURE),
    ]


@pytest.mark.parametrize("form", ["auto", "kmsg"])
def test_release_of_netconsole_is_stated(form: str, log: Path) -> None:
    found = read(log, b"6,0,1,-;a\n6.4.0-rc7,6,1,2,-;up\n DEVICE=n1\n6,2,3,-;b\n", form)
    assert [(record.text, record.machine) for record in found if isinstance(record, Record)] == [
        *(("a", None), ("up", Machine(release="6.4.0-rc7")), ("b", None)),
    ]
