# SPDX-License-Identifier: GPL-2.0-or-later
"""Which function of a module contains an address, where its file and its base are known?

A layout is one allocation of a module at its place. Layouts of modules that have gone are kept, so
that what was logged before they went can still be named: ``probe+0x10/0x40 [nic, unloaded]``.
"""

import bisect
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import elf_header
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.modules import module_elf
from klogd_py.symbols.modules.base_inference import ModuleBase
from klogd_py.symbols.modules.module_elf import ModuleFile, NoModuleFile
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.system.regular_file import read_regular

# Of a file in /sys/module; a page is the most that sysfs gives
ATTRIBUTE_BYTES = 64 << 10
# Layouts of modules that went; the newest are kept
MAX_GONE = 64
GONE = "unloaded"


class ModuleLayout(Struct, frozen=True):
    """The functions of a module from ``start`` up to and without ``end``.

    Of one that has ``gone``, ``beside`` are the modules that were loaded while it lay there: none
    of them can have taken its place.
    """

    module: str
    start: int
    end: int
    table: SymbolTable
    gone: bool = False
    beside: frozenset[tuple[str, int]] = frozenset()

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The function around a run-time address; the module's name says if it has gone."""
        place = self.table.resolve(address)
        if isinstance(place, LookupFailure) or not self.gone:
            return place
        return SymbolAddress(
            place.name, place.offset, place.size, f"{self.module}, {GONE}", place.kind, place.source
        )


class ModuleIndex:
    """Layouts by address, immutable. Where two overlap the later one of the sequence counts."""

    def __init__(self, layouts: Iterable[ModuleLayout] = ()) -> None:
        kept: list[ModuleLayout] = []
        for layout in reversed(list(layouts)):
            if not any(layout.start < other.end and other.start < layout.end for other in kept):
                kept.append(layout)
        self._layouts = sorted(kept, key=lambda layout: layout.start)
        self._starts = [layout.start for layout in self._layouts]

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The function around a run-time address."""
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._layouts[at].end:
            return LookupFailure.OUTSIDE
        return self._layouts[at].resolve(address)

    def find_by_name(self, name: str) -> list[tuple[int, SymbolAddress]]:
        """Where functions with this name begin."""
        starts = [
            address for layout in self._layouts for address, _ in layout.table.find_by_name(name)
        ]
        placed = [(address, self.resolve(address)) for address in starts]
        return [(address, place) for address, place in placed if isinstance(place, SymbolAddress)]


def lay_out(file: ModuleFile, base: ModuleBase) -> ModuleLayout | None:
    """A module's functions at a base; ``None`` if its file has none there."""
    code = file.init if base.init else file.core
    if not code.functions or not 0 < base.address < base.address + len(code.text) < 1 << 64:
        return None
    lines = b"\n".join(module_elf.rows(code, file.name, base.address)) + b"\n"
    return ModuleLayout(
        file.name, base.address, base.address + len(code.text), SymbolTable(lines, str(file.path))
    )


class ModuleFiles:
    """The files of the modules of one kernel.

    Mutable only in that each is read once, when it is first asked for.
    """

    def __init__(
        self, folder: Path | None = None, release: str = "", modules: Path | None = None
    ) -> None:
        """``folder`` is searched.

        ``modules`` is ``/sys/module`` of the running kernel, if it is that one's.
        """
        self._folder = folder
        self._release = release
        self._modules = modules
        self._paths: dict[str, Path] | None = None
        self._walked = False
        self._read: dict[str, ModuleFile | str] = {}

    @property
    def are_known(self) -> bool:
        """Whether there is a folder to look in."""
        return self._folder is not None

    def without_failures(self) -> "ModuleFiles":
        """The same, but what could not be found or read will be looked for again."""
        fresh = ModuleFiles(self._folder, self._release, self._modules)
        fresh._read = {
            name: file for name, file in self._read.items() if isinstance(file, ModuleFile)
        }
        return fresh

    def get(self, name: str) -> ModuleFile | str:
        """A module's file, or why there is none."""
        if name not in self._read:
            self._read[name] = isolate_failure(
                lambda: self._load(name), lambda reason: f"the file of module {name} {reason}"
            )
        return self._read[name]

    def all_of(self, names: Sequence[str]) -> list[ModuleFile]:
        """The files of these modules, as far as there are any."""
        return [file for file in map(self.get, names) if isinstance(file, ModuleFile)]

    def reported_base(self, name: str) -> ModuleBase | None:
        """Where the kernel says in ``sections/.text`` that a module's code begins, if it does."""
        if self._modules is None:
            return None
        try:
            address = int(
                read_regular(self._modules / name / "sections/.text", ATTRIBUTE_BYTES), 16
            )
        except (OSError, ValueError):
            return None
        return (
            ModuleBase(name, address, proof=f"{self._modules}/{name}/sections") if address else None
        )

    def _load(self, name: str) -> ModuleFile | str:
        if self._folder is None:
            return "no folder with the files of modules is known"
        if self._paths is None:
            self._paths = module_elf.listed(self._folder)
        if name not in self._paths and not self._walked:
            self._walked = True
            self._paths = module_elf.walked(self._folder) | self._paths
        path = self._paths.get(name)
        if path is None:
            return f"no file of module {name} below {self._folder}"
        try:
            file = module_elf.load(path, name)
        except NoModuleFile as error:
            return str(error)
        return self._stranger(file) or file

    def _stranger(self, file: ModuleFile) -> str:
        """Why a file is not that of the module that is loaded; empty if nothing says so."""
        release = file.vermagic.partition(" ")[0]
        if self._release and release and release != self._release:
            return f"{file.path}: made for Linux {release}, the kernel is {self._release}"
        if self._modules is None:
            return ""
        running = elf_header.build_id(
            _content(self._modules / file.name / "notes/.note.gnu.build-id")
        )
        if running and file.build_id and running != file.build_id:
            return f"{file.path}: another build, its build id is {file.build_id}, that of the loaded one {running}"
        loaded = (
            _content(self._modules / file.name / "srcversion").decode("ascii", "replace").strip()
        )
        if loaded and file.srcversion and loaded != file.srcversion:
            return f"{file.path}: another version, srcversion {file.srcversion}, than the loaded one, {loaded}"
        return ""


def _content(path: Path) -> bytes:
    try:
        return read_regular(path, ATTRIBUTE_BYTES)
    except OSError:
        # It can only tell more than is known
        return b""
