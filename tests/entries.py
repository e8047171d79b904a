# SPDX-License-Identifier: GPL-2.0-or-later
"""Entries as a batch brings them, with everything defaulted that a test does not speak of."""

from collections.abc import Iterable

from klogd_py.record import gaps
from klogd_py.record.types import Cause, Entry, Gap, Record, SymbolAddress

# 2026-11-23T08:13:42.123456Z
WALL_US = 1_795_421_622_123_456
PLACE = SymbolAddress("vfs_write", 0x1D, 0x40, "ext4", "T", "System.map")


def entry(
    text: str = "eth0: link up", prefix: int = 6, seq: int | None = None, wall_us: int = WALL_US
) -> Entry:
    """A record that came out of translation as it went in."""
    return Entry(Record(text, prefix, seq), wall_us, text)


def numbered_entries(seqs: Iterable[int]) -> list[Entry]:
    """An entry for each sequence number."""
    return [entry(f"record {seq}", seq=seq) for seq in seqs]


def gap_entry(gap: Gap) -> Entry:
    """The entry that announces a loss, as the daemon makes it."""
    return gaps.announce(gap, lambda record: WALL_US)


def lost_entry(first: int, last: int, cause: Cause) -> Entry:
    """The announcement of these records."""
    return gap_entry(Gap(first, last, cause))
