# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the module whose code contains an address, by /proc/modules.

``ext4 1003520 1 - Live 0xffffffffc0a00000 (O)``: name, size, references, users, state, address,
taints. Since Linux 6.4 the address is that of the text alone while the size counts all sections, so
that ``address + size`` is only an upper bound. What is true on every kernel: texts do not overlap,
and each begins at a listed address. So a code address in module space can only be in the text of
the module with the nearest address below.

Source of truth: kernel/module/procfs.c ``m_show``.
"""

import bisect
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.symbol_line import SymbolStart, is_name

SOURCE = "modules"
# Some thousand modules take less than 1 MiB
MAX_BYTES = 4 << 20

_SIZE = re.compile(r"[0-9]{1,18}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{1,16}")


class Module(Struct, frozen=True):
    """A loaded module.

    ``base`` is the address of its text, 0 if hidden; ``size`` is the bytes of all its sections.
    ``load_id`` is another number each time that the module is loaded, 0 if it is not known.
    """

    name: str
    base: int
    size: int
    load_id: int = 0


class ModulePlace(Struct, frozen=True):
    """Where a module is, and the number of its load: all that can change when it is loaded."""

    name: str
    base: int
    load_id: int


class ModuleLoad(Struct, frozen=True):
    """One load of a module: its name and its ``load_id``."""

    name: str
    load_id: int


class ModuleList:
    """The loaded modules by address, immutable.

    ``hidden`` is set if the kernel shows no address at all. ``bases`` are the addresses that it
    shows, by name; ``hidden_names`` the modules without one. ``layout`` differs once other modules
    are loaded, or the same ones at other addresses.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        listed = list(modules)
        self.count = len(listed)
        self.layout = frozenset(
            ModulePlace(module.name, module.base, module.load_id) for module in listed
        )
        self.load_ids = {module.name: module.load_id for module in listed}
        self.hidden = bool(listed) and not any(module.base for module in listed)
        self._modules = sorted(
            (module for module in listed if module.base), key=lambda module: module.base
        )
        self._bases = [module.base for module in self._modules]
        self.bases = {module.name: module.base for module in self._modules}
        self.hidden_names = tuple(module.name for module in listed if not module.base)

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """Return the module at an address, as a `SymbolAddress` without a name.

        OUTSIDE if there is none; HIDDEN if the kernel shows no address.
        """
        at = bisect.bisect_right(self._bases, address) - 1
        if at < 0 or address >= self._end(at):
            return LookupFailure.HIDDEN if self.hidden else LookupFailure.OUTSIDE
        module = self._modules[at]
        return SymbolAddress("", address - module.base, module.size, module.name, "t", SOURCE)

    def find_by_name(self, name: str) -> list[SymbolStart]:
        """Return nothing: /proc/modules has no symbols."""
        return []

    def _end(self, at: int) -> int:
        module = self._modules[at]
        following = self._bases[at + 1] if at + 1 < len(self._bases) else module.base + module.size
        return min(module.base + module.size, following)


def parse(text: str, load_id_of: Callable[[str], int] = lambda name: 0) -> ModuleList:
    """Parse a whole /proc/modules; malformed lines are ignored."""
    modules = []
    for line in text.splitlines():
        words = line.split()
        if (
            len(words) < 6
            or _SIZE.fullmatch(words[1]) is None
            or _ADDRESS.fullmatch(words[5]) is None
        ):
            continue
        if _is_module_name(words[0]):
            modules.append(Module(words[0], int(words[5], 16), int(words[1]), load_id_of(words[0])))
    return ModuleList(modules)


def _is_module_name(name: str) -> bool:
    """Whether a module, and its folder in /sys/module, can have this name."""
    return is_name(name.encode("utf-8", "replace")) and "/" not in name and name not in (".", "..")


def parse_with_load_ids(text: str, sys_modules: Path | None = None) -> ModuleList:
    """Parse a whole /proc/modules, with ``load_id`` of each module.

    ``sys_modules`` is /sys/module if the text is this kernel's. Each load of a module makes a new
    directory there; ``load_id`` is its inode number (fs/kernfs/dir.c ``kernfs_new_node``).
    """

    def load_id_of(name: str) -> int:
        try:
            return (sys_modules / name).stat().st_ino if sys_modules is not None else 0
        except OSError:
            return 0

    return parse(text, load_id_of)
