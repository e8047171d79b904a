# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse and write records in the format of /dev/kmsg.

The contract: no record is dropped for its form. A record without a header becomes one whose
``unparsed`` is set and whose text is its bytes; one that the kernel's own buffer has cut gets
``truncated``.

Source of truth: Documentation/ABI/testing/dev-kmsg; kernel/printk/printk.c
``info_print_ext_header``, ``msg_add_ext_text``, ``msg_add_dict_text``.
"""

import contextlib
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat

from msgspec import Struct

from klogd_py.record.types import USER, Record, Severity
from klogd_py.sources.errors import SourceError

# The kernel's own output buffer up to Linux 6.2; a shorter one loses records to EINVAL
BUFFER_BYTES = 8192
# 8 bits of facility, 3 of level
LAST_PREFIX = 2047
# Not facility 0, which states that the kernel wrote the record
_UNPARSED_PREFIX = USER << 3 | Severity.WARNING

# Common records, each after a NUL: where there is no other NUL, and each record ends with a line
# feed, a match is one record.
_PLAIN = re.compile(
    r"\0(\d{1,4}),(\d{1,20}),(\d{1,20}),([^,;\n\0]*)(?:,caller=([^,;\n\0]*))?;(.*)\n([^\0]*)",
    re.ASCII,
)
_PREFIXES = {str(prefix): prefix for prefix in range(LAST_PREFIX + 1)}
# A smaller batch is not worth halving to find its plain records
_MAX_UNHALVED = 16
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_ESCAPE_IN_TEXT = re.compile(r"\\x[0-9a-fA-F]{2}", re.ASCII)
# Python's own escape for a character beyond all bytes, between texts that are decoded as one
_BETWEEN, _ESCAPED_BETWEEN = "\u0100", r"\u0100"
_NEEDS_ESCAPE = re.compile(rb"[^\x20-\x5b\x5d-\x7e]")


class MalformedRecord(SourceError, ValueError):
    """A record does not start with a /dev/kmsg header; ``raw`` is its bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(f"not a /dev/kmsg record: {raw[:60]!r}")
        self.raw = raw


class _LaterFields(Struct, frozen=True, gc=False):
    """The fields behind the flags of a header: the caller, and those that are not understood."""

    caller: str = ""
    extra: tuple[str, ...] = ()


def parse(raw: bytes) -> Record:
    r"""Read one record as returned by a single read() of /dev/kmsg.

    ``b"6,339,5140900,-,caller=T1;NET: Registered protocol family 10\n SUBSYSTEM=net\n"``: prefix,
    sequence number, microseconds since boot, flags, any later fields (kept, not understood), text,
    dictionary lines.

    Raises:
        MalformedRecord: the header is not at least three numbers before a ';', or the prefix
        exceeds 2047.

    Source: Documentation/ABI/testing/dev-kmsg
    """
    header, semicolon, body = raw.partition(b";")
    numbers = header.split(b",")
    if not semicolon or len(numbers) < 3 or not b"".join(numbers[:3]).isdigit():
        raise MalformedRecord(raw)
    text, line_feed, dictionary = body.partition(b"\n")
    escaped = b"\\" in text
    later = _later_fields(numbers[4:]) if len(numbers) > 4 else _NO_LATER_FIELDS
    try:
        return Record(
            unescape(text) if escaped else text.decode("utf-8", "surrogateescape"),
            _prefix(numbers[0]),
            int(numbers[1]),
            int(numbers[2]),
            numbers[3].decode("utf-8", "surrogateescape") if len(numbers) > 3 else "-",
            later.caller,
            later.extra,
            _dictionary(dictionary) if dictionary else (),
            not line_feed or (escaped and _is_cut_short(text)),
        )
    except ValueError as error:
        raise MalformedRecord(raw) from error


def parse_all(raws: Sequence[bytes]) -> list[Record]:
    """Parse a batch; a record without a header is returned raw with ``unparsed`` set, never
    dropped.

    `parse` documents the format. Where all records are plain, one pass of a regular expression
    parses them in half the time, and only the texts that hold a backslash are unescaped. A batch
    with other records among them is halved until these are among few.
    """
    everything = b"\0".join([b"", *raws]).decode("utf-8", "surrogateescape")
    whole = b"\0" not in b"".join(raws) and everything.count("\n\0") == len(raws) - 1
    rows = _PLAIN.findall(everything) if whole else []
    # A KeyError is a prefix in a form that the kernel does not use.
    with contextlib.suppress(KeyError):
        if len(rows) == len(raws):
            return _records_of(rows, raws) if rows else []
    if len(raws) <= _MAX_UNHALVED:
        return [_parse_or_raw_header(raw) for raw in raws]
    half = len(raws) // 2
    return parse_all(raws[:half]) + parse_all(raws[half:])


