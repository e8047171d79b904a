# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read the frames of a stack out of one line.

Forms, with symbols in the place of addresses, as `klogd_py.pipeline.symbolize` leaves them::

     ? vfs_read+0x1f/0x40 [ext4 852e63996474051c57bcd1a86ebfd81073083853]
     [<ffffffff8119d0a1>] vfs_read+0x1f/0x40          mips, s390, riscv, x86 before 4.10
    [c00000000f0b3b50] [c0000000000d2f50] .vfs_read+0x1f/0x40 (unreliable)           powerpc
     vfs_read from ksys_read+0x1f/0x40                 arm; both functions belong to the stack
    Caller[0000000000509a4c]: vfs_read+0x1f/0x40                                       sparc
     [<ffffffff8802c8e9>] :ext4:vfs_read+0x1f/0x40     x86-64 until 2.6.24
    <ffffffff8021fbdb>{vfs_read+25} <ffffffff80208fa6>{:ext4:ext4_read+1616}   until 2.6.17
    Call Trace: [vfs_read+0x1f/0x40] [ext4:ext4_read+0x5/0x40]      what klogd makes of addresses

A function that was inlined into another one (``nic_fill drivers/net/nic.h:12 [inline]``, which
decoding adds) has no frame of its own, so that decoding does not change what is to blame.

Source of truth: ``dump_backtrace``, ``show_stack`` of each architecture; lib/vsprintf.c ``%pS``.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Frame

# No line of a stack is longer
_MAX_CHARS = 1024

_NAME = r"[A-Za-z_.$][\w.$]{0,511}"
# What Rust's names look like when another program has demangled them
_RUST_NAME = r"<?[A-Za-z_][\w.$]{0,100}(?:::|<)[^\s+][^+\n]{0,400}"
_HEX = r"[0-9a-f]{1,16}"
_SYMBOL = (
    rf"(?P<name>{_NAME}|{_RUST_NAME})\+(?:0x)?(?P<offset>{_HEX})/(?:0x)?(?P<size>{_HEX})"
    r"(?: \[(?P<module>[\w-]{1,64})(?: (?P<build_id>[0-9a-f]{20,64}))?\])?"
)
# "[<ffffffff8119d0a1>]", "[c00000000f0b3b50]"
_BRACKETS = r"\[<?(?:0x)?[0-9a-fA-F]{8,16}>?\]:? *"
# What stands in front of a symbol that is a frame
_LEAD = (
    r"[ \t]{0,64}(?:(?:<[A-Z#/]{2,12}>|<<EOE>>) *){0,3}(?P<paren>\()?(?:Caller)?"
    rf"(?:{_BRACKETS}){{0,2}}(?P<doubt>\? +)?\(?(?::(?P<lead>[\w-]{{1,64}}):)?"
)
_FRAME = lazy_pattern(_LEAD + _SYMBOL)
# Behind the symbol: nothing, a mark, or what decoding has added
_BEHIND_SYMBOL = lazy_pattern(
    r"\)? ?(?P<unreliable>\(unreliable\))?(?:\([A-Z]{1,4}\))?(?:\(discriminator \d{1,5}\))?"
    r"(?:\(\.?[A-Za-z_][\w.$]{0,200}\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}\))?"
    r" ?(?P<file>[\w./+~-]{1,300}\.(?:[chS]|rs|asm|inc)):(?P<line>\d{1,6})(?: \[inline\])? *"
    r"|\)? ?(?P<mark>\(unreliable\)|\([A-Z]{1,4}\))?"
    r"(?: \(\.?[A-Za-z_][\w.$]{0,200}\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}\))? *"
)
_FROM = lazy_pattern(
    rf" {{0,64}}(?:{_BRACKETS})?\(?(?P<callee>{_NAME})(?:\+0x(?P<at>{_HEX})/0x(?P<of>{_HEX}))?"
    rf"(?: \[(?P<callee_module>[\w-]{{1,64}})\])?\)? from (?:{_BRACKETS})?\(?{_SYMBOL}\)? *"
)
# "nic_poll (net/nic.c:12 (discriminator 3) net/nic.h:3) nic"
_DECODED = lazy_pattern(
    rf" {{0,64}}(?P<doubt>\? )?(?P<name>{_NAME}) \((?P<file>[\w./+~-]{{1,300}}\.(?:[chS]|rs)):"
    r"(?P<line>\d{1,6})[^()]{0,200}(?:\(discriminator \d{1,4}\)[^()]{0,200}){0,4}\)"
    r"(?: (?P<module>[\w-]{1,64}))? *"
)
# Several on a line, or in a form of 2.4 and early 2.6. Decimal without "0x".
_OLD = lazy_pattern(
    rf"\{{(?::(?P<brace_module>[\w-]{{1,64}}):)?(?P<brace>{_NAME})\+(?P<brace_offset>\d{{1,9}})\}}"
    rf"|\[<?(?:(?P<klogd_module>[\w-]{{1,64}}):)?(?P<klogd>{_NAME})"
    r"\+(?P<klogd_offset>(?:0x)?[0-9a-f]{1,16})/(?P<klogd_size>(?:0x)?[0-9a-f]{1,16})>?\]"
    rf"|\] (?P<redhat>{_NAME}) \[(?P<redhat_module>[\w-]{{1,64}})\] 0x(?P<redhat_offset>{_HEX})"
    rf"|\] :?(?P<colon_module>[\w-]{{1,64}}:)?(?P<plain>{_NAME})\+0x(?P<plain_offset>{_HEX})"
    rf"/0x(?P<plain_size>{_HEX})"
)
_OLD_START = lazy_pattern(
    r" {0,64}(?:Call (?:Trace|Backtrace)|Trace|Backtrace|\[|<)", re.IGNORECASE
)


