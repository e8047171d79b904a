# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that every frame of a collection of logs is restored after its name was removed and
klogd-py was given the symbols.

For each line that has an address with a name beside it, the symbols are made from what the line
says, the name is replaced by what that kernel prints where it finds none (``0x%lx``, and for
``[<address>]`` also nothing at all), and the line is translated. The result must be the line again,
with the name in the form of today's kernels: ``name+0xoffset/0xsize [module]``. What cannot come
back is listed with the reason; a line without a reason is an error.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from klogd_py.line_prefix.grammar import ANY_PREFIX
from klogd_py.line_prefix.reader import read_line
from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import find
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.symbolize import FormatOptions, symbolize_text
from klogd_py.record.types import LookupFailure, SymbolAddress
from tests.corpus.pairs import Named, read

SKIPPED = {".json", ".md", ".xz", ".symbols"}
LINES_SHOWN = 40

# Text of these lies where the upper half of an address is zero; on all other architectures of 64
# bits such a number is a hash.
_LOW_TEXT = {"s390", "parisc", "sparc64"}
_SIGNS = (
    ("x86_64", r"\bR(?:IP|SP|AX|BP): |entry_SYSCALL_64|do_syscall_64|__x64_sys|\[<ffffffff[89a-f]"),
    ("x86_32", r"\bE(?:IP|FLAGS|SP): |do_int80_syscall_32|entry_SYSENTER_32|entry_INT80_32"),
    ("arm64", r"\bpstate: |el0_sync|el0t?_64_|\[<ffff(?:0|2|8|f)[0-9a-f]{11}>\]"),
    (
        "arm",
        r"psr: [0-9a-f]{8}|\) from \[<|ret_fast_syscall|__irq_svc|[A-Za-z_] from [a-z_.0-9]+\+0x",
    ),
    ("ppc64", r"GPR00: [0-9a-f]{16}|NIP \[[0-9a-f]{16}|\] \[[cd]0[0-9a-f]{14}\]"),
    (
        "ppc32",
        r"GPR00: [0-9A-F]{8} |NIP \[[0-9a-f]{8}\]|^\[[0-9a-f]{8}\] \[[0-9a-f]{8}\]|\] \[c[0-9a-f]{7}\] ",  # noqa: E501
    ),
    ("s390", r"Krnl PSW|Krnl GPRS|Last Breaking-Event|system_call|\(\[<0"),
    ("sparc64", r"TSTATE: |TPC: |Caller\["),
    ("parisc", r"IAOQ|syscall_exit|parisc|\[<00000000[14][0-9a-f]{7}>\]"),
    ("loongarch64", r"\bERA: |CRMD: |\[<9000"),
    ("riscv", r"\bs?epc ?: [0-9a-f]{16} ra|badaddr: |riscv"),
    ("mips64", r"\$ 0   : [0-9a-f]{16}|epc +: [0-9a-f]{16}|\[<[a-f89][0-9a-f]{15}>\]"),
    ("mips32", r"\$ ?0 ?+: |epc +: [0-9a-f]{8} |\[<8[0-9a-f]{7}>\]"),
    ("alpha", r"\[<fffffc"),
)
_ARCHITECTURES = tuple((name, re.compile(signs, re.MULTILINE)) for name, signs in _SIGNS)

_HASH = re.compile(r"0{8}[0-9a-f]{8}")

# Architecture, origin
Key = tuple[str, str]

HASHED = (
    "the number in the brackets is a hash of the pointer (%p since 4.15): only the name is true"
)
FIRST_BYTE = (
    "offset 0 behind a call: the kernel's %pS names what follows a call that never returns, "
    "or a pointer to a function; "
    "klogd-py names no function in which no call stands"
)

# What is known not to come back: why, and the lines it is true of.
_KNOWN = (
    (
        "a limit of memory beside the name of who reserved it: no address of code",
        r".*max_addr=0x0+ ",
    ),
    (
        "xmon's line: its name stands behind a colon, and without one the number is all",
        r"\s*(?:pc|lr): [0-9a-f]{8,16}: ",
    ),
    ("a damaged line: its bracket is not whole", r".*(?<!\[)<[0-9a-f]{8,16}>?\]"),
)
KNOWN = tuple((reason, re.compile(lines)) for reason, lines in _KNOWN)

