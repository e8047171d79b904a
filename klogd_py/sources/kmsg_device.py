# SPDX-License-Identifier: GPL-2.0-or-later
"""Where do the running kernel's messages come from? The only module that touches /dev/kmsg;
`text_device` has the others.

Three interfaces, tried in this order: /dev/kmsg (one record per read, losses visible), /proc/kmsg
and syslog(2) (text, one queue shared by all readers, losses invisible). Reading drains what is
there, in batches; nothing else is done in between, since the kernel's ring overruns a reader who
dawdles.

Source of truth: Documentation/ABI/testing/dev-kmsg; kernel/printk/printk.c ``devkmsg_read``;
proc(5); syslog(2).
"""

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from klogd_py.record.gaps import explain
from klogd_py.record.types import Cause, Gap, Record
from klogd_py.sources import kmsg_format
from klogd_py.sources.proc_kmsg import PROC_KMSG, SYSCALL, ProcKmsg, SyslogCall, try_syscall

BATCH_RECORDS = 1024
# For syslog(2), which cannot be waited for
POLL_S = 0.1
KMSG = Path("/dev/kmsg")
_KMSG_NUMBER = os.makedev(1, 11)

Read = Callable[[int, int], bytes]
ToOldest = Callable[[int], None]


class SourceUnavailable(OSError):
    """A kernel log interface cannot be used; the message names it, the reason and the remedy."""


class Source(Protocol):
    """Anything that records are read from."""

    name: str
    # No more records will ever come
    exhausted: bool
    # Something the operator should hear of once; empty most of the time
    remark: str

    def fileno(self) -> int:
        """The descriptor that becomes readable when records are there.

        -1 if there is none to wait for.
        """

    def read_batch(self) -> list[Record | Gap]:
        """All records that are there now, up to a bound; empty if none."""

    def drain_pending(self) -> list[Record | Gap]:
        """What has been taken, but not been given, for the end; usually nothing."""

    def seek(self, seq: int) -> bool:
        """Have the next batch begin at this number, or at the oldest that is still there.

        False if there is no going back.
        """

    def close(self) -> None:
        """Let go of the descriptor."""


def _to_oldest(descriptor: int) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)


class RawBatch(Struct):
    """Records as they were read, and which refusals stood before which of them, by its place."""

    raws: list[bytes] = []
    refusals: dict[int, list[Cause]] = {}


