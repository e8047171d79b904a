# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the evidence of the kernel's load address out of the lines of a trace.

`parse_trace` returns the frames in order, the program counter, the bytes of the ``Code:`` line, and
the stated KASLR offset.

Source of truth: arch/x86/kernel/dumpstack.c ``show_trace_log_lvl``; arch/x86/kernel/setup.c
``dump_kernel_offset``.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from klogd_py.oops import address_scanner
from klogd_py.oops.address_scanner import AddressMatch, Kind
from klogd_py.oops.code_lines import CodeBytes, CodeReader
from klogd_py.oops.line_parts import NAME
from klogd_py.oops.module_places import StatedBase, stated_bases

# Limits of one trace; a stack that overflowed repeats itself
MAX_FRAMES = 256
MAX_PAIRS = 64
MAX_BASES = 64

_MODULES = re.compile(r"\s*Modules linked in:(.*)")
_MODULE = re.compile(r"([A-Za-z0-9_]+)(?:\(([A-Z+-]*)\))?$")
_OFFSET_LINE = re.compile(
    r"\s*Kernel Offset: (?:(disabled)|0x([0-9a-f]{1,16}) from 0x([0-9a-f]{1,16}))"
)
_PC = re.compile(
    r"\s*[RE]?IP: |\s*pc : |\s*(?:PC|pc) is at |\s*(?:Krnl )?PSW : |\s*s?epc *: |\s*era +: |\s*NIP \[|\s*ERA: "  # noqa: E501
)
# Code addresses that are no frames of a call chain
_NO_FRAME_LINE = re.compile(
    r"\s*(?:BUG: K|INFO: |Last user: |kvm \[|caller is|random: |Workqueue: |Stopper: |initcall |calling |NMI backtrace|CFI |(?:hard|soft)irqs last"  # noqa: E501
    r"|unchecked MSR|.{0,300}\}, at: "
    # A word of the stack, whose address stands before it
    r"|(?:[0-9a-f]{8,16}|\(_{0,4}ptrval_{0,4}\)): )"
)
_USER_PC = re.compile(r"\s*[RE]IP: (?:0033|0023|0073|001b):")
_PAIR = re.compile(
    r"\[<([0-9a-f]{8,16})>\] (?:\? )?\(?(" + NAME + r")\+0x([0-9a-f]{1,8})/0x([0-9a-f]{1,8})"
    r"(?: \[(\w+)[^\]]*\])?"
)
_NAMED = re.compile(r"\s*(?:\? )?[A-Za-z_.$][\w.$]*\+0x[0-9a-f]+/0x")


class Frame(Struct, frozen=True, gc=False):
    """A code address of a trace.

    ``exact``: a program counter; not ``reliable``: after a ``?``.
    """

    address: int
    exact: bool = False
    reliable: bool = True
    # Which contains the address, by the line itself; empty where that is not stated
    module: str = ""
    # Directly below the frame before it, which was called from here
    called_previous: bool = False
    # The registers of user space follow: here the kernel was entered.
    is_kernel_entry: bool = False
    # The first of a trace without registers, as printed by dump_stack()
    is_stack_dumper: bool = False


class SymbolizedAddress(Struct, frozen=True, gc=False):
    """An address that the kernel itself has symbolized."""

    address: int
    name: str
    offset: int
    size: int
    module: str = ""


class Trace(Struct, frozen=True):
    """The evidence of one oops.

    ``code`` is the bytes of the kernel's ``Code:`` lines.
    ``bad_pc``: the program counter pointed to no code, and what it found there is no code either.
    ``modules`` are those linked in, ``loading`` those of them whose init function has not returned,
    ``module_bases`` what frames state of where modules lie.
    ``offset`` and ``link_base`` are the two numbers of ``Kernel Offset: .. from ..``.
    ``is_interleaved``: the lines are of several traces, or the unwinder only guessed, so that
    neighbours need not have called one another.
    """

    frames: tuple[Frame, ...] = ()
    code: tuple[CodeBytes, ...] = ()
    bad_pc: bool = False
    modules: tuple[str, ...] = ()
    loading: tuple[str, ...] = ()
    module_bases: tuple[StatedBase, ...] = ()
    offset: int | None = None
    link_base: int = 0
    symbolized: tuple[SymbolizedAddress, ...] = ()
    is_interleaved: bool = False

    @property
    def has_evidence(self) -> bool:
        """Whether there is anything to infer a load address from."""
        return bool(self.frames or self.symbolized) or self.offset is not None


class _Line(Struct, frozen=True, gc=False):
    """A line of a trace.

    ``is_pc``: it states a program counter, of user space if ``is_user_pc``.
    """

    text: str
    is_pc: bool
    is_user_pc: bool


