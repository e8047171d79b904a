# SPDX-License-Identifier: GPL-2.0-or-later
"""The content of a position file <-> which record each sink wants next; pure.

``{"boot_id": "51b3...", "next": {"syslog:/dev/log": 1201}, "check": 3735928559}``, and blanks
behind. Where a line in pieces has taken later numbers with it, ``"ahead": {"syslog:/dev/log":
[1204]}`` lists those that the sink has had too. ``check`` is the CRC-32 of the rest: text that was
written only in part, over another one or over nothing, does not pass for a position.
"""

import zlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

# 128 sinks with the longest of paths
LIMIT_BYTES = 1 << 20
# The kernel counts in 64 bits
MAX_SEQ = (1 << 64) - 1
# Zeros where a file was made longer, and the text was not written any more
_FILLING = b"\0 \n"


class NotCursors(ValueError):
    """The bytes are no saved position; the message says so in words."""


class Cursors(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The boot, and what each sink wants next; ``check`` is ``None`` in files of versions without
    it.

    ``ahead`` are the numbers beyond that which a sink has had already.

    A field of another name is refused: where the name of ``check`` is damaged, the text would
    otherwise pass for one of a version without it.
    """

    boot_id: str
    next: dict[str, int]
    check: int | None = None
    ahead: dict[str, tuple[int, ...]] = {}


def parse(raw: bytes) -> Cursors:
    """What a file holds, if it is whole and can be right; raises NotCursors."""
    try:
        found = msgspec.json.decode(raw.rstrip(_FILLING), type=Cursors)
        told = [*found.next.values(), *(seq for seqs in found.ahead.values() for seq in seqs)]
        numbers = [seq for seq in told if not 0 <= seq <= MAX_SEQ]
        # Which is taken of UTF-8
        expected = checksum(found.boot_id, found.next, found.ahead)
    except (msgspec.MsgspecError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise NotCursors("not a saved position") from error
    if numbers:
        raise NotCursors("not a saved position")
    if found.check is not None and found.check != expected:
        raise NotCursors("damaged")
    return found


def render(
    boot_id: str, positions: dict[str, int], ahead: Mapping[str, tuple[int, ...]] | None = None
) -> bytes:
    """The text for these positions, whose names are UTF-8; raises NotCursors if it is too long."""
    beyond = {sink: seqs for sink, seqs in (ahead or {}).items() if seqs}
    check = checksum(boot_id, positions, beyond)
    content = msgspec.json.encode(Cursors(boot_id, positions, check, beyond))
    if len(content) >= LIMIT_BYTES:
        raise NotCursors(f"larger than {LIMIT_BYTES >> 10} KiB, which is the limit")
    return content


def checksum(
    boot_id: str, positions: Mapping[str, int], ahead: Mapping[str, tuple[int, ...]] | None = None
) -> int:
    """The CRC-32 of what is said; raises UnicodeEncodeError for names that are no text."""
    content = (boot_id, sorted(positions.items()), *([sorted(ahead.items())] if ahead else []))
    return zlib.crc32(repr(content).encode())
