# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the code addresses in a kernel line that still need a symbol.

The contract: an `AddressMatch` is made only where the form of the line says that the number is a
code address. Registers, stack words, masks, hashed pointers, fault addresses and numbers that the
kernel has already symbolized are no matches (unless `include_symbolized` asks for the last kind, as
the classic klogd did).

Most lines hold no address: a substring search excludes them; then the head of the line selects the
possible forms, and only then a regular expression of `klogd_py.oops.address_patterns` runs.

Source of truth: kernel/kallsyms.c ``sprint_symbol``, lib/vsprintf.c ``%pS`` (``0x%lx`` where it
finds no symbol); for brackets the classic klogd.
"""

import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from klogd_py.oops import print_sites
from klogd_py.oops.address_patterns import ADDRESS_MARKERS as ADDRESS_MARKERS
from klogd_py.oops.address_patterns import ANYWHERE, EXACT_BRACKET, FORMS, LINK_BRACKETS, Form
from klogd_py.oops.address_patterns import Kind as Kind
from klogd_py.oops.line_parts import MODULE_PLACE, NAME
from klogd_py.oops.print_sites import (
    BEGINNING_CHARS,
    BEGINNINGS,
    DEVICE_BEGINNINGS,
    CodePointer,
)


class AddressMatch(Struct, frozen=True, gc=False):
    """An address in a text, and the half-open span [start, end) of characters that the symbol
    replaces.

    With an empty span the symbol is inserted there, since the number beside it stays. ``module`` is
    the one that contains the address, if the line states that. ``in_trace`` is false in a message
    that is no part of a trace.
    """

    start: int
    end: int
    address: int
    kind: Kind
    module: str = ""
    in_trace: bool = True


_HEAD = re.compile(r"\s*([A-Za-z]{1,20}|\S)?")
_SYMBOL = (
    r"(?:[:\w.$]{1,600}\+(?:0x)?[0-9a-f]{1,16}/(?:0x)?[0-9a-f]{1,16}|[:\w.$]{1,600}\+\d{1,10}"
    r"|" + NAME + r" \[\w{1,64}\]"
    # "__list_del include/linux/list.h:89 [inline]": by scripts/decode_stacktrace.sh
    r"|" + NAME + r" [\w./-]{1,300}:\d{1,6})"
)
# A name beside a number belongs to it however many blanks are between
_BESIDE = r">\][ \t]{0,64}+(?:\[<[0-9a-fA-FxX]{1,18}>\][ \t]{0,64}+)?(?:\? )?"
_NAMED = re.compile(_BESIDE + r"(?:\(?" + _SYMBOL + r"|\(" + NAME + r"\)|\{)")
_RAW_BEHIND = re.compile(
    _BESIDE + r"\(?(?P<hex>0x[0-9a-f]{1,16})\b(?![+/])(?P<module>" + MODULE_PLACE + ")?"
)
# No kernel has code at lower addresses
_MIN_TOKEN = len("0x10000")
_CLASSIC = re.compile(r"\[(<(?:0[xX])?([0-9a-fA-F]{1,16})>)\]")
# A hash by %p since 4.15, also inside of brackets
_MAY_BE_HASH = re.compile(r"<0{8}[0-9a-f]{8}>")
# "[<c0155f90>] usb_hcd_irq" (kernel/irq/spurious.c): since 4.15 the number is a hash, of 8 digits
# on 32 bits
_NAME_ENDS = re.compile(rf"[ \t]{{1,64}}+{NAME}(?: threaded \[<[0-9a-f]{{8,16}}>\] {NAME})?\s*$")

_BY_HEAD: dict[str, tuple[Form, ...]] = {
    head: tuple(form for form in FORMS if form.head == head)
    for head in {form.head for form in FORMS}
}


# What `find` looks at: the first word of a text, and what stands anywhere in it
HEADS = frozenset(_BY_HEAD)
ANYWHERE_MARKERS = ("[<", *(form.marker for form in ANYWHERE))
_ANYWHERE = tuple((form.marker, form) for form in ANYWHERE)


def candidate_lines(texts: Sequence[str]) -> list[int]:
    """The indices of the texts in which `find` may find something.

    All texts of a batch are searched at once.
    """
    everything = "\n".join(texts)
    markers = [marker for marker in ADDRESS_MARKERS if marker in everything]
    found = [at for marker in markers for at, text in enumerate(texts) if marker in text]
    return found if len(markers) == 1 else sorted(set(found))


def has_bare_name(line: str) -> bool:
    """Whether a line is a bracketed number and a bare name: the kernel's own ``[<%p>] %ps``."""
    found = _CLASSIC.search(line)
    return (
        found is not None
        and not line[: found.start()].strip()
        and _NAME_ENDS.match(line, found.end()) is not None
    )


def find(text: str, include_symbolized: bool = False) -> tuple[AddressMatch, ...]:
    """Find the addresses in one record's text or one line of a capture, in order.

    ``include_symbolized`` also returns a ``[<address>]`` that the kernel has already symbolized,
    unless it may be a hash.
    """
    for marker in ADDRESS_MARKERS:
        if marker in text:
            break
    else:
        return ()
    if "\n" not in text:
        return tuple(_in_line(text, include_symbolized))
    matches: list[AddressMatch] = []
    start = 0
    # S390 prints a whole register block as one record
    for line in text.split("\n"):
        matches += [
            msgspec.structs.replace(match, start=match.start + start, end=match.end + start)
            for match in _in_line(line, include_symbolized)
        ]
        start += len(line) + 1
    return tuple(matches)


