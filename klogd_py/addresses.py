"""Which words of a kernel line are code addresses that still want a name.

The contract: a `Mention` is made only where the form of the line says that the number is a code address. Registers,
stack words, masks, hashed pointers, fault addresses and numbers that the kernel has already named beside them are no
mentions (unless `decoded` asks for the last kind, as the classic klogd did).

Most lines carry no address: a substring search answers that, and only then a regular expression runs.

Source of truth: kernel/kallsyms.c ``sprint_symbol``, lib/vsprintf.c ``%pS`` (``0x%lx`` where it finds no symbol), and
the ``show_regs``/``dump_backtrace`` of each architecture.
"""

import re
from enum import Enum

from msgspec import Struct


class Kind(Enum):
    """What kind of code address a number is, which decides how it is looked up."""

    CLASSIC = "classic"  # [<c010b860>]: the classic klogd's own form, named as it named it
    PC = "pc"  # where the processor stood: exact
    RETURN = "return"  # behind a call: the caller is at the byte before (the kernel's %pB)


class Mention(Struct, frozen=True, gc=False):
    """An address in a text: the half-open span [start, end) of characters that a name would take the place of.

    An empty span means that the name is to be inserted there, since the number beside it stays.
    """

    start: int
    end: int
    address: int
    kind: Kind


# What may stand before the kernel's own text in a capture: quoting, a syslog stamp, <N>, dmesg -x, [time], [caller].
ENVELOPE = re.compile(
    r"(?:> ?)*"
    r"(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ]\S+) (?:\S+ )?kernel: )?"
    r"(?:[a-z0-9]+ *:[a-z]+ *: ?)?"
    r"(?:<\d{1,4}>)?"
    r"(?:\[ *\d+\.\d+\]|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}\]| ?\[ *[TC]\d+\]){0,2}"
)

_SYMBOL = r"(?:[:\w.$]+\+(?:0x)?[0-9a-f]+/(?:0x)?[0-9a-f]+|[:\w.$]+\+\d+|[A-Za-z_.$][\w.$]* \[\w+\])"
_NAMED = re.compile(r">\] {0,2}(?:\[<[0-9a-fA-FxX]+>\] {0,2})?(?:\? )?(?:\(?" + _SYMBOL + r"|\([A-Za-z_.$][\w.$]*\)|\{)")
_RAW_BEHIND = re.compile(r">\] {0,2}(?:\[<[0-9a-fA-FxX]+>\] {0,2})?(?:\? )?\(?(0x[0-9a-f]{5,16})\b")
_CLASSIC = re.compile(r"\[(<(?:0[xX])?([0-9a-fA-F]{1,16})>)\]")

_HEX = r"(?P<hex>(?:0x)?[0-9a-f]{8,16})"
_TOKEN = r"(?P<hex>0x[0-9a-f]{5,16})"
_REST = r"(?=\)?(?: \(unreliable\)| \([A-Z]+\))?\s*$)"

_USER_SEGMENT = r"(?!0033|0023|0073|001b)"

