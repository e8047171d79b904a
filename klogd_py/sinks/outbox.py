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

    def __init__(self, sink: Sink, limit_bytes: int, announce: Callable[[Gap], Entry], next_seq: int | None = None) -> None:
        """``next_seq`` is the first sequence number that the sink has not had yet."""
        self.sink = sink
        self.delivered = 0
        self.lost = 0
        self.last_error = ""
        self.next_seq = next_seq
        self.gone = False  # the sink will never take anything again
        self._skip_below = next_seq
        self._limit_bytes = limit_bytes
        self._announce = announce
        self._queue: deque[Entry] = deque()
        self._queued_bytes = 0
        self._lost_now: Gap | None = None  # a run of dropped records that is not announced yet
        self._lost_unnumbered = 0
        self._pause_s = SHORTEST_PAUSE_S
        self._waiting = asyncio.Event()
        self._sending = False

    @property
    def queued(self) -> int:
        """How many entries wait."""
        return len(self._queue)

    def post(self, entries: Sequence[Entry]) -> None:
        """Hand over a batch: sent at once if nothing waits and the sink does not block, queued otherwise."""
        if self.gone:
            return
        if self._skip_below is not None:
            entries = self._unseen(entries)
        if not self._queue and not self.sink.blocking and self._lost_now is None:
            entries = entries[self._send(entries) :]
        for entry in entries:
            self._enqueue(entry)
        if self._queue:
            self._waiting.set()

    async def drain(self) -> None:
        """Send what waits, for ever, pausing longer after each failure."""
        while True:
            await self._waiting.wait()
            if not self.sink.blocking or self.last_error:
                await asyncio.sleep(self._pause_s)
            await self.flush()

    async def flush(self) -> bool:
        """Send what waits until it is all gone or the sink refuses; returns whether all is gone."""
        while self._queue and not self.gone:
            if self._sending:  # a thread is at it
                await asyncio.sleep(SHORTEST_PAUSE_S)
                continue
            chunk = [self._queue[i] for i in range(min(len(self._queue), CHUNK_ENTRIES))]
            self._sending = True
            try:
                accepted = await asyncio.to_thread(self._send, chunk) if self.sink.blocking else self._send(chunk)
            finally:
                self._sending = False
            for _ in range(accepted):
                self._queued_bytes -= _size(self._queue.popleft())
            if not self._queue:
                self._after_loss()
            if accepted < len(chunk):
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
                return False
            self._pause_s = SHORTEST_PAUSE_S
        self._waiting.clear()
        return True

    async def empty(self) -> None:
        """Send what waits, trying again until all is gone."""
        while not await self.flush():
            await asyncio.sleep(SHORTEST_PAUSE_S)

    def replace_sink(self, sink: Sink, limit_bytes: int) -> None:
        """Go on with the same sink opened anew, perhaps with other settings."""
        self.sink.close()
        self.sink = sink
        self._limit_bytes = limit_bytes
        self._pause_s = SHORTEST_PAUSE_S

    def close(self) -> int:
        """Close the sink; returns how many entries it never took."""
        self.sink.close()
        return 0 if self.gone else len(self._queue)

    def _send(self, entries: Sequence[Entry]) -> int:
        """Let the sink take what it will; keeps position, counts and the operator up to date."""
        try:
            accepted = self.sink.send(entries) if entries else 0
        except SinkGone as error:
            self.gone = True
            accepted = error.accepted
        except SinkDown as error:
            accepted = error.accepted
            if not self.last_error:
                logger.warning("%s is down, retrying: %s", self.sink.name, error)
            self.last_error = str(error)
        else:
            if self.last_error and accepted:
                logger.warning("%s is back; records lost in between: %d", self.sink.name, self._lost_count())
                self.last_error = ""
        self.delivered += accepted
        for entry in reversed(entries[:accepted]):
            if entry.record.seq is not None:
                self.next_seq = entry.record.seq + 1
                break
        return accepted

    def _enqueue(self, entry: Entry) -> None:
        if self._queued_bytes + _size(entry) <= self._limit_bytes and self._lost_now is None:
            self._queue.append(entry)
            self._queued_bytes += _size(entry)
            return
        self.lost += 1
        seq = entry.record.seq
        if seq is None:
            self._lost_unnumbered += 1
        elif self._lost_now is None:
            self._lost_now = Gap(seq, seq, Cause.SINK_DROP)
        else:
            self._lost_now = Gap(self._lost_now.first, seq, Cause.SINK_DROP)

    def _after_loss(self) -> None:
        """There is room again: announce what was dropped, in its place."""
        if self._lost_now is not None:
            entry = self._announce(self._lost_now)
            self._lost_now = None
            self._enqueue(entry)
        self._lost_unnumbered = 0

    def _lost_count(self) -> int:
        return self._lost_unnumbered + (self._lost_now.count if self._lost_now else 0)

    def _unseen(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Without what this sink had before a restart; with a Gap if it is owed more than the ring still holds."""
        owed = self._skip_below
        kept: list[Entry] = []
        for entry in entries:
            seq = entry.record.seq
            if owed is not None and seq is not None:
                if seq < owed:
                    continue
                if seq > owed and entry.gap is None:
                    kept.append(self._announce(Gap(owed, seq - 1, Cause.RESTART)))
                owed = None
            kept.append(entry)
        self._skip_below = owed
        return kept


def _size(entry: Entry) -> int:
    return ENTRY_OVERHEAD_BYTES + len(entry.text) + len(entry.record.text)
