# SPDX-License-Identifier: GPL-2.0-or-later
import errno
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from klogd_py.record.types import Cause, Gap, Record
from klogd_py.sources import factory
from klogd_py.sources.kmsg_device import BATCH_RECORDS, KmsgDevice
from klogd_py.sources.proc_kmsg import ProcKmsg
from klogd_py.sources.source import SourceUnavailable
from tests.end_to_end.program import write_kmsg
from tests.fakes import FakeRing
from tests.needs import needs_kmsg, needs_readable_kmsg

REFUSALS = {b"EPIPE": errno.EPIPE, b"EINVAL": errno.EINVAL, b"EIO": errno.EIO}


class SmallKmsg:
    """A fake /dev/kmsg: a SEQPACKET pair whose every recv is one record or an error."""

    def __init__(self) -> None:
        self._kernel, self._reader = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reader.setblocking(False)

    def device(self) -> KmsgDevice:
        return KmsgDevice(self._reader.fileno(), read=self._read)

    def say(self, *seqs: int) -> "SmallKmsg":
        for seq in seqs:
            self._kernel.send(b"6,%d,%d,-;record %d\n" % (seq, seq * 10, seq))
        return self

    def refuse(self, name: bytes) -> "SmallKmsg":
        self._kernel.send(name)
        return self

    def end(self) -> "SmallKmsg":
        self._kernel.close()
        return self

    def close(self) -> None:
        self._kernel.close()
        self._reader.close()

    def _read(self, descriptor: int, length: int) -> bytes:
        raw = os.read(descriptor, length)
        if raw in REFUSALS:
            raise OSError(REFUSALS[raw], os.strerror(REFUSALS[raw]))
        return raw


@pytest.fixture
def kernel() -> Iterator[SmallKmsg]:
    small = SmallKmsg()
    yield small
    small.close()


def seqs(batch: list[Record | Gap]) -> list[int | Gap | None]:
    return [item if isinstance(item, Gap) else item.seq for item in batch]


def test_read_batch_drains_device_without_exhausting_it(kernel: SmallKmsg) -> None:
    reader = kernel.say(0, 1, 2).device()
    assert seqs(reader.read_batch()) == [0, 1, 2]
    assert reader.read_batch() == []
    assert not reader.exhausted


def test_missing_numbers_become_exact_gap(
    kernel: SmallKmsg,
) -> None:
    reader = kernel.say(0, 1, 5, 6).device()
    assert seqs(reader.read_batch()) == [0, 1, Gap(2, 4, Cause.OVERRUN), 5, 6]


def test_missing_numbers_between_batches_become_gap(kernel: SmallKmsg) -> None:
    kernel.say(0)
    reader = kernel.device()
    reader.read_batch()
    kernel.refuse(b"EPIPE").say(4)
    assert seqs(reader.read_batch()) == [Gap(1, 3, Cause.OVERRUN), 4]


def test_einval_is_gap_of_one(kernel: SmallKmsg) -> None:
    reader = kernel.say(7).refuse(b"EINVAL").say(9).device()
    assert seqs(reader.read_batch()) == [7, Gap(8, 8, Cause.EINVAL), 9]


def test_error_at_batch_end_explains_next_gap(
    kernel: SmallKmsg,
) -> None:
    reader = kernel.say(7).refuse(b"EINVAL").device()
    reader.read_batch()
    kernel.say(9)
    assert seqs(reader.read_batch()) == [Gap(8, 8, Cause.EINVAL), 9]


def test_epipe_without_missing_numbers_is_no_gap(kernel: SmallKmsg) -> None:
    reader = kernel.say(7).refuse(b"EPIPE").say(8).device()
    assert seqs(reader.read_batch()) == [7, 8]


def test_undocumented_error_of_kmsg_is_raised(kernel: SmallKmsg) -> None:
    reader = kernel.refuse(b"EIO").device()
    with pytest.raises(OSError, match="Input/output"):
        reader.read_batch()


def test_reader_is_exhausted_after_end_of_file(kernel: SmallKmsg) -> None:
    reader = kernel.say(0).end().device()
    assert seqs(reader.read_batch()) == [0]
    assert reader.exhausted


def test_records_before_position_are_skipped_silently(kernel: SmallKmsg) -> None:
    reader = kernel.say(3, 4, 5, 6).device()
    reader.skip_below(5)
    assert seqs(reader.read_batch()) == [5, 6]


def test_overwritten_records_before_start_are_remarked(kernel: SmallKmsg) -> None:
    reader = kernel.say(52).device()
    reader.read_batch()
    assert reader.remark is not None
    assert "0 to 51" in reader.remark


def test_unparsable_record_is_delivered_in_order(kernel: SmallKmsg) -> None:
    kernel.say(0)
    kernel.refuse(b"not a record\n").say(1)
    batch = kernel.device().read_batch()
    assert [item.text for item in batch if isinstance(item, Record)] == [
        "record 0",
        "not a record",
        "record 1",
    ]


def test_number_of_unparsable_record_is_in_gap(kernel: SmallKmsg) -> None:
    reader = kernel.say(0).refuse(b"not a record\n").say(2).device()
    assert seqs(reader.read_batch()) == [0, None, Gap(1, 1, Cause.UNPARSABLE), 2]


def test_each_kind_of_error_is_own_gap(kernel: SmallKmsg) -> None:
    reader = (
        kernel.say(0).refuse(b"EINVAL").refuse(b"EPIPE").refuse(b"not a record\n").say(9).device()
    )
    assert seqs(reader.read_batch()) == [
        0,
        None,
        Gap(1, 1, Cause.EINVAL),
        Gap(2, 7, Cause.OVERRUN),
        Gap(8, 8, Cause.UNPARSABLE),
        9,
    ]