class _FrameReader:
    """The frames of a trace that is being read. Mutable."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._pcs: set[int] = set()
        self._called_previous = False
        self._expects_dumper = False
        # How often a call trace began, and how often user space was left
        self._traces = self._users = 0

    @property
    def is_interleaved(self) -> bool:
        """Whether more than one trace began, or user space was left more than once."""
        return self._traces > 1 or self._users > 1

    def read(self, line: _Line) -> int | None:
        """Read the addresses of a line; returns the kernel's program counter if it states one."""
        self._read_context(line)
        matches = address_scanner.find(line.text) if len(self.frames) < MAX_FRAMES else ()
        if not matches and _NAMED.match(line.text):
            self._called_previous = False
        if not matches or not matches[0].in_trace or _NO_FRAME_LINE.match(line.text):
            return None
        pc = None
        for match in matches[: MAX_FRAMES - len(self.frames)]:
            is_pc = match.kind is Kind.PC or (match.kind is Kind.CLASSIC and line.is_pc)
            # arm64 repeats it at the beginning of the trace.
            exact = is_pc or match.address in self._pcs
            if exact and line.is_pc and not line.is_user_pc:
                pc = match.address
                self._pcs.add(pc)
            self._add(match, exact, _is_reliable(match, line))
        return pc

    def _read_context(self, line: _Line) -> None:
        """Take note of what a line says about the frames before and behind it."""
        self._traces += "all Trace:" in line.text or "all trace:" in line.text
        self._users += line.is_user_pc
        if line.is_pc:
            self._expects_dumper = self._called_previous = False
        if line.is_user_pc and self.frames:
            last = self.frames[-1]
            if last.reliable and not last.exact:
                self.frames[-1] = msgspec.structs.replace(last, is_kernel_entry=True)
        if "CPU: " in line.text and " Comm: " in line.text:
            self._expects_dumper = True

    def _add(self, match: AddressMatch, exact: bool, reliable: bool) -> None:
        is_caller = reliable and not exact
        is_dumper = is_caller and self._expects_dumper and self._traces > 0
        if is_dumper:
            self._expects_dumper = False
        self.frames.append(
            Frame(
                match.address,
                exact,
                reliable,
                match.module,
                called_previous=is_caller and self._called_previous,
                is_stack_dumper=is_dumper,
            )
        )
        # An unreliable frame is ignored: those around it still called one another.
        if reliable:
            self._called_previous = not exact


class _TraceReader:
    """A trace that is being read. Mutable."""

    def __init__(self) -> None:
        self.frames = _FrameReader()
        self.code = CodeReader()
        self.modules: dict[str, bool] = {}
        self.module_bases: dict[StatedBase, None] = {}
        self.offset: int | None = None
        self.link_base = 0
        self.symbolized: dict[int, SymbolizedAddress] = {}

    def read_line(self, text: str) -> None:
        is_pc, is_user_pc = _PC.match(text), _USER_PC.match(text)
        line = _Line(text, is_pc is not None, is_user_pc is not None)
        pc = self.frames.read(line)
        if line.is_pc:
            self.code.begin_registers(pc)
        self.code.read_line(text)
        if "[<" in text and len(self.symbolized) < MAX_PAIRS:
            for pair in _PAIR.finditer(text):
                self.symbolized.setdefault(int(pair[1], 16), _pair_of(pair))
        if "@" in text and len(self.module_bases) < MAX_BASES:
            self.module_bases.update(dict.fromkeys(stated_bases(text)))
        if (offset := _OFFSET_LINE.match(text)) is not None:
            self.offset = 0 if offset[1] else int(offset[2], 16)
            self.link_base = 0 if offset[1] else int(offset[3], 16)
        if (listed := _MODULES.match(text)) is not None:
            self._read_modules(listed[1])

    def _read_modules(self, names: str) -> None:
        for word in names.partition("[")[0].split():
            if (module := _MODULE.match(word)) is not None:
                self.modules[module[1]] = "+" in (module[2] or "")


def parse_trace(lines: Iterable[str]) -> Trace:
    """Read the evidence out of the lines of one trace, in the order in which they were printed."""
    reading = _TraceReader()
    for text in lines:
        for line in text.split("\n"):
            reading.read_line(line)
    printed, code = reading.frames.frames, reading.code
    frames = _mark_reliable(printed)
    return Trace(
        tuple(frames),
        () if code.bad_pc else tuple(code.by_start.values()),
        code.bad_pc,
        tuple(reading.modules),
        tuple(module for module, loading in reading.modules.items() if loading),
        tuple(reading.module_bases),
        reading.offset,
        reading.link_base,
        tuple(reading.symbolized.values()),
        reading.frames.is_interleaved or frames is not printed,
    )


def _is_reliable(match: AddressMatch, line: _Line) -> bool:
    """Whether neither ``?`` before an address nor a word behind it says that it may be stale."""
    return "? " not in line.text[: match.start] and "unreliable" not in line.text[match.end :]


def _mark_reliable(frames: list[Frame]) -> list[Frame]:
    """Mark all frames as reliable if none is.

    Then the unwinder failed, and the kernel printed all text addresses on the stack in order.
    """
    if any(frame.reliable and not frame.exact for frame in frames):
        return frames
    pairs = zip(frames, [None, *frames], strict=False)
    return [
        Frame(
            frame.address,
            frame.exact,
            True,
            frame.module,
            called_previous=before is not None and not before.exact,
        )
        for frame, before in pairs
    ]


def _pair_of(found: re.Match[str]) -> SymbolizedAddress:
    return SymbolizedAddress(
        int(found[1], 16), found[2], int(found[3], 16), int(found[4], 16), found[5] or ""
    )
