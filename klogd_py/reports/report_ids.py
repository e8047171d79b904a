# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell crashes of one boot apart that have one id: the same time, and the same text. Pure.

Where the clock is not stable, the kernel prints one time for all records between two ticks of its
timer, and two equal warnings may be among these. The first keeps its id, which it has in any log.
Each further one has the sequence number of its header behind it:
``5f0c9a1e-000005218310-1a2b3c4d-1934``.
"""

from collections import OrderedDict
from collections.abc import Collection

# Crashes that are told apart lie close together.
MAX_HOLDERS = 1024


class ReportIds:
    """The ids of the reports of one boot. Mutable.

    Whoever reads the records again finds the same ids, also if the first of two equal crashes was
    taken by an earlier run.
    """

    def __init__(
        self, counted: Collection[str] = frozenset(), written: Collection[str] = frozenset()
    ) -> None:
        """Begin with what earlier runs have done.

        Reports with the ids ``counted`` do not come again. Those of ``written`` have a file; they
        may come again.
        """
        self._counted = frozenset(counted)
        self._written = frozenset(written)
        # By id: the sequence number of the report that has it, the one longest unused first
        self._holders: OrderedDict[str, int] = OrderedDict()

    def unique(self, report_id: str, seq: int | None) -> str:
        """Return the id of a report that has none in common with another one.

        ``seq`` is the number of its header. Without numbers, reports of one id are one report.
        """
        if seq is None:
            return report_id
        own = f"{report_id}-{seq}"
        if report_id in self._counted or own in self._written:
            return own
        holder = self._holders.setdefault(report_id, seq)
        self._holders.move_to_end(report_id)
        if len(self._holders) > MAX_HOLDERS:
            self._holders.popitem(last=False)
        return report_id if holder == seq else own
