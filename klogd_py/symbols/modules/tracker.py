# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules are loaded, where do they lie, and where did those lie that have gone?

Where /proc/kallsyms shows the symbols of modules nothing more is needed while they are loaded.
Elsewhere a module's file is laid out at its base: what /proc/modules or ``sections/.text`` show of
it, or what an oops has proved. A layout outlives its module, marked as gone.

Source of truth: kernel/module/procfs.c; kernel/module/sysfs.c (addresses are shown as in
/proc/kallsyms).
"""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import elf_header
from klogd_py.symbols.kallsyms import end_of_page
from klogd_py.symbols.modules.base_inference import ModuleBase, NamesAt, contradicts, locate
from klogd_py.symbols.modules.module_elf import ModuleFile
from klogd_py.symbols.modules.module_index import (
    MAX_GONE,
    ModuleFiles,
    ModuleIndex,
    ModuleLayout,
    lay_out,
)
from klogd_py.symbols.modules.proc_modules import ModuleList
from klogd_py.symbols.symbol_line import HOLE
from klogd_py.symbols.symbol_table import SymbolTable

# Modules whose files are read for one oops
MAX_SEARCHED = 128
# Where modules can lie. arm64 has them within 2 GiB of a kernel that can be anywhere: what the map
# names is not theirs.
_MODULE_SPACES = {
    elf_header.X86_64: range(0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000),
    elf_header.AARCH64: range(0xFFFF000000000000, 1 << 64),
}

PlaceOf = Callable[[int], SymbolAddress | LookupFailure]


class LoadedModules(Struct, frozen=True):
    """What is known of modules.

    ``table`` is that of kallsyms, ``bases`` are those at which files are laid out, ``gone`` the
    layouts of the past. ``no_listing`` says that there is no list of the modules, as for another
    machine's log.
    """

    listing: ModuleList = ModuleList(())
    files: ModuleFiles = ModuleFiles()
    table: SymbolTable | LookupFailure = LookupFailure.NO_SYMBOLS
    bases: tuple[ModuleBase, ...] = ()
    layouts: tuple[ModuleLayout, ...] = ()
    gone: tuple[ModuleLayout, ...] = ()
    no_listing: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def wants_traces(self) -> bool:
        """Whether oopses are what shows where modules lie."""
        return not isinstance(self.table, SymbolTable) and self.files.are_known

    @property
    def lacks_bases(self) -> bool:
        """Whether there are modules whose place only an oops can show."""
        if not self.wants_traces:
            return False
        known = {base.module for base in self.bases}
        return self.no_listing or any(name not in known for name in self.listing.hidden_names)

    @property
    def sources(self) -> list[ModuleIndex | ModuleList]:
        """Who can place an address, in order.

        Files at their bases, at least the module's name, what once lay there.
        """
        sources: list[ModuleIndex | ModuleList] = (
            [ModuleIndex(self.layouts)] if self.layouts else []
        )
        sources += [self.listing] if self.listing.count else []
        past = self._past
        return [*sources, ModuleIndex(past)] if past else sources

    @property
    def _past(self) -> list[ModuleLayout]:
        """The layouts of the past in whose place no module of unknown place can lie by now."""
        known = {base.module for base in self.bases}
        incarnations = self.listing.incarnations
        unplaced = {
            (name, incarnations.get(name, 0))
            for name in self.listing.hidden_names
            if name not in known
        }
        return [layout for layout in self.gone if unplaced <= layout.beside]

    def update_from_trace(
        self, trace: Trace, names_at: NamesAt, place_of: PlaceOf
    ) -> "LoadedModules":
        """What is known once a trace has been read; ``place_of`` is what was known before."""
        checked = self._without_contradicted(trace, names_at)
        if not checked.lacks_bases:
            return checked

        # in a capture nothing tells that a module was loaded again, perhaps no_listing
        known = {base.module for base in checked.bases} if not checked.no_listing else set()
        # A panic prints no list
        there = trace.modules or checked.listing.hidden_names
        wanted = [name for name in there if name not in known][:MAX_SEARCHED]
        files = checked.files.all_of(wanted)
        space = _MODULE_SPACES.get(files[0].machine, range(0)) if files else range(0)

        def is_open(address: int) -> bool:
            place = place_of(address)
            return address in space and (isinstance(place, LookupFailure) or not place.name)

        if not any(is_open(frame.address) for frame in trace.frames):
            return checked
        found = locate(
            trace, files, 0 < len(wanted) == len(files) < MAX_SEARCHED, names_at, is_open
        )
        return checked.with_bases(found) if found else checked

    def with_bases(self, bases: Iterable[ModuleBase]) -> "LoadedModules":
        """The same with more modules laid out."""
        pairs = []
        for base in bases:
            file = self.files.get(base.module)
            layout = lay_out(file, base) if isinstance(file, ModuleFile) else None
            if layout is not None:
                pairs.append((base, layout))
        return msgspec.structs.replace(
            self,
            bases=(*self.bases, *(base for base, _ in pairs)),
            layouts=(*self.layouts, *(layout for _, layout in pairs)),
        )

    def _without_contradicted(self, trace: Trace, names_at: NamesAt) -> "LoadedModules":
        """Bases against which a trace speaks are known no longer."""
        wrong: dict[ModuleBase, str] = {}
        for base in self.bases:
            file = self.files.get(base.module)
            if isinstance(file, ModuleFile):
                against = contradicts(trace, file, base, names_at)
                if against:
                    wrong[base] = (
                        f"module {base.module} does not lie at {base.address:#x} any more: {against}"
                    )
        if not wrong:
            return self
        kept = msgspec.structs.replace(
            self, bases=(), layouts=(), remarks=(*self.remarks, *wrong.values())
        )
        return kept.with_bases(base for base in self.bases if base not in wrong)


def update_modules(
    listing: ModuleList,
    files: ModuleFiles,
    table: SymbolTable | LookupFailure,
    no_listing: bool = False,
    before: LoadedModules | None = None,
) -> LoadedModules:
    """What is known of modules now.

    Of what was known ``before``, bases stay while their modules have not been loaded anew.
    """
    now = LoadedModules(listing, files, table, no_listing=no_listing)
    if not isinstance(table, SymbolTable):
        shown = [
            ModuleBase(name, base, proof="/proc/modules") for name, base in listing.bases.items()
        ]
        told = [
            base for name in listing.hidden_names if (base := files.reported_base(name)) is not None
        ]
        have = {base.module for base in (*shown, *told)}
        kept = [
            base
            for base in (before.bases if before is not None else ())
            if base.module not in have
            and (no_listing or _is_still_there(base.module, before, listing))
        ]
        now = now.with_bases([*shown, *told, *kept])
    return msgspec.structs.replace(now, gone=_gone(before, now)) if before is not None else now


def _is_still_there(module: str, before: LoadedModules | None, listing: ModuleList) -> bool:
    incarnation = listing.incarnations.get(module, 0)
    return (
        before is not None
        and incarnation != 0
        and before.listing.incarnations.get(module) == incarnation
    )


def _gone(before: LoadedModules, now: LoadedModules) -> tuple[ModuleLayout, ...]:
    """The layouts of the past, the newest last."""
    lying = {(layout.module, layout.start) for layout in now.layouts}
    beside = frozenset(
        (name, number) for name, number in before.listing.incarnations.items() if number
    )
    went = [
        msgspec.structs.replace(layout, gone=True, beside=beside)
        for layout in before.layouts
        if (layout.module, layout.start) not in lying
    ]
    if isinstance(before.table, SymbolTable):
        for name, base in before.listing.bases.items():
            if (
                now.listing.bases.get(name) != base
                and (layout := _by_kallsyms(before.table, name)) is not None
            ):
                went.append(msgspec.structs.replace(layout, beside=beside))
    return (*before.gone, *went)[-MAX_GONE:]


def _by_kallsyms(table: SymbolTable, name: str) -> ModuleLayout | None:
    """The code of a module as kallsyms had it."""
    lines = [
        line
        for line in table.module_lines(name)
        if line.split(b" ", 2)[1] in (b"t", b"T", b"w", b"W")
    ]
    if not lines:
        return None
    digits = lines[0].find(b" ")
    start, last = int(lines[0][:digits], 16), int(lines[-1][:digits], 16)
    end = end_of_page(last)
    rows = b"\n".join([*lines, b"%0*x %s end" % (digits, end, HOLE)]) + b"\n"
    return ModuleLayout(name, start, end, SymbolTable(rows, table.source), gone=True)
