# SPDX-License-Identifier: GPL-2.0-or-later
"""Track which modules are loaded, where they are, and where the unloaded ones were.

Where /proc/kallsyms shows the symbols of modules nothing more is needed while they are loaded.
Elsewhere a module's file is laid out at its base: the one that /proc/modules or ``sections/.text``
shows, or that an oops has proved. A layout is kept when its module is unloaded, and marked so.

Source of truth: kernel/module/procfs.c; kernel/module/sysfs.c (addresses are shown as in
/proc/kallsyms).
"""

from collections.abc import Collection, Iterable

import msgspec
from msgspec import Struct

from klogd_py.oops.module_places import StatedBase
from klogd_py.oops.trace_parser import Trace
from klogd_py.record.types import LookupFailure
from klogd_py.symbols import elf_header
from klogd_py.symbols.kallsyms import end_of_page
from klogd_py.symbols.modules.base_inference import (
    ModuleBase,
    NamesAt,
    contradiction,
    infer_bases,
)
from klogd_py.symbols.modules.module_elf import ModuleFile
from klogd_py.symbols.modules.module_files import ModuleFiles
from klogd_py.symbols.modules.module_index import (
    MAX_UNLOADED,
    ModuleIndex,
    ModuleLayout,
    lay_out,
)
from klogd_py.symbols.modules.proc_modules import ModuleList, ModuleLoad
from klogd_py.symbols.modules.return_check import are_return_addresses
from klogd_py.symbols.resolver import Resolve
from klogd_py.symbols.symbol_line import HOLE, MODULE_CODE_KINDS
from klogd_py.symbols.symbol_table import SymbolTable

# Modules whose files are read for one oops
MAX_SEARCHED = 128
# Where modules can be. arm64 has them within 2 GiB of a kernel that can be anywhere: an address
# that the map resolves is not theirs.
_MODULE_SPACES = {
    elf_header.X86_64: range(0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000),
    elf_header.AARCH64: range(0xFFFF000000000000, 1 << 64),
}


class LoadedModules(Struct, frozen=True):
    """What is known of the modules.

    ``table`` is that of kallsyms. ``bases`` are those at which files are laid out, ``layouts``
    their layouts, ``unloaded`` the layouts of modules that were unloaded, the newest last.
    ``no_listing`` says that there is no list of the modules, as for another machine's log.
    """

    listing: ModuleList = ModuleList(())
    files: ModuleFiles = ModuleFiles()
    table: SymbolTable | LookupFailure = LookupFailure.NO_SYMBOLS
    bases: tuple[ModuleBase, ...] = ()
    layouts: tuple[ModuleLayout, ...] = ()
    unloaded: tuple[ModuleLayout, ...] = ()
    no_listing: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def needs_traces(self) -> bool:
        """Whether the bases of modules are known by oopses only."""
        return not isinstance(self.table, SymbolTable) and self.files.has_folder

    @property
    def lacks_bases(self) -> bool:
        """Whether there are modules whose base only an oops can show."""
        if not self.needs_traces:
            return False
        known = {base.module for base in self.bases}
        return self.no_listing or any(name not in known for name in self.listing.hidden_names)

    @property
    def sources(self) -> list[ModuleIndex | ModuleList]:
        """The sources that can resolve an address, in order.

        Files at their bases; /proc/modules, which knows the module's name; unloaded modules.
        """
        sources: list[ModuleIndex | ModuleList] = (
            [ModuleIndex(self.layouts)] if self.layouts else []
        )
        sources += [self.listing] if self.listing.count else []
        unloaded = self._intact_unloaded
        return [*sources, ModuleIndex(unloaded)] if unloaded else sources

    @property
    def _intact_unloaded(self) -> list[ModuleLayout]:
        """The unloaded layouts whose place no module with a hidden base can have taken."""
        known = {base.module for base in self.bases}
        load_ids = self.listing.load_ids
        unplaced = {
            ModuleLoad(name, load_ids.get(name, 0))
            for name in self.listing.hidden_names
            if name not in known
        }
        return [layout for layout in self.unloaded if unplaced <= layout.loaded_with]

    def update_from_trace(
        self, trace: Trace, kernel_names_at: NamesAt, resolve: Resolve
    ) -> "LoadedModules":
        """Return the modules after one more oops; ``resolve`` is by what was known before it."""
        checked = self.update_from_stated(trace)._without_contradicted(trace, kernel_names_at)
        if not checked.lacks_bases:
            return checked

        # In a capture nothing tells that a module was loaded again, perhaps at another address.
        known = {base.module for base in checked.bases} if not checked.no_listing else set()
        # A panic prints no list
        names = trace.modules or checked.listing.hidden_names
        wanted = [name for name in names if name not in known][:MAX_SEARCHED]
        files = checked.files.get_all(wanted)
        space = _MODULE_SPACES.get(files[0].machine, range(0)) if files else range(0)

        def is_unexplained(address: int) -> bool:
            symbol = resolve(address)
            return address in space and (isinstance(symbol, LookupFailure) or not symbol.name)

        if not any(is_unexplained(frame.address) for frame in trace.frames):
            return checked
        is_complete = 0 < len(wanted) == len(files) < MAX_SEARCHED
        bases = infer_bases(trace, files, is_complete, kernel_names_at, is_unexplained)
        return checked._with_bases_of(trace, bases) if bases else checked

    def update_from_stated(self, trace: Trace) -> "LoadedModules":
        """Return the same with the bases that the kernel itself states in the frames of an oops.

        The file of another build is remarked, and not used.
        """
        found = self
        for stated in trace.module_bases if self.needs_traces else ():
            base = ModuleBase(stated.module, stated.address, "the kernel states it in an oops")
            file = found.files.get(stated.module)
            if base in found.bases or not isinstance(file, ModuleFile):
                continue
            wrong = _mismatch(file, stated, trace)
            if wrong is not None:
                if wrong not in found.remarks:
                    found = msgspec.structs.replace(found, remarks=(*found.remarks, wrong))
                continue
            others = [other for other in found.bases if other.module != stated.module]
            found = msgspec.structs.replace(found, bases=(), layouts=())
            found = found.with_bases(others)._with_bases_of(trace, [base])
        return found

    def with_bases(self, bases: Iterable[ModuleBase]) -> "LoadedModules":
        """Return the same with the files of these modules laid out, too."""
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

    def _with_bases_of(self, trace: Trace, bases: Collection[ModuleBase]) -> "LoadedModules":
        """Return the same with the bases that a trace shows.

        A module that the list does not have any more was unloaded before its trace was read, and
        one that was loaded since may lie there.
        """
        load_ids = self.listing.load_ids
        gone = [base for base in bases if not self.no_listing and base.module not in load_ids]
        found = self.with_bases(base for base in bases if base not in gone)
        if not gone:
            return found
        loaded_with = frozenset(
            ModuleLoad(name, load_ids[name]) for name in trace.modules if load_ids.get(name)
        )
        layouts = LoadedModules(files=self.files).with_bases(gone).layouts
        unloaded = [_unloaded(layout, loaded_with) for layout in layouts]
        return msgspec.structs.replace(found, unloaded=(*found.unloaded, *unloaded)[-MAX_UNLOADED:])

    def _without_contradicted(self, trace: Trace, kernel_names_at: NamesAt) -> "LoadedModules":
        """Return the same without the bases that a trace contradicts."""
        wrong: dict[ModuleBase, str] = {}
        for base in self.bases:
            file = self.files.get(base.module)
            if isinstance(file, ModuleFile):
                reason = contradiction(trace, file, base, kernel_names_at)
                if reason is not None:
                    where = f"module {base.module} does not lie at {base.address:#x} any more"
                    wrong[base] = f"{where}: {reason}"
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
    """Return what is known of the modules now.

    Bases that were known ``before`` are kept for modules that were not loaded again since.
    """
    now = LoadedModules(listing, files, table, no_listing=no_listing)
    if not isinstance(table, SymbolTable):
        listed = [ModuleBase(name, base, "/proc/modules") for name, base in listing.bases.items()]
        reported = [
            base for name in listing.hidden_names if (base := files.reported_base(name)) is not None
        ]
        known = {base.module for base in (*listed, *reported)}
        kept = [
            base
            for base in (before.bases if before is not None else ())
            if base.module not in known
            and (no_listing or _is_same_load(base.module, before, listing))
        ]
        now = now.with_bases([*listed, *reported, *kept])
    if before is None:
        return now
    return msgspec.structs.replace(now, unloaded=_unloaded_layouts(before, now))


