# SPDX-License-Identifier: GPL-2.0-or-later
"""The way of records from the source to the sinks, without a daemon around it."""

from collections.abc import Sequence
from pathlib import Path

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import Mention
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.kaslr import Learning
from klogd_py.pipeline.stats import Counters
from klogd_py.pipeline.symbolize import Manner, translate
from klogd_py.record.types import Entry, Gap, Place, Quality, Record
from klogd_py.symbols.symbol_set import Survey, survey
from klogd_py.symbols.symbol_sources import Sources


def walls_of(records: Sequence[Record]) -> tuple[Sequence[int], Sequence[Quality | None]]:
    return [0] * len(records), [None] * len(records)


class Listener:
    """Reads records, learns from their traces, and names them, as the daemon does. Mutable."""

    def __init__(self, found: Survey, origin: Origin = Origin.RECORDS) -> None:
        self.survey = found
        self.counters = Counters(origin)
        self.withheld: list[Withheld] = []
        self.entries: list[Entry] = []
        self._origin = origin
        self._learning = Learning(origin)

    def hear(self, records: Sequence[Record]) -> None:
        """All of the records, and after them a silence."""
        self.counters.read(records)
        ready, self.survey = self._learning.take(records, 0.0, self.survey)
        held, self.survey = self._learning.end(self.survey)
        self._send([*ready, *held])

    @property
    def places(self) -> list[Place]:
        """Every place that was named."""
        return [place for entry in self.entries for place in entry.places]

    def _send(self, ready: Sequence[Record | Gap]) -> None:
        place_of = self.survey.atlas.place_of
        self.entries += translate(ready, place_of, Manner(), walls_of, judge=self._judge)

    def _judge(self, record: Record, mentions: Sequence[Mention]) -> Withheld | None:
        reason = provenance.withheld(record, mentions, self._origin)
        self.withheld += [reason] if reason is not None else []
        return reason


def survey_of(map_file: Path, slide: int | None = None) -> Survey:
    """What is known of a randomised kernel with this map and without kallsyms."""
    return survey(Sources("6.1.0", Path("/"), str(map_file), slide=slide))