# Lines that come back, but only where a text is named on weak grounds: no kernel prints them so.
_WEAK = (
    ("a word of a tool stands before the kernel's own", r"message:[\w+.]+:"),
    ("a mail has put other blanks or a quote into the line", r".*(?:\xa0| \"$)"),
)
WEAK = tuple((reason, re.compile(lines)) for reason, lines in _WEAK)


class SymbolSource:
    """The symbols in one line."""

    def __init__(self, line: str, names: list[Named]) -> None:
        self._symbols = [
            (address_of(line, named) - named.place.offset, named.place) for named in names
        ]

    def resolve(self, address: int) -> SymbolAddress | LookupFailure:
        """The first of the symbols that contains an address."""
        for start, symbol in self._symbols:
            if 0 <= address - start < symbol.size:
                return SymbolAddress(
                    symbol.name, address - start, symbol.size, symbol.module, symbol.kind, ""
                )
        return LookupFailure.OUTSIDE


class Tally:
    """Counts of the frames by result, architecture and origin. Mutable."""

    def __init__(self) -> None:
        self.frames: Counter[Key] = Counter()
        self.back: Counter[Key] = Counter()
        self.excepted: Counter[Key] = Counter()
        self.alone: Counter[Key] = Counter()
        self.reasons: Counter[str] = Counter()
        self.weak: Counter[str] = Counter()
        self.unexplained: list[str] = []

    def line(self, line: str, key: Key, where: str) -> None:
        """Judge the frames of one line of a log, in the kernel's own text."""
        line = line[ANY_PREFIX.text_span(line).start :]
        names = read(line)
        paired = [named for named in names if named.paired]
        self.alone[key] += len(names) - len(paired)
        if not paired:
            return
        self.frames[key] += len(paired)
        reason = why_not(line, paired, key[0])
        if reason is None and comes_back(line, paired):
            self.back[key] += len(paired)
            if not is_kernel_form(line, paired):
                self._weak(line, paired, where)
        elif reason is None:
            self.unexplained.append(f"{where}: {line}")
        else:
            self.reasons[reason] += len(paired)
            self.excepted[key] += len(paired)

    def _weak(self, line: str, paired: list[Named], where: str) -> None:
        reason = next((reason for reason, lines in WEAK if lines.match(line)), None)
        if reason is None:
            self.unexplained.append(f"{where}: {line}")
        else:
            self.weak[reason] += len(paired)


def address_of(line: str, named: Named) -> int:
    """The number beside a name."""
    return int(line[slice(*named.digits)], 16)


def comes_back(line: str, names: list[Named]) -> bool:
    """Whether the line is restored from what a kernel without the names prints.

    Brackets alone are looked up exactly, as by the classic klogd: a call as the last instruction
    gives its caller only in the other form.
    """
    resolve = SymbolSource(line, names).resolve
    forms = [] if any(named.brace for named in names) else [without(line, names)]
    if all(
        (named.bracketed or named.brace) and named.place.offset < named.place.size
        for named in names
    ):
        forms.append(bare(line, names))
    return all(
        symbolize_text(raw, resolve, FormatOptions()).text == expected for raw, expected in forms
    )


def is_kernel_form(line: str, names: list[Named]) -> bool:
    """Whether a line of this form from a live kernel would be symbolized and trusted."""
    raw = (bare if any(named.brace for named in names) else without)(line, names)[0]
    record = read_line(raw)
    return provenance.withheld_reason(record, find(record.text), Origin.CAPTURE) is None


def without(line: str, names: list[Named]) -> tuple[str, str]:
    """The line as a kernel prints it without the names, and the line to restore."""
    numbers = [(named.start, named.end, f"{address_of(line, named):#x}") for named in names]
    return edited(line, numbers), edited(
        line, [(named.start, named.end, named.place.kernel_form) for named in names]
    )