def _mismatch(file: ModuleFile, stated: StatedBase, trace: Trace) -> str | None:
    """Say why a file is not that of the module in a trace; ``None`` if nothing shows that."""
    if len(file.core.text) > stated.size:
        return f"{file.path}: has more code than module {stated.module} in the log"
    returns = [
        frame.address - stated.address
        for frame in trace.frames
        if frame.module == stated.module and frame.reliable and not frame.exact
    ]
    if not are_return_addresses(returns, file):
        return f"{file.path}: has no calls where module {stated.module} in the log has them"
    return None


def _is_same_load(module: str, before: LoadedModules | None, listing: ModuleList) -> bool:
    """Whether a module has not been loaded again; false where that is not known."""
    load_id = listing.load_ids.get(module, 0)
    return before is not None and load_id != 0 and before.listing.load_ids.get(module) == load_id


def _unloaded_layouts(before: LoadedModules, now: LoadedModules) -> tuple[ModuleLayout, ...]:
    """Return the layouts of unloaded modules, the newest last."""
    present = {(layout.module, layout.start) for layout in now.layouts}
    loaded_with = frozenset(
        ModuleLoad(name, load_id) for name, load_id in before.listing.load_ids.items() if load_id
    )
    unloaded = [
        _unloaded(layout, loaded_with)
        for layout in before.layouts
        if (layout.module, layout.start) not in present
    ]
    if isinstance(before.table, SymbolTable):
        for name, base in before.listing.bases.items():
            if (
                now.listing.bases.get(name) != base
                and (layout := _layout_by_kallsyms(before.table, name)) is not None
            ):
                unloaded.append(_unloaded(layout, loaded_with))
    return (*before.unloaded, *unloaded)[-MAX_UNLOADED:]


def _unloaded(layout: ModuleLayout, loaded_with: frozenset[ModuleLoad]) -> ModuleLayout:
    return msgspec.structs.replace(layout, is_unloaded=True, loaded_with=loaded_with)


def _layout_by_kallsyms(table: SymbolTable, name: str) -> ModuleLayout | None:
    """Return the code of a module as kallsyms showed it; ``None`` if it showed none."""
    lines = [
        line for line in table.module_lines(name) if line.split(b" ", 2)[1] in MODULE_CODE_KINDS
    ]
    if not lines:
        return None
    digits = lines[0].find(b" ")
    start, last = int(lines[0][:digits], 16), int(lines[-1][:digits], 16)
    end = end_of_page(last)
    rows = b"\n".join([*lines, b"%0*x %s end" % (digits, end, HOLE)]) + b"\n"
    return ModuleLayout(name, start, end, SymbolTable(rows, table.source))
