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

from klogd_py.record.types import Gap, Record

MAX_HOLD_S = 0.05
MAX_PARTS = 64
# Usual ends of the first piece of a line
_UNFINISHED = (" ", ":", ",", "=", "(", "[", "-", "..")


class Joiner:
    """Joins the pieces of lines in a stream of records, in order. Mutable: the held record.

    All times are those of one even clock. ``has_joined``: some record of this stream has parts.
    """

    def __init__(
        self, any_sink_between: Callable[[int, int], bool] = lambda seq, other: False
    ) -> None:
        """``any_sink_between``: whether any sink has had one of two sequence numbers and not the
        other.
        """
        self.has_joined = False
        self._any_sink_between = any_sink_between
        self._pending: list[Record | Gap] = []
        self._due_s = 0.0
        self._continuation_flags = frozenset(("c", "+"))

    @property
    def pending(self) -> list[Record | Gap]:
        """The held record, if any."""
        return self._pending

    def restarted(self) -> "Joiner":
        """Return a joiner for the same stream that holds nothing."""
        joiner = Joiner(self._any_sink_between)
        joiner._continuation_flags = self._continuation_flags
        joiner.has_joined = self.has_joined
        return joiner

    def push(self, batch: list[Record | Gap], now_s: float) -> list[Record | Gap]:
        """Return what may go on; for an empty batch, the held record if it has waited long
        enough.
        """
        if not batch:
            return self.flush() if now_s >= self._due_s else []
        if self._pending or any(isinstance(item, Record) and item.flags != "-" for item in batch):
            waited, self._pending = self._pending, []
            batch = self._join([*waited, *batch])
        last = batch[-1]
        if isinstance(last, Record) and last.text.endswith(_UNFINISHED) and last.seq is not None:
            self._pending = [last]
            self._due_s = now_s + MAX_HOLD_S
            return batch[:-1]
        return batch

    def flush(self) -> list[Record | Gap]:
        """Return the held record: nothing will follow, or nothing came in time."""
        waited, self._pending = self._pending, []
        return waited

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until the held record must go on; ``None`` if none is held."""
        return max(0.0, self._due_s - now_s) if self._pending else None

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
                self.has_joined = True
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
