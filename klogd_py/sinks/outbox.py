"""The bounded queue before one sink: retry, back-off, and the count of what was lost.

Entries leave in the order in which they came. While the sink takes them at once nothing is queued. When it is full or
down they wait here; what no longer fits is dropped, counted, and announced by a Gap entry at the place where it is
missing. The position moves only when the sink has accepted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from klogd_py.record import Cause, Entry, Gap
from klogd_py.sinks import Sink, SinkDown, SinkGone

SHORTEST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 5.0
CHUNK_ENTRIES = 512
ENTRY_OVERHEAD_BYTES = 400  # about what an Entry and its Record occupy besides their text

logger = logging.getLogger(__name__)


class Outbox:
    """One sink and what waits for it. Mutable; lives on the event loop."""

    def __init__(
        self,
        sink: Sink,
        limit_bytes: int,
        announce: Callable[[Gap], Entry],
        next_seq: int | None = None,
        drops: bool = True,
    ) -> None:
        """``next_seq`` is the first sequence number that the sink has not had yet.

        Without ``drops`` the limit is exceeded by the last batch rather than dropping any of it: whoever posts waits
        while it is `crowded`.
        """
        self.sink = sink
        self.delivered = 0
        self.lost = 0
        self.last_error = ""
        self.next_seq = next_seq
        self.gone = False  # the sink will never take anything again
        self._owed = next_seq  # until the first entry that is not skipped
        self._limit_bytes = limit_bytes
        self._drops = drops
        self._announce = announce
        self._queue: deque[Entry] = deque()
        self._queued_bytes = 0
        self._dropped: Gap | None = None  # a run that is not announced yet
        self._dropped_count = 0
        self._told_count = 0  # of these, how many the operator has heard of
        self._pause_s = SHORTEST_PAUSE_S
        self._waiting = asyncio.Event()
        self._sending: asyncio.Task[bool] | None = None

    @property
    def queued(self) -> int:
        """How many entries wait."""
        return len(self._queue)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that no more should come just now."""
        return self._queued_bytes > self._limit_bytes // 2

    def post(self, entries: Sequence[Entry]) -> None:
        """Hand over a batch: sent at once if nothing waits and the sink does not block, queued otherwise."""
        if self.gone:
            return
        if self._owed is not None:
            entries = self._unseen(entries)
        if not self._queue and not self.sink.blocking:
            entries = entries[self._send(entries) :]
            if self.gone:
                return
        for entry in entries:
            self._enqueue(entry)
        if self._queue:
            self._waiting.set()

    async def drain(self) -> None:
        """Send what waits, for ever: as soon as there is room, and ever more seldom while the sink is down."""
        while True:
            await self._waiting.wait()
            if self.last_error:
                await asyncio.sleep(self._pause_s)
            elif not self.sink.blocking:
                await self._room()
            await self.flush()

    async def flush(self) -> bool:
        """Send what waits until it is all gone or the sink refuses; returns whether all is gone.

        A chunk that is on its way in a thread is waited for, whoever sent it, and counted even if this call is cancelled.
        """
        while self._queue:
            if self._sending is None or self._sending.done():
                self._sending = asyncio.get_running_loop().create_task(self._send_chunk())
            if not await asyncio.shield(self._sending):
                return False
        self._waiting.clear()
        return True

    async def empty(self) -> None:
        """Send what waits, trying again until all is gone."""
        while not await self.flush():
            await (asyncio.sleep(SHORTEST_PAUSE_S) if self.last_error else self._room())

    def replace_sink(self, sink: Sink, limit_bytes: int) -> None:
        """Go on with the same sink opened anew, perhaps with other settings."""
        self.sink.close()
        self.sink = sink
        self._limit_bytes = limit_bytes
        self._pause_s = SHORTEST_PAUSE_S

    def close(self) -> int:
        """Close the sink; returns how many entries it never took."""
        self.sink.close()
        return len(self._queue) + self._dropped_count

    async def _send_chunk(self) -> bool:
        """Send the head of the queue; returns whether the sink took all of it."""
        chunk = [self._queue[i] for i in range(min(len(self._queue), CHUNK_ENTRIES))]
        accepted = await asyncio.to_thread(self._send, chunk) if self.sink.blocking else self._send(chunk)
        for _ in range(min(accepted, len(self._queue))):
            self._queued_bytes -= _size(self._queue.popleft())
        if not self._queue:
            self._announce_dropped()
        return accepted == len(chunk) or self.gone

    def _send(self, entries: Sequence[Entry]) -> int:
        """Let the sink take what it will; keeps position, counts and the operator up to date."""
        if not entries:
            return 0
        try:
            accepted = self.sink.send(entries)
        except SinkGone as error:
            self.gone = True
            self._queue.clear()
            self._queued_bytes = self._dropped_count = 0
            return error.accepted
        except SinkDown as error:
            accepted = error.accepted
            if not self.last_error:
                logger.warning("%s is down, retrying: %s", self.sink.name, error)
            elif not accepted:
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            self.last_error = str(error)
        else:
            if self.last_error and accepted:
                logger.warning("%s is back; records lost in between: %d", self.sink.name, self._dropped_count)
                self._told_count = self._dropped_count
                self.last_error = ""
                self._pause_s = SHORTEST_PAUSE_S
        self.delivered += accepted
        if accepted:
            self._move_on(entries[:accepted])
        return accepted

    def _move_on(self, accepted: Sequence[Entry]) -> None:
        """Have the position stand behind the last record, or announced gap, that was accepted."""
        for entry in reversed(accepted):
            last = entry.gap.last if entry.gap is not None else entry.record.seq
            if last is not None:
                self.next_seq = last + 1
                return

    async def _room(self) -> None:
        """Wait until the sink may take something: until its socket can be written to, or for a short while."""
        descriptor = self.sink.fileno()
        if descriptor < 0:
            await asyncio.sleep(SHORTEST_PAUSE_S)
            return
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(descriptor, writable.set)
        try:
            async with asyncio.timeout(LONGEST_PAUSE_S):
                await writable.wait()
        except TimeoutError:  # a listener that never reads must not hold up the other sinks: it counts as down
            if not self.last_error:
                logger.warning("%s takes nothing, retrying", self.sink.name)
                self.last_error = "the listener does not read"
        finally:
            loop.remove_writer(descriptor)

    def _enqueue(self, entry: Entry) -> None:
        fits = not self._dropped_count and self._queued_bytes + _size(entry) <= self._limit_bytes
        if fits or not self._drops:
            self._queue.append(entry)
            self._queued_bytes += _size(entry)
            return
        first, last = entry.record.seq, entry.record.seq
        if entry.gap is not None:
            first, last = entry.gap.first, entry.gap.last
        else:
            self.lost += 1
            self._dropped_count += 1
        if first is not None and last is not None:
            self._dropped = Gap(self._dropped.first if self._dropped else first, last, Cause.SINK_DROP)

    def _announce_dropped(self) -> None:
        """There is room again: tell what was dropped, in its place."""
        if self._dropped_count > self._told_count:
            logger.warning("%s lost %d records for want of room", self.sink.name, self._dropped_count)
        gap, self._dropped = self._dropped, None
        self._dropped_count = self._told_count = 0
        if gap is not None:
            self._enqueue(self._announce(gap))

    def _unseen(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Without what this sink had before a restart; with a Gap if it is owed more than the ring still holds."""
        owed = self._owed
        kept: list[Entry] = []
        for entry in entries:
            gap, seq = entry.gap, entry.record.seq
            if owed is not None and gap is not None:
                if gap.last < owed:
                    continue
                if gap.first < owed:
                    entry = self._announce(Gap(owed, gap.last, gap.cause))
                owed = gap.last + 1
            elif owed is not None and seq is not None:
                if seq < owed:
                    continue
                if seq > owed:
                    kept.append(self._announce(Gap(owed, seq - 1, Cause.RESTART)))
                owed = None
            kept.append(entry)
        self._owed = owed
        return kept


def _size(entry: Entry) -> int:
    return ENTRY_OVERHEAD_BYTES + len(entry.text) + len(entry.record.text)
