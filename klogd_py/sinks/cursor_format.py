# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse and render the content of the cursor file: the position of each sink. No I/O.

``{"boot_id": "51b3...", "next": {"syslog:/dev/log": 1201}, "check": 3735928559}``, followed by
blanks. ``next`` is the first sequence number that a sink has not accepted. If it has accepted later
numbers as parts of a continued line, ``"ahead": {"syslog:/dev/log": [1204]}`` lists them.
``check`` is the CRC-32 of the rest: a text that was written only in part is not taken for a
position.
"""

import zlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from klogd_py.record.sequence import Position
from klogd_py.sinks import DeliveryError

# Enough for 128 sinks with paths of the maximum length
LIMIT_BYTES = 1 << 20
# The kernel uses 64 bits.
MAX_SEQ = (1 << 64) - 1
# Zeros: the file was extended, but the text was not written
_PADDING = b"\0 \n"


class CursorError(DeliveryError):
    """The saved positions cannot be used, or not be saved; the message is the reason."""


class NotCursors(CursorError, ValueError):
    """The bytes are no saved positions; the message is the reason."""


class Cursors(Struct, frozen=True, omit_defaults=True):
    """The saved positions of one boot.

    ``next`` holds the first sequence number that each sink has not accepted, ``ahead`` the numbers
    beyond it that it has accepted. ``check`` is ``None`` in files of versions without it.
    """

    boot_id: str
    next: dict[str, int]
    check: int | None = None
    ahead: dict[str, tuple[int, ...]] = {}

    @property
    def positions(self) -> dict[str, Position]:
        """The position of each sink."""
        return {
            sink: Position(seq, frozenset(self.ahead.get(sink, ())))
            for sink, seq in self.next.items()
        }


class _WithoutCheck(Struct, frozen=True, forbid_unknown_fields=True):
    """The saved positions as versions without ``check`` wrote them.

    An unknown field is an error here: it may be ``check`` with a damaged name.
    """

    boot_id: str
    next: dict[str, int]


def parse(raw: bytes) -> Cursors:
    """Parse the content of a file.

    Raises:
        NotCursors: the content is incomplete or invalid.
    """
    text = raw.rstrip(_PADDING)
    try:
        found = msgspec.json.decode(text, type=Cursors)
        if found.check is None:
            msgspec.json.decode(text, type=_WithoutCheck)
        seqs = [*found.next.values(), *(seq for many in found.ahead.values() for seq in many)]
        is_valid = all(0 <= seq <= MAX_SEQ for seq in seqs)
        # This encodes the text as UTF-8, and so may raise.
        expected = checksum(found.boot_id, found.next, found.ahead)
    except (msgspec.MsgspecError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise NotCursors("not a saved position") from error
    if not is_valid:
        raise NotCursors("not a saved position")
    if found.check is not None and found.check != expected:
        raise NotCursors("damaged")
    return found


def render(boot_id: str, positions: Mapping[str, Position]) -> bytes:
    """Return the text for these positions, whose names must be valid UTF-8.

    Raises:
        NotCursors: the text is longer than `LIMIT_BYTES`.
    """
    numbers = {sink: position.next_seq for sink, position in positions.items()}
    ahead = {
        sink: tuple(sorted(position.ahead))
        for sink, position in positions.items()
        if position.ahead
    }
    cursors = Cursors(boot_id, numbers, checksum(boot_id, numbers, ahead), ahead)
    content = msgspec.json.encode(cursors)
    if len(content) >= LIMIT_BYTES:
        raise NotCursors(f"larger than {LIMIT_BYTES >> 10} KiB, which is the limit")
    return content


def checksum(boot_id: str, numbers: Mapping[str, int], ahead: Mapping[str, tuple[int, ...]]) -> int:
    """Return the CRC-32 of the positions; raises UnicodeEncodeError for surrogates in names."""
    content = (boot_id, sorted(numbers.items()), *([sorted(ahead.items())] if ahead else []))
    return zlib.crc32(repr(content).encode())
