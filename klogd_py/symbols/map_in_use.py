# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the map in use with its slide, and update it from the oopses of its kernel.

A `MapInUse` is immutable. `MapInUse.for_release` and `MapInUse.update_from_trace` return another
one, or why the map is not that of the kernel.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.symbols.file_bytes import FileStamp
from klogd_py.symbols.kaslr.architecture import may_be_randomised
from klogd_py.symbols.kaslr.inference import KaslrInference, NotProven, Slide, SlideSource
from klogd_py.symbols.map_check import contradicted_by
from klogd_py.symbols.resolver import CrossCheckedTable, SymbolSource
from klogd_py.symbols.symbol_line import Aliases
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import SystemMap

_MAX_UNPROVEN_TRACES = 8


class MapRefusal(Struct, frozen=True):
    """Why a map that was in use is not that of the kernel."""

    reason: str


class InferredState(Struct, frozen=True):
    """What oopses have shown about one map file: its slide, or that it is another kernel's."""

    path: Path
    stamp: FileStamp
    finding: Slide | MapRefusal

    def is_about(self, system_map: SystemMap) -> bool:
        """Whether it was inferred for this very file, unchanged since."""
        return (system_map.path, system_map.stamp) == (self.path, self.stamp)

    @property
    def slide(self) -> Slide | None:
        """The slide of the map; ``None`` if it was refused."""
        return self.finding if isinstance(self.finding, Slide) else None

    @property
    def refusal(self) -> str | None:
        """Why the map was refused; ``None`` if its slide is known."""
        return self.finding.reason if isinstance(self.finding, MapRefusal) else None


class MapInUse(Struct, frozen=True):
    """A map that was accepted, and its slide: ``None`` while it is not known.

    ``unproven_reason`` says why nothing but an oops could show the slide, or why the last oops did
    not; ``None`` once one has. ``inference`` is there while oopses are of use: the slide is not
    known, or an oops has proved it and a later one may contradict it. ``unproven_traces`` are the
    last traces that proved nothing, the newest first. ``aliases`` says which of several names at
    one address counts. ``is_fixed`` says that the kernel is known not to be randomised.
    """

    system_map: SystemMap
    slide: Slide | None = None
    unproven_reason: str | None = None
    inference: KaslrInference | None = None
    unproven_traces: tuple[Trace, ...] = ()
    aliases: Aliases = Aliases.LAST
    is_fixed: bool = False

    @property
    def lacks_slide(self) -> bool:
        """Whether only the slide is missing to name addresses."""
        return self.inference is not None and self.slide is None

    def source(self, kallsyms: SymbolTable | None) -> SymbolSource | None:
        """Return what resolves addresses by the map; ``None`` while its slide is not known.

        A slide that was measured against ``kallsyms`` is checked against it at each address.
        """
        if self.slide is None:
            return None
        name = str(self.system_map.path)
        table = self.system_map.table(name, slide=self.slide.value, aliases=self.aliases)
        if self.slide.source is SlideSource.KALLSYMS and kallsyms is not None:
            return CrossCheckedTable(table, kallsyms)
        return table

    def for_release(self, release: str) -> "MapInUse | MapRefusal":
        """Return the map for a log whose kernel states this release.

        A map of another release is refused. A release without KASLR fixes the slide at 0.
        """
        mismatch = contradicted_by(release, self.system_map)
        if mismatch is not None:
            return MapRefusal(f"{mismatch}, the log is of Linux {release}")
        if (
            self.slide is None
            and self.inference is not None
            and not may_be_randomised(self.inference.architecture, release, None)
        ):
            slide = Slide(0, SlideSource.FIXED, f"Linux {release} cannot be randomised")
            return msgspec.structs.replace(
                self, slide=slide, inference=None, unproven_reason=None, is_fixed=True
            )
        return self

    def update_from_trace(self, trace: Trace) -> "MapInUse | MapRefusal":
        """Return the map after one more oops, which may prove its slide or contradict it."""
        if self.inference is None or not trace.has_evidence:
            return self
        if self.slide is not None:
            reason = self.inference.check(trace, self.slide.value)
            if reason is None:
                return self
            return MapRefusal(f"slide {self.slide.value:#x} revoked: {reason}")
        slide = self.inference.infer(trace, self.unproven_traces)
        if isinstance(slide, Slide):
            return msgspec.structs.replace(self, slide=slide, unproven_reason=None)
        return self._add_unproven(trace, slide)

    def _add_unproven(self, trace: Trace, found: NotProven) -> "MapInUse | MapRefusal":
        if found.refutes:
            return MapRefusal(found.reason)
        traces = (trace, *self.unproven_traces)[:_MAX_UNPROVEN_TRACES]
        return msgspec.structs.replace(self, unproven_reason=found.reason, unproven_traces=traces)