# Each form holds one group `hex`, whose place a name takes, or `at`, behind which a name is inserted.
_FORMS: tuple[tuple[str, re.Pattern[str], Kind], ...] = tuple(
    (question, re.compile(form), kind)
    for question, form, kind in (
        # A line of a trace: " ? 0xffffffff926cdd6b", " 0xffffffff926b7cde"
        ("0x", r"\s*(?:Call Trace:\s*)?(?:\? )?\(?" + _TOKEN + _REST, Kind.RETURN),
        # PowerPC, stack pointer first: "[c0000000fea3f9d0] [c000000000012abc] 0xc000000000012abc (unreliable)"
        ("] 0x", r"\s*\[[0-9a-f]+\] \[[0-9a-f]+\] " + _TOKEN + _REST, Kind.RETURN),
        ("IP: ", r"\s*[RE]IP: +" + _USER_SEGMENT + r"[0-9a-f]{4}:" + _TOKEN + r"\b", Kind.PC),
        ("EIP: ", r"\s*EIP: " + _TOKEN + r"\b", Kind.PC),
        (" is at ", r"\s*(?:PC|pc|EIP) is at " + _TOKEN + r"\b", Kind.PC),
        (" is at ", r"\s*(?:LR|ra) is at " + _TOKEN + r"\b", Kind.RETURN),
        ("pc : ", r"\s*pc : " + _HEX + r"(?=\s*$| +(?:lr|pstate|psr)\b)", Kind.PC),
        ("lr : ", r"(?:.*\s)?lr : " + _HEX + r"(?=\s*$| +(?:pstate|psr)\b)", Kind.RETURN),
        ("epc", r"\s*s?epc *: (?:[0-9a-f]{8,16} )?" + _TOKEN + r"(?=\s|$)", Kind.PC),
        ("epc", r"\s*s?epc *: (?P<at>[0-9a-f]{8,16})(?=\s*$|\s+(?:Not t|T)ainted)", Kind.PC),
        ("ra", r"\s*ra *: (?:[0-9a-f]{8,16} )?" + _TOKEN + r"\s*$", Kind.RETURN),
        ("ra", r"\s*ra *: (?P<at>[0-9a-f]{8,16})\s*$", Kind.RETURN),
        ("NIP [", r"\s*NIP \[[0-9a-f]+\] " + _TOKEN + r"\b", Kind.PC),
        ("NIP [", r"\s*NIP \[(?P<at>[0-9a-f]{8,16})\](?=\s*$)", Kind.PC),
        ("LR [", r"\s*LR \[[0-9a-f]+\] " + _TOKEN + r"\b", Kind.RETURN),
        ("LR [", r"\s*LR \[(?P<at>[0-9a-f]{8,16})\](?=\s*$)", Kind.RETURN),
        ("PSW : ", r"\s*Krnl PSW : [0-9a-f]{8,16} [0-9a-f]{8,16} \(" + _TOKEN + r"\)", Kind.PC),
        ("ERA: ", r"\s*ERA: [0-9a-f]{16} " + _TOKEN + r"\b", Kind.PC),
        ("PC: <", r"\s*[TR]PC: <" + _TOKEN + r">", Kind.PC),
        ("I7: <", r"\s*I7: <" + _TOKEN + r">", Kind.RETURN),
        ("Caller[", r"\s*Caller\[[0-9a-f]+\]: " + _TOKEN + r"\b", Kind.RETURN),
        ("IAOQ[", r"\s*IAOQ\[[01]\]: " + _TOKEN + r"\b", Kind.PC),
        ("RP(r2)", r"\s*RP\(r2\): " + _TOKEN + r"\b", Kind.RETURN),
        ("WARNING: ", r"\s*WARNING: .{0,200}? at (?:\S{1,300}:\d+ )?(?:at )?" + _TOKEN + r"(?=\(\)|,| |$)", Kind.PC),
    )
)

# One of these stands in every line that can hold a mention.
QUESTIONS = ("[<", "0x", "pc : ", "lr : ", "epc", "ra   ", "NIP [", "LR [")


def find(text: str, named_too: bool = False) -> tuple[Mention, ...]:
    """The mentions in one record's text or one line of a capture, in the order of their places.

    ``named_too`` also returns the ``[<address>]`` beside which the kernel has already put a name.
    """
    for question in QUESTIONS:
        if question in text:
            break
    else:
        return ()
    if "\n" not in text:
        return tuple(_in_line(text, named_too))
    mentions: list[Mention] = []
    start = 0
    for line in text.split("\n"):  # s390 prints a whole register block as one record
        mentions += [
            Mention(mention.start + start, mention.end + start, mention.address, mention.kind)
            for mention in _in_line(line, named_too)
        ]
        start += len(line) + 1
    return tuple(mentions)


def _in_line(line: str, named_too: bool) -> list[Mention]:
    start = _envelope_end(line)
    mentions = _bracketed(line, start, named_too) if "[<" in line else []
    for question, form, kind in _FORMS:
        if question in line and (found := form.match(line, start)) is not None:
            mentions.append(_mention_of(found, kind))
    return sorted(mentions, key=lambda mention: mention.start)


def _envelope_end(line: str) -> int:
    found = ENVELOPE.match(line)
    assert found is not None  # every part of the pattern is optional
    return found.end()


def _mention_of(found: re.Match[str], kind: Kind) -> Mention:
    groups = found.groupdict()
    if groups.get("at"):
        return Mention(found.end(), found.end(), int(groups["at"], 16), kind)
    return Mention(found.start("hex"), found.end("hex"), int(groups["hex"], 16), kind)


def _bracketed(line: str, start: int, named_too: bool) -> list[Mention]:
    """Mentions of the ``[<address>]`` forms; a raw ``0x`` token that repeats the number is named in its stead."""
    exact = line.startswith(("RIP", "EIP", "IP:"), start)
    mentions: list[Mention] = []
    for found in _CLASSIC.finditer(line, start):
        address = int(found[2], 16)
        raw = _RAW_BEHIND.match(line, found.end() - 2)
        if raw and int(raw[1], 16) == address:
            if not mentions or mentions[-1].start != raw.start(1):
                mentions.append(Mention(raw.start(1), raw.end(1), address, Kind.PC if exact else Kind.RETURN))
        elif named_too or not _NAMED.match(line, found.end() - 2):
            mentions.append(Mention(found.start(1), found.end(1), address, Kind.CLASSIC))
    return mentions