def bare(line: str, names: list[Named]) -> tuple[str, str]:
    """The line of a kernel without any names, as for the classic klogd, and the line to restore."""
    braces = [
        (named.digits[0] - 1, named.end, f"[<{line[slice(*named.digits)]}>]")
        for named in names
        if named.brace
    ]
    raw = edited(line, braces or [(named.start, named.end, "") for named in names])
    expected = raw
    for named in names:
        expected = expected.replace(f"<{line[slice(*named.digits)]}>", named.place.classic_form)
    return raw, expected


def edited(line: str, changes: list[tuple[int, int, str]]) -> str:
    """The line with other text in some spans."""
    for start, end, text in sorted(changes, reverse=True):
        line = line[:start] + text + line[end:]
    return line


def why_not(line: str, names: list[Named], architecture: str) -> str | None:
    """Why the frames of a line cannot be restored, or ``None`` if they must be."""
    body = line[ANY_PREFIX.text_span(line).start :]
    for reason, lines in KNOWN:
        if lines.match(body):
            return reason
    if architecture not in _LOW_TEXT | {"unknown"} and any(
        _HASH.fullmatch(line[slice(*named.digits)]) for named in names
    ):
        return HASHED
    if any(named.place.offset == 0 for named in names) and not comes_back(line, names):
        return FIRST_BYTE
    return None


def architecture_of(text: str) -> str:
    """Guess the architecture of a log from its registers and entry functions, to group logs."""
    counts = {name: len(signs.findall(text)) for name, signs in _ARCHITECTURES}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "unknown"


def tally(folder: Path) -> Tally:
    """Check all logs in a folder."""
    found = Tally()
    for path in sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix not in SKIPPED
    ):
        text = path.read_bytes().decode("latin-1")
        # A report in JSON
        if text.startswith("{"):
            continue
        inside = path.relative_to(folder)
        key = (architecture_of(text), inside.parts[0] if len(inside.parts) > 1 else ".")
        for number, line in enumerate(text.split("\n"), 1):
            found.line(line.rstrip("\r"), key, f"{inside}:{number}")
    return found


def report(found: Tally) -> Iterator[str]:
    """The result in lines: a table, then the reasons, then the frames without one."""
    form = "{:<12} {:<18} {:>7} {:>9} {:>10} {:>10}"
    yield form.format("architecture", "origin", "frames", "came back", "exceptions", "names only")
    for key in sorted(found.frames | found.alone):
        if found.frames[key] or found.alone[key]:
            yield form.format(
                *key, found.frames[key], found.back[key], found.excepted[key], found.alone[key]
            )
    sums = (found.frames, found.back, found.excepted, found.alone)
    yield form.format("all", "", *(count.total() for count in sums))
    yield ""
    yield (
        "names only: lines of newer kernels that print no address beside the name; "
        "there is nothing to translate in them"
    )
    for reason, count in found.reasons.most_common():
        yield (
            f"{count:>7} not, since this is {reason}"
            if reason in dict(KNOWN)
            else f"{count:>7} not: {reason}"
        )
    for reason, count in found.weak.most_common():
        yield f"{count:>7} only in a text, never live: {reason}"
    for line in found.unexplained[:LINES_SHOWN]:
        yield f"unexplained: {line}"
    yield f"{len(found.unexplained)} lines did not come back without a reason"


def main(words: Sequence[str] | None = None) -> int:
    """Check the logs in one folder; status 1 if a frame was not restored for no known reason."""
    parser = argparse.ArgumentParser(
        prog="roundtrip", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument(
        "folder",
        metavar="DIR",
        type=Path,
        help="kernel logs as text; its first subfolders are the origins",
    )
    folder = parser.parse_args(words).folder
    if not folder.is_dir():
        parser.error(f"{folder} is no directory")
    found = tally(folder)
    print("\n".join(report(found)))
    return 1 if found.unexplained or not found.frames else 0


if __name__ == "__main__":
    sys.exit(main())
