"""What does an oops say about where the kernel lies, and how long are its records held back until that is known?

`gather` reads the lines of one trace to evidence: its frames in order, where the processor stood, the bytes of its
``Code:`` line, what it says of the slide itself. `Holdback` finds the traces in a stream of records, those of each caller
apart, and keeps the stream back while one is open; it never reorders.

Source of truth: arch/x86/kernel/dumpstack.c ``show_opcodes``, ``show_trace_log_lvl``; arch/x86/kernel/setup.c
``dump_kernel_offset``; kernel/panic.c ``print_oops_end_marker``.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from klogd_py import addresses
from klogd_py.addresses import ENVELOPE, Kind
from klogd_py.record import KERN, Gap, Record

LIMIT_S = 1.0  # no record is held back for longer
LIMIT_RECORDS = 4096  # nor are more of them at once
MOST_FRAMES = 256  # of one trace; a stack that overflowed repeats itself
MOST_PAIRS = 64
_STRANGERS = 48  # so many lines in a row without an address or a sign of a trace end it, where no clock does

_BEGINS = (
    "BUG: ",
    "Oops",
    "WARNING: ",
    "cut here ]",
    "Internal error",
    "nable to handle",
    "eneral protection",
    "ernel BUG at",
    "ernel panic",
    "watchdog: ",
    "detected stall",
    "blocked for more than",
    "nhandled fault",
    "invalid opcode",
    "divide error",
    "stack segment",
    "ouble fault",
    "all Trace:",
    "all trace:",
    "Backtrace:",
    "Kernel Offset:",
    "KASAN",
    "UBSAN",
)
_ENDS = ("---[ end ",)
_PART = (
    *addresses.QUESTIONS,
    "Code: ",
    "RIP: ",
    "RSP: ",
    "TASK>",
    "IRQ>",
    "Modules linked in:",
    "R10: ",
    "RAX: ",
    "CR2: ",
    " : ",
)

_NOT_CODE = ("instruction fetch in kernel", "to execute NX", "IABT (current EL)", "xecute from non-executable")
_CODE = re.compile(r"\s*(?:Code|Instruction dump): ?(?P<words>[0-9a-f<>() ]{1,600})\s*$")
_CODE_WORD = re.compile(r"[<(]?((?:[0-9a-f]{2}){1,4})[>)]?")
_MODULES = re.compile(r"\s*Modules linked in:(.*)")
_MODULE = re.compile(r"([A-Za-z0-9_]+)(?:\(([A-Z+-]*)\))?$")
_OFFSET = re.compile(r"\s*Kernel Offset: (?:(disabled)|0x([0-9a-f]{1,16}) from 0x([0-9a-f]{1,16}))")
_PC = re.compile(r"\s*[RE]?IP: |\s*pc : |\s*PC is at |\s*s?epc *: |\s*NIP \[|\s*ERA: ")
_USER_PC = re.compile(r"\s*[RE]IP: (?:0033|0023|0073|001b):")
_PAIR = re.compile(
    r"\[<([0-9a-f]{8,16})>\] (?:\? )?\(?([A-Za-z_.$][\w.$]{0,511})\+0x([0-9a-f]{1,8})/0x([0-9a-f]{1,8})(?: \[(\w+)[^\]]*\])?"
)
_NAMED = re.compile(r"\s*(?:\? )?[A-Za-z_.$][\w.$]*\+0x[0-9a-f]+/0x")
_CALLER = re.compile(r"\[ *([TC]\d{1,10})\]")
_STAMP = re.compile(r"\[ *(\d{1,10})\.(\d{6})\]")


class Frame(Struct, frozen=True, gc=False):
    """A code address of a trace, ``exact`` where the processor stood, not ``reliable`` behind a ``?``."""

    address: int
    exact: bool = False
    reliable: bool = True
    joined: bool = False  # directly below the frame before it: that one was called from here
    entry: bool = False  # the registers of user space follow: here the kernel was entered


class Pair(Struct, frozen=True, gc=False):
    """An address beside which the kernel has put the name itself."""

    address: int
    name: str
    offset: int
    size: int
    module: str = ""


class Trace(Struct, frozen=True):
    """The evidence of one oops.

    ``code`` are the bytes of the kernel's ``Code:`` lines, each with the address of its first byte. ``bad_pc`` says that the
    processor went where no code was: what it found there is no code either. ``loading`` are those of the ``modules`` linked in
    whose init function has not returned. ``offset`` and ``link_base`` are the two numbers
    of ``Kernel Offset: .. from ..``.
    """

    frames: tuple[Frame, ...] = ()
    code: tuple[tuple[int, bytes], ...] = ()
    bad_pc: bool = False
    modules: tuple[str, ...] = ()
    loading: tuple[str, ...] = ()
    offset: int | None = None
    link_base: int = 0
    pairs: tuple[Pair, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it to work with."""
        return bool(self.frames or self.pairs) or self.offset is not None


