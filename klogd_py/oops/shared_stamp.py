# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the lines of a capture that may be the rest of a message with a user's string in it.

The kernel prints its prefix before each line of a message that holds line feeds. So a string of a
user, such as the name of a process, can make a line that looks like the kernel's own. It has the
timestamp and the caller of the line before it, and proves nothing unless that line has no room for
such a string.

Source of truth: kernel/printk/printk.c ``record_print_text``.
"""

import itertools
import re
from collections import deque
from collections.abc import Sequence

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops import crash_lines
from klogd_py.record.types import Gap, Record

# Stamps of kernels without an exact clock are multiples of it.
_TICK_US = 1000
# So much of what passed may belong to one message
_MAX_LINES = 64
_MAX_SKIPPED_BYTES = 1 << 13
# Lines whose words are the kernel's, or of those who built machine and modules
_OF_NO_USER = re.compile(
    r"\s*+(?:\.\.\.\s*+)?$|=+$|-+$|Modules linked in:|Hardware name: |Workqueue: |Backtrace:|"
    r"[Cc]all [Tt]race:|\s*\(ftrace buffer empty\)|Dumping ftrace buffer:|Stack:|Exception stack|"
    r"PGD [0-9a-f]|PKRU: |Last Breaking-Event-Address:|but task is already holding|-> #\d|"
    r"stack backtrace:|CPU \d{1,5}$|task: [0-9a-f]|\s*(?:[0-9a-f]{8,16} ){1,16}[0-9a-f]{8,16}\s*$"
)


class SharedStamp:
    """Compares each record of a capture with the one before it. Mutable: that record."""

    def __init__(self) -> None:
        self._last: Record | None = None
        self._was_rest = False
        # What passed since, the newest last: it is looked at when it is asked for.
        self._passed: deque[Sequence[Record | Gap] | bytes] = deque(maxlen=_MAX_LINES)
        # A clock that counts ticks gives many lines the same time.
        self._is_exact = False

    def is_rest(self, record: Record) -> bool:
        """Whether a record may be the rest of the message before it, in which a user's string is.

        To be asked of each record in order, but for those that passed.
        """
        self._look_at_passed()
        last, self._last = self._last, record
        usec = record.usec
        self._is_exact = self._is_exact or (usec is not None and usec % _TICK_US != 0)
        self._was_rest = (
            last is not None
            and self._is_exact
            and _is_same_message(last, record)
            and (self._was_rest or _has_room_for_user_string(last.text))
        )
        return self._was_rest

    def pass_by(self, items: Sequence[Record | Gap]) -> None:
        """Take note of records that are followed by others."""
        if len(items) >= _MAX_LINES or sum(map(_length, items)) >= _MAX_SKIPPED_BYTES:
            self._passed.clear()
        self._passed.append(items)

    def skip(self, text: bytes) -> None:
        """Take note of whole lines that were skipped."""
        if len(text) >= _MAX_SKIPPED_BYTES:
            self._passed.clear()
        self._passed.append(text[-_MAX_SKIPPED_BYTES:])

    def _look_at_passed(self) -> None:
        """Find out what passed: the last record, and whether it may be the rest of a message."""
        passed: list[Record] = []
        while self._passed and len(passed) < _MAX_LINES:
            passed = [*_last_records(self._passed.pop(), _MAX_LINES - len(passed)), *passed]
        self._passed.clear()
        if not passed:
            return
        earlier = [*([self._last] if self._last is not None else []), *passed]
        self._last = passed[-1]
        was_rest, self._was_rest = self._was_rest, False
        # From the newest to the oldest
        for record, last in itertools.pairwise(reversed(earlier)):
            if not _is_same_message(last, record):
                return
            if _has_room_for_user_string(last.text):
                self._was_rest = True
                return
        self._was_rest = was_rest


def _length(item: Record | Gap) -> int:
    return len(item.text) if isinstance(item, Record) else 0


def _last_records(passed: Sequence[Record | Gap] | bytes, most: int) -> list[Record]:
    """Return the last records among those that passed, also as whole lines of text."""
    if isinstance(passed, bytes):
        lines = passed.decode("latin-1").removesuffix("\n").split("\n")
        return [read_line(line) for line in lines[-most:]]
    return [item for item in passed[-most:] if isinstance(item, Record)]


def _is_same_message(last: Record, record: Record) -> bool:
    """Whether two records have the same stamp; 0 is that of the time before all processes."""
    return bool(record.usec) and record.usec == last.usec and record.caller == last.caller


def _has_room_for_user_string(text: str) -> bool:
    if _OF_NO_USER.match(text):
        return False
    if crash_lines.is_address_or_registers(text):
        return crash_lines.has_process_name(text)
    return not crash_lines.kernel_lines(text) or crash_lines.has_process_name(text)