class FrameLine(Struct, frozen=True, gc=False):
    """The frames of one line, and where the last of them ends in it."""

    frames: tuple[Frame, ...]
    end: int


def read_frames(text: str) -> tuple[Frame, ...]:
    """Return the frames of a line, the innermost first; none if it is no line of a stack."""
    if "+" not in text:
        return _decoded_frames(text) if ":" in text else _redhat_frames(text)
    text = text[:_MAX_CHARS]
    found = _FRAME.match(text)
    if found is not None:
        tail = _BEHIND_SYMBOL.fullmatch(text, found.end())
        if tail is not None:
            return (_frame(found, tail),)
    if " from " in text:
        both = _FROM.fullmatch(text)
        if both is not None:
            return _callee_and_caller(both)
    if _OLD_START.match(text):
        return tuple(_old_frames(text))
    return ()


def first_symbol(text: str, start: int = 0) -> Frame | None:
    """Return the first symbol in a text from ``start`` on, as a frame: ``nic_poll+0x1/0x40``."""
    found = _ANY_SYMBOL.search(text, start, start + _MAX_CHARS)
    return _frame(found) if found is not None else None


_ANY_SYMBOL = lazy_pattern(
    r"(?<![\w.$])(?::(?P<lead>[\w-]{1,64}):)?(?P<doubt>)(?P<paren>)"
    + _SYMBOL.replace(f"|{_RUST_NAME}", "")
)


def _frame(found: re.Match[str], tail: re.Match[str] | None = None) -> Frame:
    name, offset, size, module, build_id = found.group(
        "name", "offset", "size", "module", "build_id"
    )
    doubtful = bool(found["doubt"] or found["paren"])
    file, line = "", 0
    if tail is not None:
        doubtful |= tail["unreliable"] is not None or tail["mark"] == "(unreliable)"
        if tail["file"] is not None:
            file, line = tail["file"], int(tail["line"])
    return Frame(
        name.lstrip("."),
        int(offset, 16),
        int(size, 16),
        module or found["lead"] or "",
        build_id or "",
        not doubtful,
        False,
        file,
        line,
    )


def _callee_and_caller(found: re.Match[str]) -> tuple[Frame, ...]:
    """Both functions of arm's ``callee from caller+0x1/0x2``."""
    at, of = found["at"], found["of"]
    callee = Frame(
        found["callee"],
        None if at is None else int(at, 16),
        None if of is None else int(of, 16),
        found["callee_module"] or "",
    )
    caller = Frame(
        found["name"], int(found["offset"], 16), int(found["size"], 16), found["module"] or ""
    )
    return callee, caller


def _decoded_frames(text: str) -> tuple[Frame, ...]:
    found = _DECODED.fullmatch(text)
    if found is None:
        return ()
    return (
        Frame(
            found["name"],
            module=found["module"] or "",
            reliable=found["doubt"] is None,
            file=found["file"],
            line=int(found["line"]),
        ),
    )


def _redhat_frames(text: str) -> tuple[Frame, ...]:
    """Frames of the only form without a plus sign: ``[<c014795d>] sys_poll [kernel] 0x36d``."""
    if "] 0x" in text and _OLD_START.match(text):
        return tuple(_old_frames(text[:_MAX_CHARS]))
    return ()


def _old_frames(text: str) -> Iterator[Frame]:
    for found in _OLD.finditer(text):
        if found["brace"] is not None:
            module = found["brace_module"] or ""
            yield Frame(found["brace"], int(found["brace_offset"]), None, module)
        elif found["klogd"] is not None:
            offset, size = (_number(found[part]) for part in ("klogd_offset", "klogd_size"))
            yield Frame(found["klogd"], offset, size, (found["klogd_module"] or ""))
        elif found["redhat"] is not None:
            module = found["redhat_module"]
            named = "" if module == "kernel" else module
            yield Frame(found["redhat"], int(found["redhat_offset"], 16), None, named)
        else:
            module = (found["colon_module"] or "").rstrip(":")
            offset, size = int(found["plain_offset"], 16), int(found["plain_size"], 16)
            yield Frame(found["plain"].lstrip("."), offset, size, module)


def _number(text: str) -> int | None:
    """Read the number of klogd 1.4 (decimal), or of later ones (``0x1f``)."""
    if text.startswith("0x"):
        return int(text, 16)
    return int(text) if text.isdecimal() else None
