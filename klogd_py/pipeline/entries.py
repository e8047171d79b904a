# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a batch ready for the sinks, whatever happens: what cannot be translated goes out as it
came.

The batch has left the source, so an unexpected error in naming or timing one record must lose
neither it nor those around it.
"""

import time
from collections.abc import Callable, Sequence

from klogd_py.pipeline.clock import Clock
from klogd_py.pipeline.symbolize import CheckProvenance, FormatOptions, KnownPcs, Resolve, symbolize
from klogd_py.record.gaps import announce
from klogd_py.record.types import Entry, Gap, Record, TimestampSource


def make_entries(
    batch: Sequence[Record | Gap],
    resolve: Resolve,
    options: FormatOptions,
    clock: Clock,
    known_pcs: KnownPcs,
    check: CheckProvenance | None,
    failed: Callable[[Exception], None],
) -> list[Entry]:
    """The batch as `symbolize` has it; ``failed`` hears of an unexpected error.

    Then each record is tried by itself, so that only those go out as they came with which something
    is wrong.
    """
    try:
        clock.sample_clocks()
        return symbolize(batch, resolve, options, clock.wall_times, known_pcs, check)
    except Exception as error:
        failed(error)
    entries: list[Entry] = []
    for item in batch:
        try:
            entries += symbolize([item], resolve, options, clock.wall_times, known_pcs, check)
        # Told already
        except Exception:
            entries.append(raw_entry(item))
    return entries


def raw_entry(item: Record | Gap) -> Entry:
    """The entry of an item without names, at the time of now if it does not state one."""
    now_us = time.time_ns() // 1000
    if isinstance(item, Gap):
        return announce(item, lambda record: now_us)
    return Entry(
        item,
        item.wall_us or now_us,
        item.text,
        time_source=None if item.wall_us else TimestampSource.RECEIPT,
    )
