# SPDX-License-Identifier: GPL-2.0-or-later
r"""Bytes of one /dev/kmsg read to a `Record`, and back.

The contract: no record is dropped for its form. What has no header becomes a record whose
``unparsed`` is set and whose text is the bytes as they came; what was cut short by the kernel's own
buffer is delivered with ``truncated`` set.

Source of truth: Documentation/ABI/testing/dev-kmsg; kernel/printk/printk.c
``info_print_ext_header``, ``msg_add_ext_text``, ``msg_add_dict_text``.
"""

import contextlib
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat

from klogd_py.record.types import USER, Record, Severity

# The kernel's own output buffer up to Linux 6.2; a shorter one loses records to EINVAL
BUFFER_BYTES = 8192
# 8 bits of facility, 3 of level
LAST_PREFIX = 2047
# Facility 0 would claim that the kernel wrote it
_UNPARSED_PREFIX = USER << 3 | Severity.WARNING

# Records as most are, each behind a NUL: where there is no other NUL, and each ends with a line
# feed, a match is one record.
_PLAIN = re.compile(
    r"\0(\d{1,4}),(\d{1,20}),(\d{1,20}),([^,;\n\0]*)(?:,caller=([^,;\n\0]*))?;(.*)\n([^\0]*)",
    re.ASCII,
)
_PREFIXES = {str(prefix): prefix for prefix in range(LAST_PREFIX + 1)}
# Among so few records it does not pay to look for the plain ones
_FEW = 16
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_NEEDS_ESCAPE = re.compile(rb"[^\x20-\x5b\x5d-\x7e]")


class MalformedRecord(ValueError):
    """The bytes of a read do not start with a /dev/kmsg header; carries them."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(f"not a /dev/kmsg record: {raw[:60]!r}")
        self.raw = raw


def parse(raw: bytes) -> Record:
    r"""Read one record as returned by a single read() of /dev/kmsg.

    ``b"6,339,5140900,-,caller=T1;NET: Registered protocol family 10\n SUBSYSTEM=net\n"``: prefix,
    sequence number, microseconds since boot, flags, any later fields (kept, not understood), text,
    dictionary lines.

    Raises:
        MalformedRecord: the header is not at least three numbers before a ';', or the prefix exceeds 2047.

    Source: Documentation/ABI/testing/dev-kmsg
    """
    header, semicolon, body = raw.partition(b";")
    numbers = header.split(b",")
    if not semicolon or len(numbers) < 3 or not b"".join(numbers[:3]).isdigit():
        raise MalformedRecord(raw)
    text, line_feed, dictionary = body.partition(b"\n")
    escaped = b"\\" in text
    caller, extra = _later_fields(numbers[4:]) if len(numbers) > 4 else ("", ())
    try:
        return Record(
            unescape(text) if escaped else text.decode("utf-8", "surrogateescape"),
            _prefix(numbers[0]),
            int(numbers[1]),
            int(numbers[2]),
            numbers[3].decode("utf-8", "surrogateescape") if len(numbers) > 3 else "-",
            caller,
            extra,
            _dictionary(dictionary) if dictionary else (),
            not line_feed or (escaped and _cut_short(text)),
        )
    except ValueError as error:
        raise MalformedRecord(raw) from error


def parse_all(raws: Sequence[bytes]) -> list[Record]:
    """Read a batch of records; one without a header is delivered raw with ``unparsed`` set, never
    dropped.

    `parse` says what they mean. Where all are plain, one pass of a regular expression reads them in
    half the time; a batch with others among them is halved until these stand among few.
    """
    everything = b"\0".join([b"", *raws]).decode("utf-8", "surrogateescape")
    whole = b"\0" not in b"".join(raws) and everything.count("\n\0") == len(raws) - 1
    rows = _PLAIN.findall(everything) if whole else []
    if len(rows) == len(raws) and not ("\\" in everything and any("\\" in row[5] for row in rows)):
        prefixes, seqs, usecs, flags, callers, texts, dictionaries = (
            zip(*rows, strict=True) if rows else ((),) * 7
        )
        fields = map(_fields, dictionaries) if any(dictionaries) else repeat(())
        # A prefix in a form that the kernel does not use
        with contextlib.suppress(KeyError):
            numbers = map(_PREFIXES.__getitem__, prefixes), map(int, seqs), map(int, usecs)
            return list(map(Record, texts, *numbers, flags, callers, repeat(()), fields))
    if len(raws) <= _FEW:
        return [_read(raw) for raw in raws]
    half = len(raws) // 2
    return parse_all(raws[:half]) + parse_all(raws[half:])


def parse_surely(raw: bytes) -> Record:
    """Read one record, by itself; it is delivered raw for whatever reason it cannot be read."""
    try:
        return parse(raw)
    except Exception:
        return unparsed(raw)


def unparsed(raw: bytes, truncated: bool = False) -> Record:
    """A record of bytes as they came.

    ``truncated`` says that more of the line follows in the next one.
    """
    text = raw.removesuffix(b"\n").decode("utf-8", "surrogateescape")
    return Record(text, _UNPARSED_PREFIX, truncated=truncated, unparsed=True)


def _read(raw: bytes) -> Record:
    try:
        return parse(raw)
    except MalformedRecord:
        return unparsed(raw)


def render(record: Record) -> bytes:
    """Write a record the way /dev/kmsg would give it; `parse` reads it back."""
    header = f"{record.prefix or 0},{record.seq or 0},{record.usec or 0},{record.flags}"
    if record.caller:
        header += f",caller={record.caller}"
    for field in record.extra:
        header += f",{field}"
    lines = [header.encode("utf-8", "surrogateescape") + b";" + escape(record.text)]
    lines += [b" " + escape(key) + b"=" + escape(value) for key, value in record.fields]
    return b"\n".join(lines) + b"\n"


def escape(text: str) -> bytes:
    r"""Escape as the kernel does.

    Every byte below 0x20, from 0x7f up, and the backslash become ``\xHH``.
    """
    raw = text.encode("utf-8", "surrogateescape")
    return _NEEDS_ESCAPE.sub(lambda found: b"\\x%02x" % found[0][0], raw)


def unescape(raw: bytes) -> str:
    r"""Undo `escape`; a broken escape at a cut end stays as it is.

    Bytes that are not UTF-8 become surrogates.
    """
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw).decode(
        "utf-8", "surrogateescape"
    )


def _prefix(digits: bytes) -> int:
    """The facility and level in one number; raises ValueError where it is empty or too large."""
    prefix = int(digits)
    if prefix > LAST_PREFIX:
        raise ValueError(prefix)
    return prefix


def _later_fields(fields: list[bytes]) -> tuple[str, tuple[str, ...]]:
    caller = ""
    extra = []
    for raw in fields:
        field = raw.decode("utf-8", "surrogateescape")
        if field.startswith("caller=") and not caller:
            caller = field.removeprefix("caller=")
        else:
            extra.append(field)
    return caller, tuple(extra)


# A driver says the same of its device with every line
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


def _cut_short(text: bytes) -> bool:
    """Whether the text holds a backslash that starts no escape.

    The kernel writes none such unless it ran out of room.
    """
    return text.count(b"\\") != len(_ESCAPE.findall(text))
