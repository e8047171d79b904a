# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the evidence of the kernel's load address out of the lines of a trace.

`parse_trace` returns the frames in order, the program counter, the bytes of the ``Code:`` line, and
the stated KASLR offset.

Source of truth: arch/x86/kernel/dumpstack.c ``show_opcodes``, ``show_trace_log_lvl``;
arch/x86/kernel/setup.c ``dump_kernel_offset``.
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from klogd_py.oops import address_scanner
from klogd_py.oops.address_scanner import Kind
from klogd_py.oops.capture_line import ENVELOPE

# Limits of one trace; a stack that overflowed repeats itself
MAX_FRAMES = 256
MAX_PAIRS = 64

_NOT_CODE = (
    "instruction fetch in kernel",
    "to execute NX",
    "IABT (current EL)",
    "xecute from non-executable",
)
_CODE = re.compile(r"\s*(?:Code|Instruction dump): ?(?P<words>[0-9a-f<>() ]{1,600})\s*$")
_CODE_WORD = re.compile(r"[<(]?((?:[0-9a-f]{2}){1,4})[>)]?")
_MODULES = re.compile(r"\s*Modules linked in:(.*)")
_MODULE = re.compile(r"([A-Za-z0-9_]+)(?:\(([A-Z+-]*)\))?$")
_OFFSET = re.compile(r"\s*Kernel Offset: (?:(disabled)|0x([0-9a-f]{1,16}) from 0x([0-9a-f]{1,16}))")
_PC = re.compile(
    r"\s*[RE]?IP: |\s*pc : |\s*(?:PC|pc) is at |\s*(?:Krnl )?PSW : |\s*s?epc *: |\s*NIP \[|\s*ERA: "
)
# Code addresses that are no frames of a call chain
_NO_FRAME_LINE = re.compile(
    r"\s*(?:BUG: K|INFO: |caller is|random: |Workqueue: |Stopper: |initcall |calling |NMI backtrace|CFI |(?:hard|soft)irqs last"  # noqa: E501
    r"|unchecked MSR|.{0,300}\}, at: )"
)
_USER_PC = re.compile(r"\s*[RE]IP: (?:0033|0023|0073|001b):")
_PAIR = re.compile(
    r"\[<([0-9a-f]{8,16})>\] (?:\? )?\(?([A-Za-z_.$][\w.$]{0,511})\+0x([0-9a-f]{1,8})/0x([0-9a-f]{1,8})(?: \[(\w+)[^\]]*\])?"  # noqa: E501
)
_NAMED = re.compile(r"\s*(?:\? )?[A-Za-z_.$][\w.$]*\+0x[0-9a-f]+/0x")


