# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the modules that were loaded.

``Modules linked in: nic(OE+) ext4 crc16 [last unloaded: loop]``. A line ends where the kernel's
records do, so the list goes on in the next one.

Source of truth: kernel/module/main.c ``print_modules``, ``module_flags``.
"""

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Module

MODULES_LABEL = "Modules linked in:"
_ONE = lazy_pattern(r"([\w-]{1,64})(?:\(([A-Z+-]{1,24})\))?")
_UNLOADED = lazy_pattern(r"\[last unloaded: ([^\]]{0,200})\]?")
# A line of nothing but names of modules
_MORE = lazy_pattern(
    r"[ \t]*(?:[\w-]{1,64}(?:\([A-Z+-]{1,24}\))?[ \t]+){1,200}"
    r"(?:[\w-]{1,64}(?:\([A-Z+-]{1,24}\))?)?[ \t]*(?:\[last unloaded: [^\]]{0,200}\]?)?[ \t]*"
)


class ModuleList:
    """The modules of one report. Mutable: filled line by line."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}
        self.last_unloaded: tuple[str, ...] = ()
        self._is_open = False

    def read_line(self, text: str) -> bool:
        """Take a line that has modules; ``False`` if it has none."""
        start = text.find(MODULES_LABEL)
        if start >= 0:
            self._is_open = True
            self._read(text[start + len(MODULES_LABEL) :])
            return True
        if not self._is_open:
            return False
        self._is_open = False
        if len(text) > 1024 or _MORE.fullmatch(text) is None:
            return False
        self._is_open = True
        self._read(text)
        return True

    def _read(self, text: str) -> None:
        unloaded = _UNLOADED.search(text)
        if unloaded is not None:
            self.last_unloaded = tuple(found[1] for found in _ONE.finditer(unloaded[1]))
            text = text[: unloaded.start()]
            self._is_open = False
        for word in text.split():
            found = _ONE.fullmatch(word)
            if found is not None:
                self.modules.setdefault(found[1], Module(found[1], found[2] or ""))
