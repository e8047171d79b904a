# SPDX-License-Identifier: GPL-2.0-or-later
"""Which module's code lies around an address, according to /proc/modules?

``ext4 1003520 1 - Live 0xffffffffc0a00000 (O)``: name, size, references, users, state, address,
taints. Since Linux 6.4 the address is that of the text alone while the size counts all sections, so
that ``address + size`` is no more than an upper bound. What holds on every kernel: texts do not
overlap and each begins at a listed address, so a code address in module space can lie only in the
text of the module with the nearest address below.

Source of truth: kernel/module/procfs.c ``m_show``.
"""

import bisect
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.symbol_line import is_name

SOURCE = "modules"
# Some thousand modules take less than 1 MiB
MAX_BYTES = 4 << 20


_SIZE = re.compile(r"[0-9]{1,18}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{1,16}")


class Module(Struct, frozen=True):
    """A loaded module: ``base`` is the address of its text, ``size`` counts bytes of all its
    sections.

    ``incarnation`` is another number after each time that it is loaded; 0 where that is not known.
    """

    name: str
    base: int
    size: int
    incarnation: int = 0


class ModuleList:
    """The loaded modules by address, immutable. ``hidden`` is true where the kernel shows no
    addresses.

    ``bases`` holds the addresses that it shows, by name; ``hidden_names`` the modules without one.
    ``layout`` tells these modules at these places from those of another time.
    """

    def __init__(self, modules: Iterable[Module]) -> None:
        listed = list(modules)
        self.count = len(listed)
        self.layout = frozenset((module.name, module.base, module.incarnation) for module in listed)
        self.incarnations = {module.name: module.incarnation for module in listed}
        self.hidden = bool(listed) and not any(module.base for module in listed)
        self._modules = sorted(
            (module for module in listed if module.base), key=lambda module: module.base
        )
        self._bases = [module.base for module in self._modules]
        self.bases = {module.name: module.base for module in self._modules}
        self.hidden_names = tuple(module.name for module in listed if not module.base)

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The module around an address, as a `SymbolAddress` without a name; OUTSIDE if there is none."""
        at = bisect.bisect_right(self._bases, address) - 1
        if at < 0 or address >= self._end(at):
            return LookupFailure.HIDDEN if self.hidden else LookupFailure.OUTSIDE
        module = self._modules[at]
        return SymbolAddress("", address - module.base, module.size, module.name, "t", SOURCE)

    def find_by_name(self, name: str) -> list[tuple[int, SymbolAddress]]:
        """Nothing: no symbol has its name from here."""
        return []

    def _end(self, at: int) -> int:
        module = self._modules[at]
        following = self._bases[at + 1] if at + 1 < len(self._bases) else module.base + module.size
        return min(module.base + module.size, following)


def parse(text: str, incarnation_of: Callable[[str], int] = lambda name: 0) -> ModuleList:
    """Read a whole /proc/modules; lines that are not in its form are passed over."""
    modules = []
    for line in text.splitlines():
        words = line.split()
        if (
            len(words) < 6
            or _SIZE.fullmatch(words[1]) is None
            or _ADDRESS.fullmatch(words[5]) is None
        ):
            continue
        if _may_be_called(words[0]):
            modules.append(
                Module(words[0], int(words[5], 16), int(words[1]), incarnation_of(words[0]))
            )
    return ModuleList(modules)


def _may_be_called(name: str) -> bool:
    """Whether it can be a module's name, which is also that of its folder in /sys/module."""
    return is_name(name.encode("utf-8", "replace")) and "/" not in name and name not in (".", "..")


def parse_with_loads(text: str, sys_modules: Path | None = None) -> ModuleList:
    """`parse` a whole /proc/modules, and look up the incarnations.

    ``sys_modules`` is /sys/module if the text is this kernel's: each load of a module makes a
    directory there, whose inode has a number of its own (fs/kernfs/dir.c ``kernfs_new_node``).
    """

    def incarnation_of(name: str) -> int:
        try:
            return (sys_modules / name).stat().st_ino if sys_modules is not None else 0
        except OSError:
            return 0

    return parse(text, incarnation_of)