def _records_of(rows: Sequence[tuple[str, ...]], raws: Sequence[bytes]) -> list[Record]:
    """Make records of the groups of `_PLAIN`, which matched ``raws``. Raises KeyError."""
    prefixes, seqs, usecs, flags, callers, raw_texts, dictionaries = zip(*rows, strict=True)
    fields = map(_fields, dictionaries) if any(dictionaries) else repeat(())
    numbers = map(_PREFIXES.__getitem__, prefixes), map(int, seqs), map(int, usecs)
    texts: list[str] = list(raw_texts)
    escaped = [place for place, text in enumerate(texts) if "\\" in text]
    unescaped = _unescape_all([texts[place] for place in escaped]) if escaped else []
    if unescaped:
        for place, text in zip(escaped, unescaped, strict=True):
            texts[place] = text
    records = list(map(Record, texts, *numbers, flags, callers, repeat(()), fields))
    if escaped and not unescaped:
        for place in escaped:
            records[place] = parse(raws[place])
    return records


def _unescape_all(texts: Sequence[str]) -> list[str]:
    """Return `unescape` of each text; empty if a backslash in any of them starts no escape."""
    together = "\n".join(texts)
    if len(_ESCAPE_IN_TEXT.findall(together)) != together.count("\\"):
        return []
    # Each escape means the same to Python, which decodes them faster than a regular expression.
    encoded = together.replace("\n", _ESCAPED_BETWEEN).encode("utf-8", "surrogateescape")
    return [
        text if text.isascii() else text.encode("latin-1").decode("utf-8", "surrogateescape")
        for text in encoded.decode("unicode_escape").split(_BETWEEN)
    ]


def parse_or_raw(raw: bytes) -> Record:
    """Parse one record; it is returned raw if it cannot be parsed, for whatever reason."""
    try:
        return parse(raw)
    except Exception:
        return raw_record(raw)


def raw_record(raw: bytes, truncated: bool = False) -> Record:
    """Make a record of unparsed bytes; ``truncated``: the next record continues the line."""
    text = raw.removesuffix(b"\n").decode("utf-8", "surrogateescape")
    return Record(text, _UNPARSED_PREFIX, truncated=truncated, unparsed=True)


def _parse_or_raw_header(raw: bytes) -> Record:
    try:
        return parse(raw)
    except MalformedRecord:
        return raw_record(raw)


def render(record: Record) -> bytes:
    """Write a record in the format of /dev/kmsg; `parse` reads it back."""
    header = f"{record.prefix or 0},{record.seq or 0},{record.usec or 0},{record.flags}"
    if record.caller:
        header += f",caller={record.caller}"
    for field in record.extra:
        header += f",{field}"
    lines = [header.encode("utf-8", "surrogateescape") + b";" + escape(record.text)]
    lines += [b" " + escape(key) + b"=" + escape(value) for key, value in record.fields]
    return b"\n".join(lines) + b"\n"


def escape(text: str) -> bytes:
    r"""Escape as the kernel does: bytes below 0x20, from 0x7f up, and the backslash become
    ``\xHH``.
    """
    raw = text.encode("utf-8", "surrogateescape")
    return _NEEDS_ESCAPE.sub(lambda found: b"\\x%02x" % found[0][0], raw)


def unescape(raw: bytes) -> str:
    """Undo `escape`; an incomplete escape stays, and bytes that are not UTF-8 become surrogates."""
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw).decode(
        "utf-8", "surrogateescape"
    )


def _prefix(digits: bytes) -> int:
    """Parse facility and level; raises ValueError if empty or too large."""
    prefix = int(digits)
    if prefix > LAST_PREFIX:
        raise ValueError(prefix)
    return prefix


def _later_fields(fields: list[bytes]) -> _LaterFields:
    caller = ""
    extra = []
    for raw in fields:
        field = raw.decode("utf-8", "surrogateescape")
        if field.startswith("caller=") and not caller:
            caller = field.removeprefix("caller=")
        else:
            extra.append(field)
    return _LaterFields(caller, tuple(extra))


_NO_LATER_FIELDS = _LaterFields()


# A driver repeats the dictionary of its device with every line.
@lru_cache(256)
def _fields(dictionary: str) -> tuple[tuple[str, str], ...]:
    return _dictionary(dictionary.encode("utf-8", "surrogateescape"))


def _dictionary(lines: bytes) -> tuple[tuple[str, str], ...]:
    pairs = []
    for line in lines.split(b"\n"):
        key, equals, value = line.removeprefix(b" ").partition(b"=")
        if equals and key:
            pairs.append((unescape(key), unescape(value)))
    return tuple(pairs)


def _is_cut_short(text: bytes) -> bool:
    """Whether the text holds a backslash that starts no escape.

    The kernel writes one only if its buffer was too short.
    """
    return text.count(b"\\") != len(_ESCAPE.findall(text))
