# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the lines of a crash apart: every fact that the kernel has printed.

What a line means is told by the modules for its form: `frame_lines`, `stack_labels`,
`program_counter`, `process_lines`, `module_list`, `access_lines`, `lock_lines`, `header_facts`.
"""

from collections.abc import Sequence

from msgspec import Struct

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Access, Frame, Kernel, Module, Process, Source
from klogd_py.reports.anatomy.access_lines import AccessReader
from klogd_py.reports.anatomy.architecture import architecture_of
from klogd_py.reports.anatomy.code_messages import read_message
from klogd_py.reports.anatomy.header_facts import HeaderFacts, read_header
from klogd_py.reports.anatomy.lock_lines import LockPlace, LockReader
from klogd_py.reports.anatomy.module_list import ModuleList
from klogd_py.reports.anatomy.process_lines import ProcessReader
from klogd_py.reports.anatomy.program_counter import is_user_register_line
from klogd_py.reports.anatomy.stacks import CounterLine, StackReader, TracedStack
from klogd_py.reports.raw_report import RawReport, ReportLine

_CODE = lazy_pattern(r"[ \t]{0,16}(?:Krnl Code|Code|Instruction dump|Instruction DUMP): ?")
_END = lazy_pattern(r"-{1,8}\[ end (?:trace|Kernel panic)")
_CODE_ROW = lazy_pattern(r"[ \t]{0,16}(?:[0-9a-fX<>()]{2,20}(?:[ \t]{1,4}|$)){1,64}$")


class Anatomy(Struct, frozen=True):
    """The facts of one report, before anything is concluded from them.

    ``texts`` are all lines, a record of several lines being several. ``counters`` are the program
    counters outside of stacks, ``lock_places`` where locks are taken or released,
    ``held_places`` where those that are held were taken.

    Size: one field for each kind of fact that the kernel prints.
    """

    header: HeaderFacts
    texts: tuple[str, ...]
    process: Process
    kernel: Kernel
    stacks: tuple[TracedStack, ...] = ()
    counters: tuple[CounterLine, ...] = ()
    lock_places: tuple[LockPlace, ...] = ()
    held_places: tuple[LockPlace, ...] = ()
    locks: tuple[str, ...] = ()
    modules: tuple[Module, ...] = ()
    last_unloaded: tuple[str, ...] = ()
    access: Access | None = None
    message: str = ""
    code: str = ""

    @property
    def counter(self) -> Frame | None:
        """The function in which the processor was, as the first register block states it."""
        return self.counters[0].frame if self.counters else None

    @property
    def source(self) -> Source | None:
        """The place in the source that the header states."""
        return self.header.source

    def stacks_after(self, line: int) -> tuple[TracedStack, ...]:
        """The call traces from a line on."""
        return tuple(stack for stack in self.stacks if stack.line >= line and stack.is_call_trace)


def read_anatomy(raw: RawReport) -> Anatomy:
    """Return the facts of a report; any line may be missing, cut or foreign."""
    texts = texts_of(raw.lines)
    header = read_header(texts[0])
    stacks = StackReader(header.text)
    locks, modules, access = LockReader(), ModuleList(), AccessReader(raw.kind)
    process, code = ProcessReader(), CodeText()
    process.read_header(texts[0])
    access.read_line(texts[0])
    for number, text in enumerate(texts):
        if not number or not text:
            continue
        if code.read_line(text):
            continue
        if process.read_line(text):
            if "omm: " in text:
                stacks.close()
            continue
        if modules.read_line(number, text) or locks.read_line(number, text):
            continue
        if stacks.read_line(number, text):
            continue
        if _END.match(text):
            stacks.close()
        if number == 1:
            process.read_header(text)
        access.read_line(text)
    found = stacks.stacks
    return Anatomy(
        header,
        texts,
        process.process,
        architecture_of(process.kernel, texts, found),
        found,
        tuple(stacks.counters),
        tuple(locks.places),
        tuple(locks.held_places),
        tuple(locks.held),
        tuple(modules.modules.values()),
        modules.last_unloaded,
        access.access,
        read_message(header, texts, texts_of(raw.context)),
        code.text,
    )


def texts_of(lines: Sequence[ReportLine]) -> tuple[str, ...]:
    """Return the texts, those of several lines apart, without what a terminal has left."""
    texts: list[str] = []
    for line in lines:
        text = line.text
        if "\n" in text or "\r" in text:
            texts += (part.rstrip("\r") for part in text.split("\n"))
        else:
            texts.append(text)
    if len(texts) > 1 and texts[0].endswith((" at", " at ")):
        # A mail program has wrapped the header of a WARN in front of its function.
        texts[0] = f"{texts[0].rstrip()} {texts[1].strip()}"
    return tuple(texts) or ("",)


class CodeText:
    """The machine code of one report, as printed. Mutable: filled line by line."""

    def __init__(self) -> None:
        self.text = ""
        self._is_user = False
        self._wants_more = False

    def read_line(self, text: str) -> bool:
        """Take a line; ``False`` if it has no code. Code behind a user's registers is skipped."""
        found = _CODE.match(text) if "ode:" in text[:24] or "nstruction " in text[:28] else None
        if found is not None:
            self._wants_more = not self._is_user and not self.text
            if self._wants_more:
                self.text = text[found.end() :].strip()
            self._is_user = False
            return True
        if self._wants_more:
            self._wants_more = len(text) < 300 and _CODE_ROW.match(text) is not None
            if self._wants_more:
                self.text = f"{self.text} {text.strip()}".strip()
                return True
        if "RIP: 00" in text and is_user_register_line(text):
            self._is_user = True
        return False
