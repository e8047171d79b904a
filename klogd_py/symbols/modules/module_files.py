# SPDX-License-Identifier: GPL-2.0-or-later
"""Find and read the files of modules, and refuse one that is not that of the loaded module.

Source of truth: depmod(8), modules.dep(5); kernel/module/sysfs.c for /sys/module.
"""

import os
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from klogd_py.symbols import elf_header
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.modules import module_elf
from klogd_py.symbols.modules.base_inference import ModuleBase
from klogd_py.symbols.modules.module_elf import ModuleFile, NoModuleFile
from klogd_py.system.regular_file import read_if_readable

# modules.dep of a distribution has 700 KiB
MAX_LIST_BYTES = 16 << 20
# Files below a folder; a distribution has 4,000 modules
MAX_SEARCHED_FILES = 200_000
# Of a file in /sys/module; sysfs gives a page at most
MAX_ATTRIBUTE_BYTES = 64 << 10
_FILE = re.compile(r"(?P<name>[^/]+)\.ko(?P<packed>\.xz|\.zst|\.gz)?")


class MissingModuleFile(Struct, frozen=True):
    """Why the file of a module cannot be had, or is not that of the loaded module."""

    reason: str


class ModuleFiles:
    """The files of the modules of one kernel. Mutable: each is read once, when first needed."""

    def __init__(
        self,
        folder: Path | None = None,
        release: str | None = None,
        modules: Path | None = None,
    ) -> None:
        """``folder`` is searched, ``release`` is that of the kernel if it is known.

        ``modules`` is ``/sys/module`` if the files are the running kernel's.
        """
        self._folder = folder
        self._release = release
        self._modules = modules
        self._paths: dict[str, Path] | None = None
        self._walked = False
        self._read: dict[str, ModuleFile | MissingModuleFile] = {}

    @property
    def has_folder(self) -> bool:
        """Whether there is a folder to search."""
        return self._folder is not None

    def without_failures(self) -> "ModuleFiles":
        """Return the same, but what could not be found or read will be searched again."""
        fresh = ModuleFiles(self._folder, self._release, self._modules)
        fresh._read = {
            name: file for name, file in self._read.items() if isinstance(file, ModuleFile)
        }
        return fresh

    def get(self, name: str) -> ModuleFile | MissingModuleFile:
        """Return a module's file, or why there is none."""
        if name not in self._read:
            self._read[name] = isolate_failure(
                lambda: self._load(name),
                lambda reason: MissingModuleFile(f"the file of module {name} {reason}"),
            )
        return self._read[name]

    def get_all(self, names: Sequence[str]) -> list[ModuleFile]:
        """Return the files of these modules, without those that cannot be had."""
        return [file for file in map(self.get, names) if isinstance(file, ModuleFile)]

    def reported_base(self, name: str) -> ModuleBase | None:
        """Return the base that the kernel shows in ``sections/.text``; ``None`` if it hides it."""
        if self._modules is None:
            return None
        raw = self._read_attribute(name, "sections/.text")
        try:
            address = int(raw, 16) if raw is not None else 0
        except ValueError:
            return None
        proof = f"{self._modules}/{name}/sections"
        return ModuleBase(name, address, proof) if address else None

    def _load(self, name: str) -> ModuleFile | MissingModuleFile:
        if self._folder is None:
            return MissingModuleFile("no folder with the files of modules is known")
        if self._paths is None:
            self._paths = read_modules_dep(self._folder)
        if name not in self._paths and not self._walked:
            self._walked = True
            self._paths = find_module_files(self._folder) | self._paths
        path = self._paths.get(name)
        if path is None:
            return MissingModuleFile(f"no file of module {name} below {self._folder}")
        try:
            file = module_elf.load(path, name)
        except NoModuleFile as error:
            return MissingModuleFile(str(error))
        mismatch = self._mismatch(file)
        return file if mismatch is None else MissingModuleFile(mismatch)

    def _mismatch(self, file: ModuleFile) -> str | None:
        """Say why a file is not that of the loaded module; ``None`` if nothing shows that."""
        release = (file.vermagic or "").partition(" ")[0]
        if self._release and release and release != self._release:
            return f"{file.path}: made for Linux {release}, the kernel is {self._release}"
        if self._modules is None:
            return None
        running = elf_header.build_id(
            self._read_attribute(file.name, "notes/.note.gnu.build-id") or b""
        )
        if running and file.build_id and running != file.build_id:
            ids = f"its build id is {file.build_id}, that of the loaded one {running}"
            return f"{file.path}: another build, {ids}"
        raw = self._read_attribute(file.name, "srcversion") or b""
        loaded = raw.decode("ascii", "replace").strip()
        if loaded and file.srcversion and loaded != file.srcversion:
            versions = f"srcversion {file.srcversion}, than the loaded one, {loaded}"
            return f"{file.path}: another version, {versions}"
        return None

    def _read_attribute(self, module: str, attribute: str) -> bytes | None:
        """Return a file of /sys/module; ``None`` if there is none for this kernel."""
        if self._modules is None:
            return None
        return read_if_readable(self._modules / module / attribute, MAX_ATTRIBUTE_BYTES)


def read_modules_dep(folder: Path) -> dict[str, Path]:
    """Return the files that depmod(8) found below a folder such as ``/lib/modules/6.1.0``.

    By the module's name in the kernel; empty if there is no modules.dep.
    """
    raw = read_if_readable(folder / "modules.dep", MAX_LIST_BYTES)
    if raw is None:
        return {}
    return _by_name(
        folder / line.partition(":")[0] for line in raw.decode("utf-8", "replace").splitlines()
    )


def find_module_files(folder: Path) -> dict[str, Path]:
    """Search a folder for files of modules; returns them by the module's name in the kernel.

    Only the first `MAX_SEARCHED_FILES` files are looked at.
    """
    files_below = (Path(here) / file for here, _, files in os.walk(folder) for file in files)
    return _by_name(path for path in islice(files_below, MAX_SEARCHED_FILES) if ".ko" in path.name)


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        file = _FILE.fullmatch(path.name)
        if file is not None:
            found.setdefault(kernel_name(file["name"]), path)
    return found


def kernel_name(name: str) -> str:
    """Return the kernel's name for a module whose file may have dashes in its name."""
    return name.replace("-", "_")
