# SPDX-License-Identifier: GPL-2.0-or-later
"""Read /dev/kmsg, with a `Gap` wherever records are missing.

A read drains what is there, in batches; nothing else is done in between, since the kernel's ring
buffer overruns a slow reader.

Source of truth: Documentation/ABI/testing/dev-kmsg; kernel/printk/printk.c ``devkmsg_read``.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from klogd_py.record.gaps import explain
from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Cause, Gap, Record
from klogd_py.sources import kmsg_format

BATCH_RECORDS = 1024
KMSG = Path("/dev/kmsg")

Read = Callable[[int, int], bytes]
ToOldest = Callable[[int], None]


def _to_oldest(descriptor: int) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)


class RawBatch(Struct):
    """Records as read, and the errors (EPIPE, EINVAL) before them, by the position of the
    record.
    """

    raws: list[bytes] = []
    errors: dict[int, list[Cause]] = {}


class KmsgDevice:
    """/dev/kmsg from its oldest record on, with a Gap wherever records are missing.

    ``read`` and ``to_oldest`` replace the device in tests: the first takes a descriptor and a
    length like os.read, the second seeks to the oldest record.
    """

    def __init__(
        self,
        descriptor: int,
        name: str = str(KMSG),
        read: Read = os.read,
        to_oldest: ToOldest = _to_oldest,
    ) -> None:
        self.name = name
        self.exhausted = False
        self.remark: str | None = None
        self._descriptor = descriptor
        self._read = read
        self._to_oldest = to_oldest
        self._expected: int | None = None
        # Causes of missing numbers since the last record with a number
        self._events: list[Cause] = []
        self._skip_below = 0
        self._pending = RawBatch()

    def fileno(self) -> int:
        """The descriptor of the device."""
        return self._descriptor

    @property
    def expected(self) -> int | None:
        """The sequence number after the last record that was read; ``None`` before the first."""
        return self._expected

    def newest(self) -> int | None:
        """Read through the ring for its highest sequence number, and seek to its start again."""
        newest = None
        while True:
            self._drain()
            raws, self._pending = self._pending.raws, RawBatch()
            if not raws:
                break
            newest = next(
                (
                    record.seq
                    for record in reversed(kmsg_format.parse_all(raws))
                    if record.seq is not None
                ),
                newest,
            )
        self._to_oldest(self._descriptor)
        return newest

    def skip_below(self, seq: int) -> None:
        """Leave out the records before ``seq``, which every sink has had."""
        self._skip_below = seq

    def seek(self, seq: int) -> bool:
        """Read the ring again from ``seq`` on; returns False if that is not possible.

        Records that the ring no longer holds are announced by the sink that lacks them.
        """
        try:
            self._to_oldest(self._descriptor)
        except OSError:
            return False
        self._expected = None
        self._events.clear()
        self._pending = RawBatch()
        self._skip_below = seq
        return True

    def read_batch(self) -> list[Record | Gap]:
        """Drain the ring up to a limit; raises OSError for errors that the ABI does not
        document.
        """
        while True:
            self._drain()
            is_empty = not self._pending.raws
            batch = self.drain_pending()
            if batch or is_empty:
                return batch

    def prefetch(self) -> int:
        """Read what the ring holds for the next `read_batch`, which also meets any error.

        Returns how many records are pending.
        """
        with contextlib.suppress(OSError):
            self._drain()
        return len(self._pending.raws)

    def drain_pending(self) -> list[Record | Gap]:
        """Return the prefetched records; the kernel itself gives whole records only."""
        taken, self._pending = self._pending, RawBatch()
        return self._add_gaps(_parse(taken.raws), taken.errors)

    def close(self) -> None:
        """Close the device."""
        os.close(self._descriptor)

    def _drain(self) -> None:
        """Read what the ring holds, up to a limit.

        Raises OSError only if nothing is pending.
        """
        raws, errors = self._pending.raws, self._pending.errors
        while len(raws) < BATCH_RECORDS:
            try:
                raw = self._read(self._descriptor, kmsg_format.BUFFER_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.EINVAL):
                    if raws:
                        # The next read fails again; what has been read must not be lost.
                        break
                    raise
                cause = Cause.OVERRUN if error.errno == errno.EPIPE else Cause.EINVAL
                errors.setdefault(len(raws), []).append(cause)
                continue
            if not raw:
                self.exhausted = True
                break
            raws.append(raw)

    def _add_gaps(
        self, records: list[Record], errors: dict[int, list[Cause]]
    ) -> list[Record | Gap]:
        """Return the batch with a Gap wherever sequence numbers are missing, without skipped
        records.
        """
        batch: list[Record | Gap] = []
        expected = self._expected
        if (
            records
            and not errors
            and not self._events
            and expected is not None
            and expected >= self._skip_below
        ):
            end = expected + len(records)
            if [record.seq for record in records] == list(range(expected, end)):
                self._expected = end
                batch += records
                return batch
        for position, record in enumerate(records):
            if position in errors:
                self._events += errors[position]
            seq = record.seq
            if seq is None:
                self._events.append(Cause.UNPARSABLE)
                # Without a number of its own it is skipped like the record before it.
                if (expected or 0) >= self._skip_below:
                    batch.append(record)
                continue
            if expected is None:
                if seq > 0 and not self._skip_below:
                    self.remark = (
                        f"the kernel had overwritten records 0 to {seq - 1} before this start"
                    )
            elif seq > expected:
                batch += explain(SequenceRange(expected, seq - 1), self._events)
            if self._events:
                self._events = []
            expected = seq + 1
            if seq >= self._skip_below:
                batch.append(record)
        self._expected = expected
        self._events += errors.get(len(records), [])
        return batch


def _parse(raws: Sequence[bytes]) -> list[Record]:
    """Parse a batch; an unexpected error in one record must not lose the others."""
    try:
        return kmsg_format.parse_all(raws)
    except Exception:
        return [kmsg_format.parse_or_raw(raw) for raw in raws]
