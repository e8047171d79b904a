# SPDX-License-Identifier: GPL-2.0-or-later
"""Join the pieces of a line that the kernel printed in several records.

Where it can, the kernel puts a line that is printed in pieces into one record; where something came
in between, the later pieces are records of their own with the flag ``c``. They are appended to the
piece that they continue: the last record of the same caller where the kernel states callers, else
only the record directly before, if it has the same facility and level. A record at the end of a
batch that may be unfinished is held for a moment. Up to Linux 4.9 the first piece had ``c`` and the
others ``+``: where a ``+`` was seen, ``c`` continues nothing.

A line goes to a sink as a whole or not at all. So when records are read again, pieces stay apart if
a sink has had one of them and not the other.

Source of truth: kernel/printk/printk.c ``LOG_CONT``, ``vprintk_store``;
Documentation/ABI/testing/dev-kmsg.
"""

from collections.abc import Callable, Sequence

import msgspec

from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.stage import Stage
from klogd_py.record.types import Gap, Record

MAX_HOLD_S = 0.05
MAX_PARTS = 64
_WHOLE_LINES = {"-"}
# Usual ends of the first piece of a line
_UNFINISHED = (" ", ":", ",", "=", "(", "[", "-", "..")


class Joiner(Stage):
    """Joins the pieces of lines in a stream of records, in order. Mutable: the held record.

    ``enabled`` may be changed at any time.
    """

    job = "joining"

    def __init__(
        self, any_sink_between: Callable[[int, int], bool] = lambda seq, other: False
    ) -> None:
        """``any_sink_between``: whether any sink has had one of two sequence numbers and not the
        other.
        """
        self.enabled = True
        self._any_sink_between = any_sink_between
        self._pending: list[Record | Gap] = []
        self._due_s = 0.0
        self._continuation_flags = frozenset(("c", "+"))

    @property
    def pending(self) -> list[Record | Gap]:
        """The held record, if any."""
        return self._pending

    def restart(self) -> None:
        """Forget the held record."""
        self._pending = []

    def push(self, batch: Batch, now_s: float) -> Batch:
        """Return what may go on; for an empty batch, the held record if it has waited long
        enough.
        """
        items = batch.items
        if not items:
            due = self._pending and now_s >= self._due_s
            return batch.followed_by(self.flush()) if due else batch
        if not self.enabled and not self._pending:
            return batch
        if self._pending or {record.flags for record in batch.records} != _WHOLE_LINES:
            held, self._pending = self._pending, []
            items = self._join([*held, *items])
        last = items[-1]
        if isinstance(last, Record) and last.text.endswith(_UNFINISHED) and last.seq is not None:
            self._pending = [last]
            self._due_s = now_s + MAX_HOLD_S
            items = items[:-1]
        return batch if items is batch.items else batch.with_items(items)

    def flush(self) -> Batch:
        """Return the held record: nothing will follow, or nothing came in time."""
        held, self._pending = self._pending, []
        return Batch(held)

    def deadline(self) -> float | None:
        """When the held record must go on; ``None`` if none is held."""
        return self._due_s if self._pending else None

    def _join(self, items: Sequence[Record | Gap]) -> list[Record | Gap]:
        joined: list[Record | Gap] = []
        last_index_of: dict[str, int] = {}
        for item in items:
            if not isinstance(item, Record):
                # A lost record may have come in between.
                last_index_of.clear()
                joined.append(item)
                continue
            index = last_index_of.get(item.caller) if item.caller else len(joined) - 1
            head = joined[index] if index is not None and index >= 0 else None
            if item.flags == "+":
                self._continuation_flags = frozenset("+")
            if (
                item.flags in self._continuation_flags
                and isinstance(head, Record)
                and self._may_join(item, head)
            ):
                assert index is not None
                joined[index] = _append_piece(head, item)
                continue
            joined.append(item)
            last_index_of[item.caller] = len(joined) - 1
        return joined

    def _may_join(self, piece: Record, head: Record) -> bool:
        if not _continues(piece, head):
            return False
        assert piece.seq is not None
        assert head.seq is not None
        return not self._any_sink_between(head.seq, piece.seq)


def _continues(record: Record, head: Record) -> bool:
    """Whether a record is a later piece of the line that ``head`` began."""
    if record.seq is None or head.seq is None or record.prefix is None:
        return False
    if len(head.parts) >= MAX_PARTS or head.prefix is None or record.caller != head.caller:
        return False
    if record.caller:
        return record.facility == head.facility
    return (
        record.prefix == head.prefix
        and record.seq == (head.parts[-1] if head.parts else head.seq) + 1
    )


def _append_piece(head: Record, piece: Record) -> Record:
    assert piece.seq is not None
    return msgspec.structs.replace(
        head,
        text=head.text + piece.text,
        fields=head.fields or piece.fields,
        truncated=head.truncated or piece.truncated,
        parts=(*head.parts, piece.seq),
        # Up to Linux 4.9 the first piece has "c" itself: with the others behind it, it is a whole
        # line.
        flags="-" if piece.flags == "+" else head.flags,
    )