def _in_line(line: str, include_symbolized: bool) -> list[AddressMatch]:
    head = _HEAD.match(line)
    # Every part of the pattern is optional
    assert head is not None
    body = head.end() if head[1] is None else head.start(1)
    matches = _bracketed(line, body, include_symbolized) if "[<" in line else []
    for form in _BY_HEAD.get(head[1] or "", ()):
        if (found := form.pattern.match(line, body)) is not None:
            matches.append(_match_from_form(found, form))
    for marker, form in _ANYWHERE:
        if marker not in line:
            continue
        if not form.head:
            matches += [
                _match_from_form(found, form) for found in form.pattern.finditer(line, body)
            ]
        elif (found := form.pattern.match(line, body)) is not None:
            matches.append(_match_from_form(found, form))
    if len(matches) > 1:
        return _without_overlaps(matches)
    if not matches and (
        line[body : body + BEGINNING_CHARS] in BEGINNINGS
        or line[(behind := line.find(": ", body) + 2) : behind + BEGINNING_CHARS]
        in DEVICE_BEGINNINGS
    ):
        return [_match_pointer(found) for found in print_sites.find_pointers(line, body)]
    return matches


def _without_overlaps(matches: list[AddressMatch]) -> list[AddressMatch]:
    """Sort matches by position and drop overlaps: two forms can match a token after a bracket."""
    apart: list[AddressMatch] = []
    for match in sorted(matches, key=lambda match: match.start):
        if not apart or match.start >= max(apart[-1].end, apart[-1].start + 1):
            apart.append(match)
    return apart


def _match_from_form(found: re.Match[str], form: Form) -> AddressMatch:
    groups = found.groupdict()
    if groups.get("at"):
        after = found.end("at")
        # "NIP [c000000000012abc]"
        after += found.string.startswith("]", after)
        return AddressMatch(after, after, int(groups["at"], 16) & form.mask, form.kind)
    return _replaced(found, int(found["hex"], 16) & form.mask, form.kind)


def _match_pointer(found: CodePointer) -> AddressMatch:
    kind = Kind.RETURN if found.is_return else Kind.PC
    return AddressMatch(found.start, found.end, found.address, kind, found.module, in_trace=False)


def _replaced(found: re.Match[str], address: int, kind: Kind) -> AddressMatch:
    """A match whose symbol replaces the group ``hex`` and the ``module`` behind it, if there is
    one.
    """
    module = found.groupdict().get("module")
    if not module:
        return AddressMatch(found.start("hex"), found.end("hex"), address, kind)
    name = module[len(" [") : module.index("@")]
    return AddressMatch(found.start("hex"), found.end("module"), address, kind, name)


def _bracketed(line: str, start: int, include_symbolized: bool) -> list[AddressMatch]:
    """Match the ``[<address>]`` forms.

    A raw ``0x`` token after one is matched instead: the number in the brackets is the same, or a
    hash.
    """
    exact = EXACT_BRACKET.match(line, start) is not None
    matches: list[AddressMatch] = []
    for found in _CLASSIC.finditer(line, start):
        link = line.endswith(LINK_BRACKETS, 0, found.start() + 1)
        if raw := _RAW_BEHIND.match(line, found.end() - 2):
            is_pc = (exact and not link) or _is_handler(line, found, raw)
            match = _match_token(found, raw, Kind.PC if is_pc else Kind.RETURN)
        elif _wants_name(line, found, include_symbolized, start):
            kind = Kind.CLASSIC_RETURN if link else Kind.CLASSIC
            match = AddressMatch(found.start(1), found.end(1), int(found[2], 16), kind)
        else:
            continue
        if match and (not matches or matches[-1].start != match.start):
            matches.append(match)
    return matches


def _wants_name(line: str, found: re.Match[str], include_symbolized: bool, start: int) -> bool:
    """Whether a bracketed number is an address without a symbol, or with one that is to be
    replaced.
    """
    if not include_symbolized and found.start() == start and _NAME_ENDS.match(line, found.end()):
        return False
    if _MAY_BE_HASH.fullmatch(found[1]):
        return not (_NAMED.match(line, found.end() - 2) or _NAME_ENDS.match(line, found.end()))
    return include_symbolized or not _NAMED.match(line, found.end() - 2)


def _is_handler(line: str, found: re.Match[str], raw: re.Match[str]) -> bool:
    """Whether a number behind a hash is the beginning of an interrupt handler.

    ``[<000000001a2b3c4d>] 0xffffffffc0155f90 threaded [<00000000abcdef12>] 0xffffffffc0155fa0``
    (kernel/irq/spurious.c): since 4.15 another number is in the brackets. Where frames have a hash
    there, four blanks are in front (mm/kmemleak.c).
    """
    number, token = int(found[2], 16), int(raw["hex"], 16)
    before = line[max(0, found.start() - len(" threaded ")) : found.start()]
    return number not in (token, token + 1) and (before == " threaded " or before[-2:] != "  ")


def _match_token(found: re.Match[str], raw: re.Match[str], kind: Kind) -> AddressMatch | None:
    """Match a token after a bracketed number; ``None`` if it is too low for code.

    Some kernels of x86 printed the address that ``%pB`` looks up: one byte before that in the
    brackets.
    """
    if len(raw["hex"]) < _MIN_TOKEN:
        return None
    address, token = int(found[2], 16), int(raw["hex"], 16)
    return _replaced(raw, address if token == address - 1 else token, kind)