def test_records_before_error_are_not_lost(kernel: SmallKmsg) -> None:
    reader = kernel.say(0).refuse(b"EIO").device()
    assert seqs(reader.read_batch()) == [0]


def test_seek_repeats_records_without_gap() -> None:
    ring = FakeRing(capacity=5)
    ring.log(4)
    assert seqs(ring.device.read_batch()) == [0, 1, 2, 3]
    ring.log(3)
    assert ring.device.seek(4)
    assert seqs(ring.device.read_batch()) == [4, 5, 6]
    ring.log(20)
    assert ring.device.seek(4)
    assert seqs(ring.device.read_batch()) == [22, 23, 24, 25, 26]
    ring.device.close()


def test_seek_on_unseekable_device_returns_false(kernel: SmallKmsg) -> None:
    assert not kernel.device().seek(0)


def test_consecutive_batches_return_every_record_once(kernel: SmallKmsg) -> None:
    reader = kernel.device()
    got: list[int | Gap | None] = []
    for start in range(0, 1200, 200):
        kernel.say(*range(start, start + 200))
        got += seqs(reader.read_batch())
    assert got == list(range(1200))


def pipe() -> tuple[int, int]:
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    return readable, writable


def test_proc_kmsg_waits_for_line_feed() -> None:
    readable, writable = pipe()
    source = ProcKmsg(readable)
    os.write(writable, b"<4>[    1.000000] one\n<5>[    2.0000")
    assert [item.text for item in source.read_batch() if isinstance(item, Record)] == ["one"]
    os.write(writable, b"00] two\n")
    assert [item.text for item in source.read_batch() if isinstance(item, Record)] == ["two"]
    assert source.read_batch() == []


def test_proc_kmsg_drains_unfinished_line() -> None:
    readable, writable = pipe()
    os.write(writable, b"<4>tail")
    os.close(writable)
    source = ProcKmsg(readable)
    assert source.read_batch() == []
    assert source.read_batch() == []
    assert source.exhausted
    assert [item.text for item in source.drain_pending() if isinstance(item, Record)] == ["tail"]
    assert source.drain_pending() == []


def test_proc_kmsg_remarks_invisible_losses() -> None:
    readable, _ = pipe()
    remark = ProcKmsg(readable).remark
    assert remark is not None
    assert "cannot tell" in remark


@pytest.mark.parametrize("kind", ["file", "fifo", "null"])
def test_other_file_as_device_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    if kind == "file":
        path.write_bytes(b"6,0,0,-;forged\n")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(SourceUnavailable, match="1:11"):
        factory.open_kmsg_device(path)


def test_missing_kmsg_device_is_refused_with_reason(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="No such file"):
        factory.open_kmsg_device(tmp_path / "kmsg")


@needs_readable_kmsg
def test_newest_finds_last_and_seeks_back() -> None:
    reader = factory.open_source("/dev/kmsg")
    assert isinstance(reader, KmsgDevice)
    newest = reader.newest()
    batch = reader.read_batch()
    while more := reader.read_batch():
        batch += more
    records = [item for item in batch if isinstance(item, Record)]
    assert newest is not None
    assert newest <= max(record.seq for record in records if record.seq is not None)
    assert len(records) > 1
    reader.close()


@needs_kmsg
def test_syslog_call_reads_text_of_kmsg() -> None:
    source = factory.open_source("syslog")
    assert source.name == "syslog(2)"
    marker = f"marker-{secrets.token_hex(8)}"
    write_kmsg(marker)
    records: list[Record] = []
    # Everything that nobody has read by syslog(2), up to the marker
    while not any(marker in record.text for record in records):
        batch = source.read_batch()
        assert batch, "the marker did not come"
        records += [item for item in batch if isinstance(item, Record)]
    assert [record.text for record in records if marker in record.text] == [marker]
    source.close()


def test_prefetched_records_come_before_later_ones(kernel: SmallKmsg) -> None:
    reader = kernel.say(0, 1).refuse(b"EPIPE").say(4).device()
    assert reader.prefetch() == 3
    kernel.say(5)
    assert seqs(reader.read_batch()) == [0, 1, Gap(2, 3, Cause.OVERRUN), 4, 5]
    assert reader.prefetch() == 0


def test_prefetch_is_limited_to_batch() -> None:
    ring = FakeRing()
    ring.log(BATCH_RECORDS + 1)
    assert ring.device.prefetch() == BATCH_RECORDS
    assert ring.device.prefetch() == BATCH_RECORDS
    assert seqs(ring.device.read_batch()) == [*range(BATCH_RECORDS)]
    assert seqs(ring.device.read_batch()) == [BATCH_RECORDS]


def test_error_during_prefetch_loses_no_record(kernel: SmallKmsg) -> None:
    reader = kernel.say(0).refuse(b"EIO").say(1).device()
    assert reader.prefetch() == 1
    assert seqs(reader.read_batch()) == [0, 1]


def test_prefetched_records_are_drained_only_once(kernel: SmallKmsg) -> None:
    reader = kernel.say(0, 1).device()
    reader.prefetch()
    assert seqs(reader.drain_pending()) == [0, 1]
    assert reader.drain_pending() == []


def test_seek_discards_records_prefetched_before_it() -> None:
    ring = FakeRing()
    ring.log(3)
    ring.device.prefetch()
    assert ring.device.seek(1)
    assert seqs(ring.device.read_batch()) == [1, 2]
