# SPDX-License-Identifier: GPL-2.0-or-later
"""Queue the entries of one sink, send them in order, and keep its position.

Nothing is queued while the sink accepts everything at once. Entries wait here while it is full or
down. What does not fit is left in the kernel's ring buffer, to be read again when there is room
(`needs_reread`), or is dropped, counted and announced (`drop_policy`). The position moves only when
the sink has accepted an entry.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks import Sink, SinkGone
from klogd_py.sinks.attempt import Outcome
from klogd_py.sinks.backlog import Backlog
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.retry import MIN_PAUSE_S, SinkHealth
from klogd_py.sinks.sender import SinkSender
from klogd_py.sinks.sequence_tracker import (
    DeliveredPosition,
    SequenceTracker,
    StartPosition,
    first_seq,
)
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import WorkerThread

CHUNK_ENTRIES = 512

logger = logging.getLogger(__name__)


class SinkQueue:
    """One sink and the entries that wait for it. Mutable; lives on the event loop."""

    def __init__(
        self,
        sink: Sink,
        limits: QueueLimits,
        announce: Callable[[Gap], Entry],
        start: StartPosition,
        *,
        rereadable: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        jobs: Jobs | None = None,
        worker: WorkerThread | None = None,
    ) -> None:
        """``rereadable`` says that the source can read its records again.

        If it cannot, the caller must pause while the backlog is `over_limit`. ``on_progress`` is
        called when a waiting chunk was accepted.
        """
        # Entries accepted since the start
        self.delivered = 0
        # The sink will never accept anything again
        self.is_gone = False
        # Entries are ignored: the ring buffer is to be read again from `reread_from` on
        self.needs_reread = False
        self.health = SinkHealth(sink.name)
        self._jobs = jobs or Jobs()
        self.sender = SinkSender(sink, self.health, self._jobs, worker)
        self.backlog = Backlog(limits, announce, rereadable=rereadable)
        self._position = DeliveredPosition(start.next_seq, start.ahead)
        self._tracker = (
            SequenceTracker(announce, start.next_seq, start.cause, start.ahead)
            if rereadable or start.next_seq is not None
            else None
        )
        self._rereadable = rereadable
        self._on_progress = on_progress
        # Whether records may have parts
        self._may_have_parts = False
        self._has_backlog = asyncio.Event()
        self._sending: asyncio.Task[bool] | None = None

    @property
    def sink(self) -> Sink:
        """The sink that is in use now."""
        return self.sender.sink

    @property
    def queued(self) -> int:
        """How many entries wait."""
        return len(self.backlog)

    @property
    def next_seq(self) -> int | None:
        """The first sequence number that the sink has not accepted; ``None`` before the first."""
        return self._position.next_seq

    @property
    def ahead(self) -> tuple[int, ...]:
        """The sequence numbers beyond `next_seq` that the sink has accepted."""
        return tuple(sorted(self._position.ahead))

    @property
    def missed(self) -> Mapping[Cause, int]:
        """How many records this sink alone did not get, dropped ones included."""
        missed = dict(self._tracker.missed) if self._tracker is not None else {}
        lost = self.backlog.lost
        return missed | {Cause.SINK_DROP: lost} if lost else missed

    @property
    def reread_from(self) -> int | None:
        """The sequence number from which on the ring buffer should be read again now.

        ``None`` if it need not be, or not yet.
        """
        if not self.needs_reread or self._tracker is None:
            return None
        if not self.backlog.is_half_empty or not self.health.may_reread:
            return None
        return self._tracker.expected

    def resume(self) -> None:
        """Accept entries again: the ring buffer is read from `reread_from` on, or from before."""
        self.needs_reread = False

    def has_seen(self, seq: int) -> bool:
        """Whether a record of this number would be left out if it came now."""
        return self._tracker is not None and not self.needs_reread and self._tracker.has_seen(seq)

    def enqueue(self, entries: Sequence[Entry], may_have_parts: bool = False) -> None:
        """Send a batch at once if nothing waits and the sink does not block; queue it otherwise.

        ``may_have_parts``: some of the records may have `parts`. Raises nothing: what an
        unexpected error kept from being sent or queued is read again.
        """
        expected = self._tracker.expected if self._tracker is not None else None
        before = self.delivered + len(self.backlog)
        try:
            self._enqueue(entries, may_have_parts)
        except Exception as error:
            self._recover(entries, expected, before, error)

    def _enqueue(self, entries: Sequence[Entry], may_have_parts: bool) -> None:
        self._may_have_parts = may_have_parts
        if self.is_gone or self.needs_reread:
            return
        if self._tracker is not None:
            entries = self._tracker.filter(entries, may_have_parts)
        sent = 0
        if not self.backlog and not self.sink.blocking:
            if not entries:
                self.sender.swap()
                return
            sent = self._settle(entries, self.sender.send(entries))
            if self.is_gone:
                return
        if sent < len(entries):
            left = self.backlog.add_unsent(entries, sent)
            if left is not None:
                self._reread(left)
        if self.backlog:
            self._has_backlog.set()

    def _reread(self, seq: int) -> None:
        """Have the ring buffer read again from a number on, but for the parts that wait."""
        assert self._tracker is not None
        self.needs_reread = True
        self._tracker.seek(seq, self._position.ahead | self.backlog.parts)

    def _recover(
        self, entries: Sequence[Entry], expected: int | None, before: int, error: Exception
    ) -> None:
        """Finish a batch whose processing an unexpected error interrupted.

        ``expected`` is the next number of the tracker before the batch, ``before`` how many entries
        had been sent or queued. Entries that are neither sent, queued nor dropped are read again;
        they are queued if they cannot be.
        """
        self._fail_unexpected(error)
        if self._tracker is None or not self._rereadable:
            self.backlog.append(entries[self.delivered + len(self.backlog) - before :])
            self._has_backlog.set()
            return
        known = (
            expected if expected is not None else first_seq(entries),
            self._position.next_seq,
            self.backlog.dropped.end_seq,
            self.backlog.end_seq,
        )
        self._reread(max(seq for seq in known if seq is not None))
        if self.backlog:
            self._has_backlog.set()

    async def drain(self) -> None:
        """Send what waits, without end; ever more seldom while the sink is down."""
        flushed = True
        while True:
            await self._has_backlog.wait()
            try:
                if self.health.last_error:
                    await asyncio.sleep(self.health.pause_s)
                elif not self.sink.blocking or not flushed:
                    await self.sender.wait_for_room()
                flushed = await self.flush()
            except Exception as error:
                flushed = False
                self._fail_unexpected(error)

    async def flush(self) -> bool:
        """Send what waits until all is sent or the sink refuses; returns whether all is sent.

        A chunk that a thread is sending is waited for, whoever started it. It is counted even if
        this call is cancelled.
        """
        while self.backlog:
            if self._sending is None or self._sending.done():
                sending = self._jobs.run(self.sender.job, self._send_chunk, False)
                self._sending = asyncio.get_running_loop().create_task(sending)
            if not await asyncio.shield(self._sending):
                return False
        self._has_backlog.clear()
        return True

    async def flush_all(self) -> None:
        """Send what waits, and retry until all is sent."""
        while not await self.flush():
            if self.health.last_error:
                await asyncio.sleep(MIN_PAUSE_S)
            else:
                await self.sender.wait_for_room()

    async def _send_chunk(self) -> bool:
        """Send the oldest entries; returns whether the sink accepted all of them.

        An unexpected error is retried.
        """
        try:
            return await self._send_head()
        except Exception as error:
            self._fail_unexpected(error)
            return False

    async def _send_head(self) -> bool:
        chunk = self.backlog.head(CHUNK_ENTRIES)
        accepted = self._settle(chunk, await self.sender.send_chunk(chunk))
        self.backlog.remove(accepted)
        if not self.backlog:
            unlogged = self.backlog.dropped.stop()
            if unlogged:
                logger.warning("%s lost %d records for want of room", self.sink.name, unlogged)
            self.backlog.announce_gaps()
        if accepted:
            self._on_progress()
        return accepted == len(chunk) or self.is_gone

    def _settle(self, entries: Sequence[Entry], outcome: Outcome) -> int:
        """Update position, counts and health after an attempt; returns how many were accepted."""
        accepted, error = outcome
        if isinstance(error, SinkGone):
            self.is_gone = True
            self.health.fail(str(error))
            self.backlog.clear()
            self._on_progress()
            return accepted
        if error is not None:
            self.health.on_down(error, accepted)
        elif self.health.last_error and accepted:
            self.health.on_up(self.backlog.dropped.count_to_log())
        self.delivered += accepted
        if accepted:
            self._position.advance(entries[:accepted], self._may_have_parts)
        return accepted

    def _fail_unexpected(self, error: Exception) -> None:
        self.sender.report_unexpected(error)
        self.health.on_unexpected(error)

    @property
    def is_sending(self) -> bool:
        """Whether a thread is sending a chunk, which cannot be undone."""
        return self._sending is not None and not self._sending.done()

    def when_sent(self, callback: Callable[[], None]) -> None:
        """Call back when the chunk that is being sent is finished."""
        assert self._sending is not None
        self._sending.add_done_callback(self._jobs.guard(self.sender.job, lambda _: callback()))

    def replace_sink(self, sink: Sink, limits: QueueLimits) -> None:
        """Continue with the same sink opened again, perhaps with other settings.

        The old one first finishes a line that it has partly written.
        """
        self.sender.set_replacement(sink)
        self.backlog.limits = limits
        self.health.pause_s = MIN_PAUSE_S
        # A thread that is sending swaps the sinks itself before its next chunk.
        if not self.is_sending:
            self.sender.swap()

    def close(self) -> int:
        """Close the sink; returns how many entries it never accepted."""
        if self._sending is not None:
            self._sending.cancel()
        self.sender.close()
        return len(self.backlog) + self.backlog.dropped.count
