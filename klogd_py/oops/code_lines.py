# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the bytes of machine code out of the ``Code:`` lines of a trace.

``Code: 48 8b 05 <0f> 0b`` follows a register block, whose program counter is the address of the
marked byte.

Source of truth: arch/x86/kernel/dumpstack.c ``show_opcodes``; arch/arm64/kernel/traps.c
``dump_kernel_instr``; arch/powerpc/kernel/process.c ``show_instructions``.
"""

import re

from msgspec import Struct

_CODE = re.compile(r"\s*(?:Code|Instruction dump): ?(?P<words>[0-9a-f<>() ]{1,600})\s*$")
_CODE_WORD = re.compile(r"[<(]?((?:[0-9a-f]{2}){1,4})[>)]?")
# Lines that say that a program counter pointed to no code
_NOT_CODE = (
    "instruction fetch in kernel",
    "to execute NX",
    "IABT (current EL)",
    "xecute from non-executable",
)


class CodeBytes(Struct, frozen=True, gc=False):
    """Bytes of machine code, and the address of the first of them."""

    start: int
    content: bytes


class CodeReader:
    """The code of a trace that is being read. Mutable.

    ``by_start`` has the bytes of each ``Code:`` line by their first address. ``bad_pc``: a program
    counter pointed to no code, and what the kernel found there is no code either.
    """

    def __init__(self) -> None:
        self.by_start: dict[int, CodeBytes] = {}
        self.bad_pc = False
        self._pc: int | None = None

    def begin_registers(self, pc: int | None) -> None:
        """Take the kernel's program counter out of a register block; ``None`` if it has none.

        A ``Code:`` line that follows belongs to this block, not to an earlier one.
        """
        self._pc = pc

    def read_line(self, text: str) -> None:
        """Read a line."""
        if any(marker in text for marker in _NOT_CODE):
            self.bad_pc = True
        if ("ode: " in text or "dump: " in text) and self._pc is not None:
            self._read_code(self._pc, text)

    def _read_code(self, pc: int, text: str) -> None:
        if "Bad " in text or "Unable to access" in text:
            self.bad_pc = True
            return
        found = _CODE.match(text)
        if found is None:
            return
        code = _code_around(pc, found["words"].split())
        if code is not None:
            self.by_start.setdefault(code.start, code)
        self._pc = None


def _code_around(pc: int, words: list[str]) -> CodeBytes | None:
    """Return the bytes of a line in which the one at the program counter is marked.

    Without a mark it is the first. ``None`` if there are no bytes, or a word is no number.
    """
    content = bytearray()
    before = 0
    for word in words:
        found = _CODE_WORD.fullmatch(word)
        if found is None:
            return None
        if word[0] in "<(":
            before = len(content)
        # Words are printed as numbers, which are little-endian in memory.
        content += bytes.fromhex(found[1])[::-1]
    return CodeBytes(pc - before, bytes(content)) if content else None
