# SPDX-License-Identifier: GPL-2.0-or-later
"""Queue the entries of one sink, and keep its position.

Nothing is queued while the sink accepts everything at once. Entries wait here while it is full or
down, and `drain` sends them. What does not fit is left in the kernel's ring buffer, to be read
again when there is room (`reread`), or is dropped, counted and announced (`drop_policy`). The
position moves only when the sink has accepted an entry.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from klogd_py.record.sequence import Position, SequenceRange
from klogd_py.record.types import Cause, Entry, Gap
from klogd_py.sinks import Sink, SinkGone
from klogd_py.sinks.attempt import Outcome
from klogd_py.sinks.backlog import Backlog
from klogd_py.sinks.drop_policy import QueueLimits
from klogd_py.sinks.left_out import Item
from klogd_py.sinks.retry import SinkHealth
from klogd_py.sinks.sender import SinkSender
from klogd_py.sinks.sequence_tracker import SequenceTracker, StartPosition
from klogd_py.sinks.sink_filter import SinkFilter

logger = logging.getLogger(__name__)


class Reread(Struct, frozen=True):
    """That the ring buffer should be read again: from which sequence number on, and when.

    ``at_s`` is the earliest time of the event loop; 0 if it may be read at once.
    """

    seq: int
    at_s: float

    @property
    def is_due(self) -> bool:
        """Whether it may be read now."""
        return not self.at_s or asyncio.get_running_loop().time() >= self.at_s


class SinkQueue:
    """The entries that wait for one sink, and what it has accepted. Mutable.

    Lives on the event loop.
    """

    def __init__(
        self,
        sender: SinkSender,
        limits: QueueLimits,
        announce: Callable[[Gap], Entry],
        start: StartPosition,
        *,
        rereadable: bool = False,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        """``rereadable`` says that the source can read its records again.

        If it cannot, the caller must pause while the backlog is `over_limit`. ``on_progress`` is
        called when waiting entries were accepted.
        """
        # Entries accepted since the start
        self.delivered = 0
        # Entries are ignored: the ring buffer is to be read again
        self.needs_reread = False
        # Set while entries wait
        self.has_backlog = asyncio.Event()
        self.sender = sender
        # What the sink gets of the entries, once numbers that it has had are left out
        self.filter = SinkFilter(sender.sink.name, sender.jobs)
        self.backlog = Backlog(limits, announce, rereadable=rereadable)
        self._tracker = SequenceTracker(
            announce, start, is_filtering=rereadable or start.position is not None
        )
        self._rereadable = rereadable
        self._on_progress = on_progress
        # Items of the present batch that the sink accepted at once
        self._sent_at_once = 0

    @property
    def sink(self) -> Sink:
        """The sink that is in use now."""
        return self.sender.sink

    @property
    def health(self) -> SinkHealth:
        """Whether the sink is up."""
        return self.sender.health

    @property
    def position(self) -> Position | None:
        """What the sink has accepted; ``None`` before the first record."""
        return self._tracker.accepted

    @property
    def missed(self) -> Mapping[Cause, int]:
        """How many records this sink alone did not get, dropped ones included."""
        lost = self.backlog.lost
        missed = dict(self._tracker.missed)
        return missed | {Cause.SINK_DROP: lost} if lost else missed

    @property
    def reread(self) -> Reread | None:
        """From where the ring buffer should be read again, and when.

        ``None`` if it need not be, or not before the sink has accepted more.
        """
        given = self._tracker.given
        if not self.needs_reread or given is None or not self.backlog.is_half_empty:
            return None
        return Reread(given.next_seq, self.health.reread_at_s)

    def resume(self) -> None:
        """Accept entries again: the ring buffer is read from there on, or from before."""
        self.needs_reread = False

    def has_seen(self, seq: int) -> bool:
        """Whether a record of this number would be left out if it came now."""
        return not self.needs_reread and self._tracker.has_seen(seq)

    def enqueue(
        self,
        entries: Sequence[Entry],
        consecutive: SequenceRange | None = None,
        unselected: Collection[int] = (),
    ) -> None:
        """Send a batch at once if nothing waits and the sink does not block; queue it otherwise.

        ``consecutive`` is its `consecutive_range`, if known; ``unselected`` are the identities of
        entries that no sink gets. Raises nothing: what an unexpected
        error kept from being sent or queued is read again.
        """
        self._sent_at_once, taken_before = 0, self.backlog.taken
        items: Sequence[Item] = entries
        try:
            if self.needs_reread and not self.health.is_gone:
                # They are not in the ring buffer.
                reports = [entry for entry in entries if entry.report is not None]
                items = self.filter.apply(reports, unselected)
                self.backlog.add_unsent(items, 0)
            elif not self.health.is_gone:
                entries = self._tracker.filter(entries, consecutive)
                if unselected or not self.filter.is_idle:
                    items = self.filter.apply(entries, unselected)
                else:
                    items = entries
                self._send_or_queue(entries, items)
        except Exception as error:
            taken = self._sent_at_once + self.backlog.taken - taken_before
            self._recover(items, taken, error)
        if self.backlog:
            self.has_backlog.set()

    def _send_or_queue(self, entries: Sequence[Entry], items: Sequence[Item]) -> None:
        """Send ``items`` or queue them; they are the ``entries`` themselves if all pass."""
        sent = 0
        if not self.backlog and not self.sink.blocking:
            if not items:
                self.sender.swap()
                return
            outcome = (
                self.sender.send(entries) if items is entries else self.sender.send_items(items)
            )
            sent = self._sent_at_once = self._settle(items, outcome)
            if self.health.is_gone:
                return
        if sent < len(items) and not self.backlog.add_unsent(items, sent):
            self._reread(items)

    def _reread(self, items: Sequence[Item]) -> None:
        """Have the ring buffer read again from the first number that is neither sent nor waits.

        For a sink without a position that is the first one of ``items``.
        """
        position = self.backlog.position_after(self._tracker.accepted)
        if position is None:
            sequences = (item.sequence for item in items)
            position = Position(next((found.first for found in sequences if found is not None), 0))
        self.needs_reread = True
        self._tracker.seek(position)

    def _recover(self, items: Sequence[Item], handled: int, error: Exception) -> None:
        """Finish a batch whose processing an unexpected error interrupted.

        ``handled`` items were sent, queued or dropped. The others are read again; they are queued
        if they cannot be.
        """
        self.sender.on_unexpected(error)
        if not self._rereadable:
            self.backlog.append(items[handled:])
            return
        self._reread(items)

    def settle_oldest(self, chunk: Sequence[Item], outcome: Outcome) -> bool:
        """Update everything after an attempt to send the oldest entries.

        Returns whether nothing is left to do about them.
        """
        done = self._settle(chunk, outcome)
        self.backlog.remove(done)
        if not self.backlog:
            unlogged = self.backlog.dropped.stop()
            if unlogged:
                logger.warning("%s lost %d records for want of room", self.sink.name, unlogged)
            self.backlog.announce_gaps()
        if done:
            self._on_progress()
        return done == len(chunk) or self.health.is_gone

    def _settle(self, items: Sequence[Item], outcome: Outcome) -> int:
        """Update position, counts and health after an attempt; returns how many items are done."""
        done, error = outcome.accepted, outcome.error
        accepted = done - self.filter.count(items[:done])
        if isinstance(error, SinkGone):
            self.health.on_gone(error)
            self.backlog.clear()
            self._on_progress()
            return done
        if error is not None:
            self.health.on_down(error, accepted)
        elif accepted:
            if self.health.down is not None:
                self.health.on_up(self.backlog.dropped.count_to_log())
            self.health.on_room()
        elif done < len(items):
            self.health.on_full()
        self.delivered += accepted
        if done:
            self._tracker.accept(items[:done])
        return done

    def close(self) -> int:
        """Close the sink; returns how many entries it never accepted."""
        self.sender.close()
        self.filter.warn_of_no_subsystem()
        return self.backlog.entry_count + self.backlog.dropped.count
