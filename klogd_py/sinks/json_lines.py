# SPDX-License-Identifier: GPL-2.0-or-later
r"""Encode entries as lines of JSON, once for all sinks that write JSON.

`json_document` defines the keys. Control characters are escaped as JSON does it, and so keep their
value; bytes that are not UTF-8 become ``\xHH``. A line has no control character but its line feed.
"""

import contextlib
import json
import re
import threading
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec import UNSET, Struct, UnsetType

from klogd_py.record.types import Entry, Gap, Machine
from klogd_py.sinks.formats import (
    KERNEL_IDENTIFIER,
    LAST_KERN_PREFIX,
    TimestampFormatter,
    escape_undecodable,
    message_text,
    split_identifier,
)
from klogd_py.sinks.json_document import (
    SCHEMA,
    Document,
    GapRange,
    PrintingKernel,
    describe_dictionary,
    rank_of,
)
from klogd_py.sinks.machine_identity import MachineIdentity, identity_of

# Of the lines that are kept for another sink
MAX_RECENT_CHARS = 1 << 21

_ENCODER = msgspec.json.Encoder()
_NOT_PRINTABLE_ASCII = re.compile(r"[^\n\x20-\x7e]")


class JsonLines:
    """Makes the lines of one run. Mutable: the newest lines. Any thread may call it."""

    def __init__(self, identity: MachineIdentity | None = None, *, is_shared: bool = False) -> None:
        """``is_shared``: several sinks ask for the lines of the same entries."""
        self._origin = _origin_of(identity or MachineIdentity())
        self._recent = RecentLines(MAX_RECENT_CHARS) if is_shared else None
        self._timestamps = TimestampFormatter()
        # A sink that blocks is called in a thread.
        self._lock = threading.Lock()

    def encode(self, entries: Sequence[Entry]) -> list[str]:
        """Return one line for each entry, with its line feed.

        ``{"schema":1,"timestamp":"2026-11-23T08:13:42.123456+00:00","severity":"info",...}``
        """
        with self._lock:
            if self._recent is None:
                return self._encode(entries)
            found = self._recent.find(entries)
            missing = [entry for entry, line in zip(entries, found, strict=True) if line is None]
            if not missing:
                return [line for line in found if line is not None]
            made = self._encode(missing)
            self._recent.add(missing, made)
            new = iter(made)
            return [next(new) if line is None else line for line in found]

    def _encode(self, entries: Sequence[Entry]) -> list[str]:
        stamps = self._timestamps.rfc3339_batch([entry.wall_us for entry in entries])
        own = self._origin
        documents = [
            _document(
                entry,
                stamp,
                own if (machine := entry.record.machine) is None else _origin_stated(machine),
            )
            for entry, stamp in zip(entries, stamps, strict=True)
        ]
        for place, entry in enumerate(entries):
            if entry.report is not None:
                documents[place].report = entry.report
        encoded = _encode_documents(documents)
        if encoded.isascii() and b"\x7f" not in encoded:
            # No other character that ends a line is left.
            return encoded.decode().splitlines(keepends=True)
        lines = [line.decode() for line in encoded.splitlines(keepends=True)]
        return [
            line
            if line.isascii() and "\x7f" not in line
            else _NOT_PRINTABLE_ASCII.sub(_escape, line)
            for line in lines
        ]


class RecentLines:
    """The newest lines and their entries, up to a number of characters. Mutable."""

    def __init__(self, limit_chars: int) -> None:
        self._limit_chars = limit_chars
        self._chars = 0
        # By id(entry), which is that of no other entry, since `_batches` holds the entry
        self._lines: dict[int, str] = {}
        self._batches: deque[_Batch] = deque()

    def find(self, entries: Sequence[Entry]) -> list[str | None]:
        """Return the line of each entry, ``None`` where it is not known."""
        return list(map(self._lines.get, map(id, entries)))

    def add(self, entries: Sequence[Entry], lines: Sequence[str]) -> None:
        """Keep the lines of entries that are not known, in the place of the oldest ones."""
        chars = sum(map(len, lines))
        while self._batches and self._chars + chars > self._limit_chars:
            self._remove_oldest()
        if chars <= self._limit_chars:
            self._batches.append(_Batch(entries, chars))
            self._lines.update(zip(map(id, entries), lines, strict=True))
            self._chars += chars

    def _remove_oldest(self) -> None:
        oldest = self._batches.popleft()
        self._chars -= oldest.chars
        for entry in oldest.entries:
            # An entry may be twice in a batch.
            self._lines.pop(id(entry), None)