class KmsgDevice:
    """/dev/kmsg from its oldest record on, with a Gap wherever records are missing.

    ``read`` and ``to_oldest`` are the seams for a device with a smaller world: the first takes a
    descriptor and a length like os.read, the second goes back to the oldest record.
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
        self.remark = ""
        self._descriptor = descriptor
        self._read = read
        self._to_oldest = to_oldest
        self._expected: int | None = None
        # Since the last record that has a number
        self._events: list[Cause] = []
        self._skip_below = 0
        self._pending = RawBatch()

    def fileno(self) -> int:
        """The device's descriptor."""
        return self._descriptor

    @property
    def expected(self) -> int | None:
        """The sequence number behind the last record that was read; ``None`` before the first."""
        return self._expected

    def newest(self) -> int | None:
        """The highest sequence number in the ring, by reading through it and going back to its
        start.
        """
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
        """Read the ring anew from ``seq`` on.

        What it no longer holds is missed by whoever wants it, not here.
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
        """Drain the ring up to a batch; raises OSError for what the ABI does not know."""
        while True:
            self._drain()
            is_empty = not self._pending.raws
            batch = self.drain_pending()
            if batch or is_empty:
                return batch

    def prefetch(self) -> int:
        """Take what the ring holds, for the next `read_batch`, which also meets what cannot be
        read; how many records that is.
        """
        with contextlib.suppress(OSError):
            self._drain()
        return len(self._pending.raws)

    def drain_pending(self) -> list[Record | Gap]:
        """What was hoarded: the kernel itself shows whole records only."""
        taken, self._pending = self._pending, RawBatch()
        return self._checked(_parsed(taken.raws), taken.refusals)

    def close(self) -> None:
        """Close the device."""
        os.close(self._descriptor)

    def _drain(self) -> None:
        """Take what the ring holds, until there is a batch.

        Raises OSError only where nothing has been taken.
        """
        raws, refusals = self._pending.raws, self._pending.refusals
        while len(raws) < BATCH_RECORDS:
            try:
                raw = self._read(self._descriptor, kmsg_format.BUFFER_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                if error.errno not in (errno.EPIPE, errno.EINVAL):
                    if raws:
                        # It comes again at the next read; what has been read must not be lost with
                        # it
                        break
                    raise
                cause = Cause.OVERRUN if error.errno == errno.EPIPE else Cause.EINVAL
                refusals.setdefault(len(raws), []).append(cause)
                continue
            if not raw:
                self.exhausted = True
                break
            raws.append(raw)

    def _checked(
        self, records: list[Record], refusals: dict[int, list[Cause]]
    ) -> list[Record | Gap]:
        """The batch with a Gap wherever the sequence numbers leap, without what is to be skipped."""
        batch: list[Record | Gap] = []
        expected = self._expected
        if (
            records
            and not refusals
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
            if position in refusals:
                self._events += refusals[position]
            seq = record.seq
            if seq is None:
                self._events.append(Cause.UNPARSABLE)
                if (
                    expected or 0
                    # Else it shares the fate of the record before it
                ) >= self._skip_below:
                    batch.append(record)
                continue
            if expected is None:
                if seq > 0 and not self._skip_below:
                    self.remark = (
                        f"the kernel had overwritten records 0 to {seq - 1} before this start"
                    )
            elif seq > expected:
                batch += explain(expected, seq - 1, self._events)
            if self._events:
                self._events = []
            expected = seq + 1
            if seq >= self._skip_below:
                batch.append(record)
        self._expected = expected
        self._events += refusals.get(len(records), [])
        return batch


def _parsed(raws: Sequence[bytes]) -> list[Record]:
    """The records of a batch.

    They have left the ring, so an unexpected error in reading one must not lose the others.
    """
    try:
        return kmsg_format.parse_all(raws)
    except Exception:
        return [kmsg_format.parse_surely(raw) for raw in raws]


def open_source(choice: str, handed: Mapping[str, int] | None = None) -> Source:
    """Open the interface that ``choice`` names: "auto", "/dev/kmsg", "/proc/kmsg" or "syslog".

    ``handed`` are descriptors of files that somebody else has opened, by path.

    Raises:
        SourceUnavailable: none of the interfaces can be used; the message says why for each.
    """
    openers: dict[str, Callable[[], Source]] = {
        str(KMSG): lambda: KmsgDevice(_open_device(KMSG, (handed or {}).get(str(KMSG)))),
        str(PROC_KMSG): lambda: ProcKmsg(_open_proc(PROC_KMSG)),
        "syslog": _open_syscall,
    }
    tried = []
    for name in openers if choice == "auto" else [choice]:
        try:
            source = openers[name]()
        except SourceUnavailable as error:
            tried.append(str(error))
            continue
        source.remark = "; ".join([*tried, source.remark] if source.remark else tried)
        return source
    raise SourceUnavailable("; ".join(tried))


async def readable(source: Source, woken: asyncio.Event) -> None:
    """Wait until a source has something to read, or is to be read anyhow; a regular file always has
    something.

    ``woken`` is set when that is so. Going back in the ring wakes nobody who polls the device, so
    whoever does it sets it.
    """
    woken.clear()
    if source.fileno() < 0:
        await asyncio.sleep(POLL_S)
        return
    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(source.fileno(), woken.set)
    # Epoll has no use for regular files
    except PermissionError:
        return
    try:
        await woken.wait()
    finally:
        loop.remove_reader(source.fileno())


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        remedy = ""
        if error.errno in (errno.EPERM, errno.EACCES):
            remedy = " (needs CAP_SYSLOG or root; see kernel.dmesg_restrict)"
        raise SourceUnavailable(f"{path}: {error.strerror}{remedy}") from error


def _open_device(path: Path, handed: int | None = None) -> int:
    """Open a kmsg device, or take the open one, if it really is one.

    Containers put pipes and consoles in its place.
    """
    if handed is None:
        descriptor = _open(path)
    else:
        descriptor = handed
        os.set_blocking(descriptor, False)
    status = os.fstat(descriptor)
    try:
        if not stat.S_ISCHR(status.st_mode) or status.st_rdev != _KMSG_NUMBER:
            raise SourceUnavailable(f"{path}: not the kernel's log device (character device 1:11)")
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, SourceUnavailable):
            raise
        raise SourceUnavailable(f"{path}: {error.strerror}") from error
    return descriptor


def _open_proc(path: Path) -> int:
    """Open /proc/kmsg after making sure that it is procfs's own.

    Containers put pipes and /dev/null over it.
    """
    descriptor = _open(path)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_dev != os.stat(path.parent).st_dev:
        os.close(descriptor)
        raise SourceUnavailable(f"{path}: not the kernel's log")
    return descriptor


def _open_syscall() -> SyslogCall:
    try:
        try_syscall()
    except OSError as error:
        raise SourceUnavailable(
            f"{SYSCALL}: {error.strerror} (needs CAP_SYSLOG or root)"
        ) from error
    return SyslogCall()