class Frame(Struct, frozen=True, gc=False):
    """A code address of a trace.

    ``exact``: a program counter; not ``reliable``: after a ``?``.
    """

    address: int
    exact: bool = False
    reliable: bool = True
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

    ``code`` is the bytes of the kernel's ``Code:`` lines, each with the address of its first byte.
    ``bad_pc``: the program counter pointed to no code, and what it found there is no code either.
    ``modules`` are those linked in, ``loading`` those of them whose init function has not returned.
    ``offset`` and ``link_base`` are the two numbers of ``Kernel Offset: .. from ..``.
    ``is_interleaved``: the lines are of several traces, or the unwinder only guessed, so that
    neighbours need not have called one another.
    """

    frames: tuple[Frame, ...] = ()
    code: tuple[tuple[int, bytes], ...] = ()
    bad_pc: bool = False
    modules: tuple[str, ...] = ()
    loading: tuple[str, ...] = ()
    offset: int | None = None
    link_base: int = 0
    symbolized: tuple[SymbolizedAddress, ...] = ()
    is_interleaved: bool = False

    @property
    def has_evidence(self) -> bool:
        """Whether there is anything to infer a load address from."""
        return bool(self.frames or self.symbolized) or self.offset is not None


class _TraceReader:
    """A trace that is being read. Mutable."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.code: dict[int, bytes] = {}
        self.bad_pc = False
        self.modules: dict[str, bool] = {}
        self.offset: int | None = None
        self.link_base = 0
        self.symbolized: dict[int, SymbolizedAddress] = {}
        self._pc: int | None = None
        self._pcs: set[int] = set()
        self._called_previous = False
        self._heads = self._users = 0
        self._expects_dumper = False

    @property
    def is_interleaved(self) -> bool:
        """Whether more than one trace began, or user space was left more than once."""
        return self._heads > 1 or self._users > 1

    def read_line(self, line: str) -> None:
        found = ENVELOPE.match(line)
        at = found.end() if found else 0
        self._heads += "all Trace:" in line or "all trace:" in line
        self._users += bool(_USER_PC.match(line, at))
        if _PC.match(line, at):
            self._expects_dumper = False
            # A Code: line that follows belongs to this register block, not to an earlier one.
            self._pc = None
            self._called_previous = False
        if (
            _USER_PC.match(line, at)
            and self.frames
            and self.frames[-1].reliable
            and not self.frames[-1].exact
        ):
            self.frames[-1] = msgspec.structs.replace(self.frames[-1], is_kernel_entry=True)
        self._expects_dumper = self._expects_dumper or ("CPU: " in line and " Comm: " in line)
        self._read_addresses(line, at)
        self.bad_pc = self.bad_pc or any(marker in line for marker in _NOT_CODE)
        if "ode: " in line or "dump: " in line:
            self._read_code_line(line, at)
        if "[<" in line and len(self.symbolized) < MAX_PAIRS:
            for pair in _PAIR.finditer(line, at):
                self.symbolized.setdefault(int(pair[1], 16), _pair_of(pair))
        if (offset := _OFFSET.match(line, at)) is not None:
            self.offset = 0 if offset[1] else int(offset[2], 16)
            self.link_base = 0 if offset[1] else int(offset[3], 16)
        if (listed := _MODULES.match(line, at)) is not None:
            for word in listed[1].partition("[")[0].split():
                if (module := _MODULE.match(word)) is not None:
                    self.modules[module[1]] = "+" in (module[2] or "")

    def _read_addresses(self, line: str, at: int) -> None:
        if len(self.frames) >= MAX_FRAMES:
            return
        matches = address_scanner.find(line)
        if not matches or _NO_FRAME_LINE.match(line, at):
            if not matches and _NAMED.match(line, at):
                self._called_previous = False
            return
        for match in matches:
            if len(self.frames) >= MAX_FRAMES:
                return
            is_pc_line = bool(_PC.match(line, at))
            exact = match.kind is Kind.PC or (match.kind is Kind.CLASSIC and is_pc_line)
            # arm64 repeats it at the beginning of the trace.
            exact = exact or match.address in self._pcs
            reliable = "? " not in line[at : match.start] and "unreliable" not in line[match.end :]
            if exact and is_pc_line and not _USER_PC.match(line, at):
                self._pc = match.address
                self._pcs.add(match.address)
            dumper = self._expects_dumper and self._heads > 0 and reliable and not exact
            self._expects_dumper = self._expects_dumper and not dumper
            self.frames.append(
                Frame(
                    match.address,
                    exact,
                    reliable,
                    self._called_previous and reliable and not exact,
                    is_stack_dumper=dumper,
                )
            )
            # An unreliable frame is ignored: those around it still called one another.
            if reliable:
                self._called_previous = not exact

    def _read_code_line(self, line: str, at: int) -> None:
        if "Bad " in line or "Unable to access" in line:
            self.bad_pc = self.bad_pc or self._pc is not None
            return
        found = _CODE.match(line, at)
        if found is None or self._pc is None:
            return
        before, raw = _code_bytes(found["words"].split())
        if raw:
            self.code.setdefault(self._pc - before, raw)
        self._pc = None


def parse_trace(lines: Iterable[str]) -> Trace:
    """Read the evidence out of the lines of one trace, in the order in which they were printed."""
    reading = _TraceReader()
    for text in lines:
        for line in text.split("\n"):
            reading.read_line(line)
    frames = _mark_reliable(reading.frames)
    return Trace(
        tuple(frames),
        () if reading.bad_pc else tuple(reading.code.items()),
        reading.bad_pc,
        tuple(reading.modules),
        tuple(module for module, loading in reading.modules.items() if loading),
        reading.offset,
        reading.link_base,
        tuple(reading.symbolized.values()),
        reading.is_interleaved or frames is not reading.frames,
    )


def _mark_reliable(frames: list[Frame]) -> list[Frame]:
    """Mark all frames as reliable if none is.

    Then the unwinder failed, and the kernel printed all text addresses on the stack in order.
    """
    if any(frame.reliable and not frame.exact for frame in frames):
        return frames
    pairs = zip(frames, [None, *frames], strict=False)
    return [
        Frame(frame.address, frame.exact, True, before is not None and not before.exact)
        for frame, before in pairs
    ]


def _code_bytes(words: list[str]) -> tuple[int, bytes]:
    """The bytes of a ``Code:`` line, and how many of them are before the marked one.

    Empty if a word is no number.
    """
    raw = bytearray()
    before = 0
    for word in words:
        found = _CODE_WORD.fullmatch(word)
        if found is None:
            return 0, b""
        if word[0] in "<(":
            before = len(raw)
        # Words are printed as numbers, which are little-endian in memory.
        raw += bytes.fromhex(found[1])[::-1]
    return before, bytes(raw)


def _pair_of(found: re.Match[str]) -> SymbolizedAddress:
    return SymbolizedAddress(
        int(found[1], 16), found[2], int(found[3], 16), int(found[4], 16), found[5] or ""
    )
