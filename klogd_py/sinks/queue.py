# SPDX-License-Identifier: GPL-2.0-or-later
"""The bounded queue before one sink: retry, back-off, and what becomes of records that do not fit.

Entries leave in the order in which they came. While the sink takes them at once nothing is queued.
When it is full or down they wait here. What no longer fits is left in the kernel's ring, to be read
anew when there is room (`needs_reread`), or is dropped, counted, and announced by a Gap entry at the
place where it is missing; errors and worse are never dropped. The position moves only when the sink
has accepted.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum

from klogd_py.record.types import Cause, Entry, Gap, Severity
from klogd_py.sinks import Sink, SinkDown, SinkGone
from klogd_py.sinks.attempt import attempt
from klogd_py.sinks.backlog import Backlog, size_of
from klogd_py.sinks.drop_counter import DropCounter
from klogd_py.sinks.sequence_tracker import SequenceTracker, seq_range, skip_ahead
from klogd_py.system.errors import in_words
from klogd_py.system.jobs import Jobs
from klogd_py.system.worker_thread import TooManyHang, WorkerThread

MIN_PAUSE_S = 0.02
MAX_PAUSE_S = 5.0
CHUNK_ENTRIES = 512

logger = logging.getLogger(__name__)


class WhenFull(Enum):
    """What becomes of records when no more fit before a sink."""

    # They stay where they are: in the kernel's ring, in the pipe that is read
    WAIT = "wait"
    # The newest are dropped, counted and announced
    DROP = "drop"


class _Fate(Enum):
    """What became of an entry that the sink did not take at once."""

    KEPT = "kept"
    DROPPED = "dropped"
    LEFT = "left in the ring"


class SinkQueue:
    """One sink and what waits for it. Mutable; lives on the event loop."""

    def __init__(
        self,
        sink: Sink,
        limit_bytes: int,
        announce: Callable[[Gap], Entry],
        next_seq: int | None = None,
        when_full: WhenFull = WhenFull.DROP,
        *,
        cause: Cause = Cause.RESTART,
        rereadable: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        jobs: Jobs | None = None,
        worker: WorkerThread | None = None,
        ahead: Collection[int] = (),
    ) -> None:
        """``next_seq`` is the first sequence number that the sink has not had yet; ``cause`` why it
        may be missing by now.

        ``ahead`` are numbers beyond ``next_seq`` that it has had: they went with a record before,
        whose line they continue. ``rereadable`` says that the source can go back, so that an outbox
        without room may fall `needs_reread`; where it cannot, whoever posts waits while the outbox is
        `over_limit`. ``on_progress`` is called when a waiting chunk was accepted.
        """
        self.sink = sink
        self.delivered = 0
        self.lost = 0
        # Empty while the sink is well
        self.last_error = ""
        # The same, but kept when it is back
        self.last_failure = ""
        # When it last failed, since the Unix epoch
        self.failed_us = 0
        self.failures = 0
        self.next_seq = next_seq
        # The sink will never take anything again
        self.gone = False
        self.needs_reread = (
            # What comes is not kept: the ring is to be read anew from `reread_from` on
            False
        )
        self._account = (
            SequenceTracker(announce, next_seq, cause, ahead)
            if rereadable or next_seq is not None
            else None
        )
        self._rereadable = rereadable
        self._limit_bytes = limit_bytes
        self._when_full = when_full
        self._announce = announce
        self._on_progress = on_progress
        self._queue = Backlog()
        self._dropped = DropCounter()
        # Whether records may have parts
        self._joined = False
        # Numbers that were accepted before those that come before them
        self._ahead = set(ahead)
        self._pause_s = MIN_PAUSE_S
        self._waiting = asyncio.Event()
        self._jobs = jobs or Jobs()
        self._job = f"sink {sink.name}"
        self.worker = worker or WorkerThread(self._job)
        # Not before this time of the loop is the ring read anew
        self._again_s = 0.0
        # Grows with each unexpected error
        self._patience_s = MIN_PAUSE_S
        self._sending: asyncio.Task[bool] | None = None
        # The socket that is to have room
        self._awaited: tuple[int, asyncio.Event] | None = None
        self._replacement: Sink | None = (
            # Of a sink that has begun a line which only it can end
            None
        )

    @property
    def queued(self) -> int:
        """How many entries wait."""
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        """About how much memory what waits takes."""
        return self._queue.bytes

    @property
    def limit_bytes(self) -> int:
        """How much may wait."""
        return self._limit_bytes

    @property
    def missed(self) -> Mapping[Cause, int]:
        """Records that were missing for this sink alone, dropped ones included."""
        missed = dict(self._account.missed) if self._account is not None else {}
        return missed | {Cause.SINK_DROP: self.lost} if self.lost else missed

    @property
    def over_limit(self) -> bool:
        """Whether so much waits that no more should come just now, from a source that cannot go
        back.
        """
        if self._rereadable:
            return False
        return self._queue.bytes > (
            self._limit_bytes // 2 if self._when_full is WhenFull.WAIT else 2 * self._limit_bytes
        )

    @property
    def reread_from(self) -> int | None:
        """The sequence number from which on the ring should be read anew.

        ``None`` if it need not be, or not yet.
        """
        if (
            not self.needs_reread
            or self._account is None
            or self._queue.bytes > self._limit_bytes // 2
        ):
            return None
        if self._again_s and asyncio.get_running_loop().time() < self._again_s:
            return None
        return self._account.expected

    @property
    def ahead(self) -> tuple[int, ...]:
        """The numbers beyond `next_seq` that the sink has accepted."""
        return tuple(sorted(self._ahead))

    def has_had(self, seq: int) -> bool:
        """Whether a record of this number would be left out if it came now."""
        return self._account is not None and not self.needs_reread and self._account.has_had(seq)

    @property
    def is_sending(self) -> bool:
        """Whether a chunk is on its way in a thread, which nothing can take back."""
        return self._sending is not None and not self._sending.done()

    def when_sent(self, then: Callable[[], None]) -> None:
        """Call back when the chunk that is on its way has arrived."""
        assert self._sending is not None
        self._sending.add_done_callback(self._jobs.guarded(self._job, lambda sending: then()))

    def resume(self) -> None:
        """The ring is about to be read anew from `reread_from` on, or from before."""
        self.needs_reread = False

    def enqueue(self, entries: Sequence[Entry], joined: bool = False) -> None:
        """Hand over a batch: sent at once if nothing waits and the sink does not block, queued
        otherwise.

        ``joined`` says that some of the records may have `parts`. Raises nothing: what is neither
        sent nor kept because of an unexpected error is read anew.
        """
        expected = self._account.expected if self._account is not None else None
        before = self.delivered + len(self._queue)
        try:
            self._take_in(entries, joined)
        except Exception as error:
            self._recover(entries, expected, before, error)

    def _take_in(self, entries: Sequence[Entry], joined: bool) -> None:
        self._joined = joined
        if self.gone or self.needs_reread:
            return
        if self._account is not None:
            entries = self._account.take(entries, joined)
        sent = 0
        if not self._queue and not self.sink.blocking:
            sent = self._send(entries)
            if self.gone:
                return
        self._keep(entries, sent)
        if self._queue:
            self._waiting.set()

    async def drain(self) -> None:
        """Send what waits, for ever.

        As soon as there is room, and ever more seldom while the sink is down.
        """
        flushed = True
        while True:
            await self._waiting.wait()
            try:
                if self.last_error:
                    await asyncio.sleep(self._pause_s)
                elif not self.sink.blocking or not flushed:
                    await self._room()
                flushed = await self.flush()
            except Exception as error:
                flushed = False
                self._unforeseen(error)

    async def flush(self) -> bool:
        """Send what waits until it is all gone or the sink refuses; returns whether all is gone.

        A chunk that is on its way in a thread is waited for, whoever sent it, and counted even if
        this call is cancelled.
        """
        while self._queue:
            if self._sending is None or self._sending.done():
                sending = self._jobs.run(self._job, self._send_chunk, False)
                self._sending = asyncio.get_running_loop().create_task(sending)
            if not await asyncio.shield(self._sending):
                return False
        self._waiting.clear()
        return True

    async def flush_all(self) -> None:
        """Send what waits, trying again until all is gone."""
        while not await self.flush():
            await (asyncio.sleep(MIN_PAUSE_S) if self.last_error else self._room())

    def replace_sink(self, sink: Sink, limit_bytes: int, when_full: WhenFull) -> None:
        """Go on with the same sink opened anew, perhaps with other settings.

        A line that it has begun it ends before.
        """
        if self._replacement is not None:
            self._jobs.value(self._job, self._replacement.close, None)
        self._replacement = sink
        self._limit_bytes = limit_bytes
        self._when_full = when_full
        self._pause_s = MIN_PAUSE_S
        # A thread is writing, and takes it itself before its next chunk
        if not self.is_sending:
            self._take_replacement()

    def _take_replacement(self) -> None:
        if self._replacement is not None and not self.sink.has_partial_write:
            self._wait_no_more()
            self._jobs.value(self._job, self.sink.close, None)
            self.sink, self._replacement = self._replacement, None

    def close(self) -> int:
        """Close the sink; returns how many entries it never took."""
        if self._sending is not None:
            self._sending.cancel()
        self.worker.close()
        self._wait_no_more()
        self._jobs.value(self._job, self.sink.close, None)
        if self._replacement is not None:
            self._jobs.value(self._job, self._replacement.close, None)
        return len(self._queue) + self._dropped.count

    async def _send_chunk(self) -> bool:
        """Send the head of the queue; returns whether the sink took all of it.

        An unexpected error is retried.
        """
        try:
            return await self._sent_chunk()
        except Exception as error:
            self._unforeseen(error)
            return False

    async def _sent_chunk(self) -> bool:
        self._take_replacement()
        chunk = self._queue.head(CHUNK_ENTRIES)
        if self.sink.blocking:
            sink = self.sink
            try:
                outcome = await self.worker.call(lambda: attempt(sink, chunk, self._tell))
            except TooManyHang as error:
                outcome = 0, SinkDown(str(error))
            accepted = self._settle(chunk, outcome)
        else:
            accepted = self._send(chunk)
        self._queue.drop(accepted)
        if not self._queue:
            self._announce_dropped()
        if accepted:
            self._on_progress()
        return accepted == len(chunk) or self.gone

    def _send(self, entries: Sequence[Entry]) -> int:
        self._take_replacement()
        return self._settle(entries, attempt(self.sink, entries, self._tell)) if entries else 0

    def _settle(self, entries: Sequence[Entry], outcome: "tuple[int, SinkDown | None]") -> int:
        """Keep position, counts and the operator up to date with what a sink took.

        Returns how much that is.
        """
        accepted, error = outcome
        if isinstance(error, SinkGone):
            self.gone = True
            self._fail(str(error))
            self._queue.clear()
            self._dropped.count = 0
            self._on_progress()
            return accepted
        if error is not None:
            if not self.last_error:
                logger.warning("%s is down, retrying: %s", self.sink.name, error)
            elif not accepted:
                self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
            self._fail(str(error))
        elif self.last_error and accepted:
            logger.warning(
                "%s is back; records lost in between: %d", self.sink.name, self._dropped.tell()
            )
            self.last_error = ""
            self._pause_s = MIN_PAUSE_S
        self.delivered += accepted
        if accepted:
            self._move_on(entries[:accepted])
        return accepted

    def _tell(self, error: Exception) -> None:
        self._jobs.tell(self._job, error)

    def _unforeseen(self, error: Exception) -> None:
        """Count the sink as down, and try again ever more seldom."""
        self._tell(error)
        self._fail(in_words(error))
        self._patience_s = min(self._patience_s * 2, MAX_PAUSE_S)
        self._pause_s = max(self._pause_s, self._patience_s)
        self._again_s = asyncio.get_running_loop().time() + self._patience_s

    def _recover(
        self, entries: Sequence[Entry], expected: int | None, before: int, error: Exception
    ) -> None:
        """Have a batch that was given up half-way come to its end.

        ``reread_from`` is the number that the account wanted before it, ``before`` how many entries
        had been sent or waited. What of the batch is neither sent nor waits, nor was dropped, is
        read anew; what cannot be waits.
        """
        self._unforeseen(error)
        if self._account is None or not self._rereadable:
            for entry in entries[self.delivered + len(self._queue) - before :]:
                self._queue.append(entry)
            self._waiting.set()
            return
        ends = (seq_range(entry) for entry in self._queue.newest)
        last = next((span[1] + 1 for span in ends if span is not None), None)
        begins = (seq_range(entry) for entry in entries)
        first = next((span[0] for span in begins if span is not None), 0)
        known = (
            expected if expected is not None else first,
            self.next_seq,
            self._dropped.end_seq,
            last,
        )
        self.needs_reread = True
        again = max(seq for seq in known if seq is not None)
        self._account.seek(again, self._ahead | self._queue.parts)
        if self._queue:
            self._waiting.set()

    def _fail(self, reason: str) -> None:
        self.failures += not self.last_error
        self.last_error = self.last_failure = reason
        self.failed_us = time.time_ns() // 1000

    def _move_on(self, accepted: Sequence[Entry]) -> None:
        """Have the position stand behind the last record, or announced gap, that was accepted."""
        if self._joined:
            self._ahead.update(seq for entry in accepted for seq in entry.record.parts)
        for entry in reversed(accepted):
            span = seq_range(entry)
            if span is not None:
                self.next_seq, self._ahead = skip_ahead(span[1] + 1, self._ahead)
                break

    async def _room(self) -> None:
        """Wait until the sink may take something.

        Until its socket can be written to, or for a short while.
        """
        descriptor = self.sink.fileno()
        if descriptor < 0:
            await asyncio.sleep(MIN_PAUSE_S)
            return
        writable = asyncio.Event()
        self._awaited = descriptor, writable
        loop = asyncio.get_running_loop()
        try:
            loop.add_writer(descriptor, self._jobs.guarded(self._job, writable.set))
            async with asyncio.timeout(MAX_PAUSE_S):
                await writable.wait()
        except (
            TimeoutError
            # A listener that never reads must not hold up the other sinks: it counts as down
        ):
            if not self.last_error:
                logger.warning("%s takes nothing, retrying", self.sink.name)
                self._fail("the listener does not read")
        finally:
            self._wait_no_more()

    def _wait_no_more(self) -> None:
        """Have the loop forget the socket that is waited for.

        Once it is closed, its number may be another's.
        """
        if self._awaited is not None:
            descriptor, writable = self._awaited
            self._awaited = None
            asyncio.get_running_loop().remove_writer(descriptor)
            writable.set()

    def _keep(self, entries: Sequence[Entry], sent: int) -> None:
        """Have wait what of a batch was not sent, drop it, or leave it in the ring."""
        fate = _Fate.KEPT
        for place in range(sent, len(entries)):
            entry = entries[place]
            if (
                place and entries[place - 1].record is entry.record
                # The second line of a record shares the first one's fate
            ):
                if fate is _Fate.KEPT:
                    self._queue.append(entry)
                continue
            fate = self._fate_of(entry)
            if fate is _Fate.LEFT:
                self._fall_behind(entry)
                return
            if fate is _Fate.KEPT:
                if self._dropped.is_going_on:
                    self._end_run()
                self._queue.append(entry)
            else:
                self._dropped.add(entry)
                self.lost += entry.gap is None

    def _fate_of(self, entry: Entry) -> _Fate:
        size = size_of(entry)
        fits = not self._dropped.is_going_on and self._queue.bytes + size <= self._limit_bytes
        if (
            fits or not self._queue
            # The sink may have begun to write what comes first, so that is kept whatever its size
        ):
            return _Fate.KEPT
        if self._when_full is WhenFull.DROP and not _must_stay(entry):
            return _Fate.DROPPED
        # What has no number could not be read anew; a Gap is small. Both may exceed the limit.
        if not self._rereadable or entry.record.seq is None:
            return _Fate.KEPT
        leaves = (
            self._when_full is WhenFull.WAIT or self._queue.bytes + size > 2 * self._limit_bytes
        )
        return _Fate.LEFT if leaves else _Fate.KEPT

    def _fall_behind(self, first: Entry) -> None:
        """Keep no more.

        The ring holds this entry and what comes after it, but for what has gone with lines before
        it.
        """
        assert self._account is not None
        assert first.record.seq is not None
        self._end_run()
        self.needs_reread = True
        self._account.seek(first.record.seq, self._ahead | self._queue.parts)

    def _end_run(self) -> None:
        """Put the announcement of what was dropped behind what waits, since something follows that
        was not.
        """
        for gap in self._dropped.end_run():
            self._queue.append(self._announce(gap))

    def _announce_dropped(self) -> None:
        """There is room again: tell what was dropped, in its place."""
        untold = self._dropped.end()
        if untold:
            logger.warning("%s lost %d records for want of room", self.sink.name, untold)
        self._end_run()


def _must_stay(entry: Entry) -> bool:
    """Whether an entry may not be dropped.

    An error or worse, or a line whose parts lie among what comes after it.
    """
    if entry.record.parts:
        return True
    return (
        entry.gap is None
        and entry.record.prefix is not None
        and entry.record.severity <= Severity.ERR
    )
