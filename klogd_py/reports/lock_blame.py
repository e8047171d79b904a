# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the functions of a report on locks in order: the one that takes the lock comes first.

Source of truth: kernel/locking/lockdep.c ``print_circular_bug_header``, ``print_usage_bug``,
``print_bad_irq_dependency``.
"""

from collections.abc import Iterator

from klogd_py.record.report import Frame
from klogd_py.reports.anatomy import Anatomy
from klogd_py.reports.candidates import first_trace

# The lock that is being taken, and the one that is held
_PLACES = 2


def lock_candidates(anatomy: Anatomy) -> Iterator[Frame]:
    """Yield the functions of a report on locks, the first the most likely."""
    for place in anatomy.lock_places[:_PLACES]:
        yield place.frame
    yield from first_trace(anatomy)
