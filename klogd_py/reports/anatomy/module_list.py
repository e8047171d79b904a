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
_MAX_CHARS = 1024
# The words of a stack that begin below the list
_STACK_WORDS = lazy_pattern(r"[ \t]*(?:[0-9a-f]{16}|[0-9a-f]{8})(?: |$)")
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
        # The number of the line that may go on with the list
        self._next = -1

    def read_line(self, number: int, text: str) -> bool:
        """Take a line that has modules; ``False`` if it has none."""
        start = text.find(MODULES_LABEL)
        if start >= 0:
            self._next = number + 1
            self._read(text[start + len(MODULES_LABEL) :])
            return True
        if number != self._next or len(text) > _MAX_CHARS:
            return False
        if _MORE.fullmatch(text) is None or _STACK_WORDS.match(text) is not None:
            return False
        self._next = number + 1
        self._read(text)
        return True

    def _read(self, text: str) -> None:
        unloaded = _UNLOADED.search(text)
        if unloaded is not None:
            words = (_ONE.fullmatch(word.rstrip(",")) for word in unloaded[1].split())
            self.last_unloaded = tuple(found[1] for found in words if found is not None)
            text = text[: unloaded.start()]
            self._next = -1
        for word in text.split():
            found = _ONE.fullmatch(word)
            if found is not None:
                self.modules.setdefault(found[1], Module(found[1], found[2] or ""))
