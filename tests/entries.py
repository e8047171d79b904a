# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries with defaults for all that a test does not care about."""

from collections.abc import Iterable

from klogd_py.record import gaps
from klogd_py.record.sequence import Position
from klogd_py.record.types import Cause, Entry, Gap, Record, SymbolAddress

# 2026-11-23T08:13:42.123456Z
WALL_US = 1_795_421_622_123_456
PLACE = SymbolAddress("vfs_write", 0x1D, 0x40, "ext4", "T", "System.map")


def entry(
    text: str = "eth0: link up", prefix: int = 6, seq: int | None = None, wall_us: int = WALL_US
) -> Entry:
    """Return an entry whose text has no resolved address."""
    return Entry(Record(text, prefix, seq), wall_us, text)


def numbered_entries(seqs: Iterable[int]) -> list[Entry]:
    """Return one entry per sequence number."""
    return [entry(f"record {seq}", seq=seq) for seq in seqs]


def gap_entry(gap: Gap) -> Entry:
    """Return the entry that announces a gap, as the daemon does."""
    return gaps.announce(gap, lambda record: WALL_US)


def lost_entry(first: int, last: int, cause: Cause) -> Entry:
    """Return the entry that announces the loss of these records."""
    return gap_entry(Gap(first, last, cause))


def position_at(next_seq: int, *ahead: int) -> Position:
    """Return the position of a sink that has had all before a number, and those ``ahead``."""
    return Position(next_seq, frozenset(ahead))