class _Batch(Struct, frozen=True):
    """Entries whose lines are kept, and the length of these lines."""

    entries: Sequence[Entry]
    chars: int


class _Origin(Struct, frozen=True):
    """The machine of a record, as its document shows it."""

    host: str | UnsetType
    machine_id: str | UnsetType
    boot_id: str | UnsetType
    kernel: PrintingKernel | UnsetType


def _origin_of(identity: MachineIdentity) -> _Origin:
    kernel = PrintingKernel(identity.release or UNSET, identity.build_id or UNSET)
    return _Origin(
        identity.host or UNSET,
        identity.machine_id or UNSET,
        identity.boot_id or UNSET,
        UNSET if kernel == PrintingKernel() else kernel,
    )


@lru_cache(64)
def _origin_stated(machine: Machine) -> _Origin:
    return _origin_of(identity_of(machine))


def _document(entry: Entry, stamp: str, origin: _Origin) -> Document:
    """Return the document of an entry; ``stamp`` is its wall time."""
    record, gap, symbols = entry.record, entry.gap, entry.symbols
    prefix = record.prefix
    rank = rank_of(prefix)
    # What `split_identifier` returns for these
    is_plain = gap is None and not entry.is_own and (prefix is None or prefix <= LAST_KERN_PREFIX)
    dictionary = describe_dictionary(record.fields)
    seq, usec, flags, source = record.seq, record.usec, record.flags, entry.time_source
    # In the order of the keys: names would cost a third more.
    return Document(
        SCHEMA,
        stamp,
        rank.severity,
        rank.severity_number,
        rank.facility,
        KERNEL_IDENTIFIER if is_plain else split_identifier(entry, entry.text).tag,
        entry.text if gap is None else message_text(entry),
        entry.wall_us,
        UNSET if source is None else source,
        UNSET if seq is None else seq,
        record.parts or UNSET,
        UNSET if usec is None else usec,
        record.caller or UNSET,
        UNSET if flags == "-" or not flags else flags,
        dictionary.subsystem,
        dictionary.device,
        dictionary.fields,
        record.text if symbols else UNSET,
        tuple([place.kernel_form for place in symbols]) if symbols else UNSET,
        UNSET if gap is None else _range_of(gap),
        record.extra or UNSET,
        record.truncated or UNSET,
        record.unparsed or UNSET,
        origin.host,
        origin.machine_id,
        origin.boot_id,
        origin.kernel,
    )


def _range_of(gap: Gap) -> GapRange:
    return GapRange(gap.first, gap.last, gap.count, gap.cause)


def _escape(found: re.Match[str]) -> str:
    r"""Return the character as it is if it is printable, otherwise as ``\u2028``.

    Only strings contain such characters.
    """
    return (
        found[0]
        if found[0].isprintable()
        else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")
    )


def _encode_documents(documents: Sequence[Document]) -> bytes:
    r"""Return a line for each document; bytes that are not UTF-8 become ``\xHH`` in them."""
    with contextlib.suppress(UnicodeEncodeError):
        return _ENCODER.encode_lines(documents)
    # Nearly all such bytes are in the texts.
    for document in documents:
        if not document.text.isascii():
            document.text = escape_undecodable(document.text)
    with contextlib.suppress(UnicodeEncodeError):
        return _ENCODER.encode_lines(documents)
    return _ENCODER.encode_lines([_make_encodable(msgspec.to_builtins(one)) for one in documents])


def _make_encodable(value: object) -> object:
    """Return a value of JSON in which all strings can be encoded as UTF-8."""
    match value:
        case str():
            return escape_undecodable(value)
        case dict():
            return {
                escape_undecodable(key): _make_encodable(item)
                for key, item in value.items()
                if isinstance(key, str)
            }
        case list() | tuple():
            return [_make_encodable(item) for item in value]
        case _:
            return value