class _Reading:
    """A trace as far as it has been read. Mutable."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.code: dict[int, bytes] = {}
        self.bad_pc = False
        self.modules: dict[str, bool] = {}
        self.offset: int | None = None
        self.link_base = 0
        self.pairs: dict[int, Pair] = {}
        self._pc: int | None = None
        self._joins = False

    def line(self, line: str) -> None:
        found = ENVELOPE.match(line)
        at = found.end() if found else 0
        if _PC.match(line, at):
            self._pc = None  # a Code: line that follows belongs to this register block, and to no earlier one
            self._joins = False
        if _USER_PC.match(line, at) and self.frames and self.frames[-1].reliable and not self.frames[-1].exact:
            self.frames[-1] = msgspec.structs.replace(self.frames[-1], entry=True)
        self._mentions(line, at)
        self.bad_pc = self.bad_pc or any(sign in line for sign in _NOT_CODE)
        if "ode: " in line or "dump: " in line:
            self._code_line(line, at)
        if "[<" in line and len(self.pairs) < MOST_PAIRS:
            for pair in _PAIR.finditer(line, at):
                self.pairs.setdefault(int(pair[1], 16), _pair_of(pair))
        if (offset := _OFFSET.match(line, at)) is not None:
            self.offset = 0 if offset[1] else int(offset[2], 16)
            self.link_base = 0 if offset[1] else int(offset[3], 16)
        if (listed := _MODULES.match(line, at)) is not None:
            for word in listed[1].partition("[")[0].split():
                if (module := _MODULE.match(word)) is not None:
                    self.modules[module[1]] = "+" in (module[2] or "")

    def _mentions(self, line: str, at: int) -> None:
        mentions = addresses.find(line)
        if not mentions:
            if _NAMED.match(line, at):
                self._joins = False
            return
        for mention in mentions:
            if len(self.frames) >= MOST_FRAMES:
                return
            exact = mention.kind is Kind.PC or (mention.kind is Kind.CLASSIC and bool(_PC.match(line, at)))
            reliable = "? " not in line[at : mention.start] and "unreliable" not in line[mention.end :]
            if exact and not _USER_PC.match(line, at):
                self._pc = mention.address
            self.frames.append(Frame(mention.address, exact, reliable, self._joins and reliable and not exact))
            if reliable:  # any other is passed over: what stands around it still called one another
                self._joins = not exact

    def _code_line(self, line: str, at: int) -> None:
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


def gather(lines: Iterable[str]) -> Trace:
    """Read the evidence out of the lines of one trace, in the order in which they were printed."""
    reading = _Reading()
    for text in lines:
        for line in text.split("\n"):
            reading.line(line)
    return Trace(
        tuple(_trusted(reading.frames)),
        () if reading.bad_pc else tuple(reading.code.items()),
        reading.bad_pc,
        tuple(reading.modules),
        tuple(module for module, loading in reading.modules.items() if loading),
        reading.offset,
        reading.link_base,
        tuple(reading.pairs.values()),
    )


def _trusted(frames: list[Frame]) -> list[Frame]:
    """Frames as they are, unless all of them are uncertain: then the unwinder found no way, and printed the stack's text
    addresses in their order, which is all there is to go by.
    """
    if any(frame.reliable and not frame.exact for frame in frames):
        return frames
    pairs = zip(frames, [None, *frames], strict=False)
    return [Frame(frame.address, frame.exact, True, before is not None and not before.exact) for frame, before in pairs]


def from_capture(line: str) -> Record:
    """A line of a text capture as a record that a `Holdback` can tell from others: its caller and its stamp are read."""
    found = ENVELOPE.match(line)
    head = line[: found.end()] if found else ""
    caller, stamp = _CALLER.search(head), _STAMP.search(head)
    usec = int(stamp[1]) * 1_000_000 + int(stamp[2]) if stamp else None
    return Record(line, usec=usec, caller=caller[1] if caller else "")


class _Open:
    """A trace that has begun and not ended. Mutable; ``first`` is the place of its first record in the stream."""

    def __init__(self, record: Record, first: int, now_s: float) -> None:
        self.texts = [record.text]
        self.first = first
        self.due_s = now_s + LIMIT_S
        self._due_us = None if record.usec is None else record.usec + int(LIMIT_S * 1_000_000)
        self._strangers = 0

    def is_over_before(self, record: Record) -> bool:
        """Whether this record comes too late to belong to it."""
        late = self._due_us is not None and record.usec is not None and record.usec > self._due_us
        return late or self._strangers > _STRANGERS or len(self.texts) >= LIMIT_RECORDS

    def take(self, text: str) -> bool:
        """Add a record; whether it was the last."""
        self.texts.append(text)
        part = any(sign in text for sign in _PART) or any(sign in text for sign in _BEGINS)
        self._strangers = 0 if part else self._strangers + 1
        return any(sign in text for sign in _ENDS)


class Holdback:
    """Keeps a stream of records back while a trace in it is open. Mutable; times are of any clock that runs evenly."""

    def __init__(self) -> None:
        self._held: list[Record | Gap] = []
        self._gone = 0  # how many records went on before those that are held
        self._open: dict[str, _Open] = {}

    def take(self, items: Sequence[Record | Gap], now_s: float, hold: bool) -> tuple[list[Record | Gap], list[Trace]]:
        """What may go on now, in order, and the traces that have ended. Without ``hold`` everything goes on at once."""
        if not self._open and not self._held and not _may_begin(items):
            self._gone += len(items)
            return list(items), []
        traces = []
        for item in items:
            if isinstance(item, Record):
                traces += self._watch(item, now_s)
            self._held.append(item)
        late = [caller for caller, opened in self._open.items() if now_s >= opened.due_s]
        traces += [self._close(caller) for caller in late]
        if hold and self._open and len(self._held) < LIMIT_RECORDS:
            return self._let_go(min(opened.first for opened in self._open.values()) - self._gone), traces
        return self.release(), traces

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return not self._held

    def release(self) -> list[Record | Gap]:
        """Everything that is held back; traces that are open stay so."""
        return self._let_go(len(self._held))

    def end(self) -> tuple[list[Record | Gap], list[Trace]]:
        """Everything that is held back and every open trace, since nothing will follow."""
        traces = [self._close(caller) for caller in list(self._open)]
        return self.release(), traces

    def due_in_s(self, now_s: float) -> float | None:
        """How long what is held back may still wait; ``None`` if nothing is."""
        if not self._held:
            return None
        return max(0.0, min((opened.due_s for opened in self._open.values()), default=now_s) - now_s)

    def _watch(self, record: Record, now_s: float) -> list[Trace]:
        ended: list[Trace] = []
        if record.facility != KERN:
            return ended  # written by a process, which can say what it likes
        opened = self._open.get(record.caller)
        if opened is not None and opened.is_over_before(record):
            ended.append(self._close(record.caller))
            opened = None
        if opened is None:
            if begins_trace(record.text):
                self._open[record.caller] = _Open(record, self._gone + len(self._held), now_s)
        elif opened.take(record.text):
            ended.append(self._close(record.caller))
        return ended

    def _close(self, caller: str) -> Trace:
        return gather(self._open.pop(caller).texts)

    def _let_go(self, count: int) -> list[Record | Gap]:
        ready, self._held = self._held[: max(count, 0)], self._held[max(count, 0) :]
        self._gone += len(ready)
        return ready


def _may_begin(items: Sequence[Record | Gap]) -> bool:
    """Whether one of the records can begin a trace, asked of all at once, since most batches hold none."""
    return begins_trace("\n".join([item.text for item in items if isinstance(item, Record)]))


def begins_trace(text: str) -> bool:
    """Whether a trace begins here: with the words of an oops, or with an address that has no name."""
    return any(sign in text for sign in _BEGINS) or bool(addresses.find(text))


def _code_bytes(words: list[str]) -> tuple[int, bytes]:
    """The bytes of a ``Code:`` line, and how many of them stand before the marked one; none if a word is no number."""
    raw = bytearray()
    before = 0
    for word in words:
        found = _CODE_WORD.fullmatch(word)
        if found is None:
            return 0, b""
        if word[0] in "<(":
            before = len(raw)
        raw += bytes.fromhex(found[1])[::-1]  # words are printed as numbers, which are little-endian in memory
    return before, bytes(raw)


def _pair_of(found: re.Match[str]) -> Pair:
    return Pair(int(found[1], 16), found[2], int(found[3], 16), int(found[4], 16), found[5] or "")
