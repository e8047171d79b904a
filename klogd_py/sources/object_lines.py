# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the kernel's text in a line that is a JSON object, or a field of one.

The line is a character for each byte. Source of truth: RFC 8259; `klogd_py.sources.journal_format`.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from klogd_py.line_prefix.json_string import unescape
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.types import Record
from klogd_py.sources import journal_format, object_fields

_STRING = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_OBJECT = lazy_pattern(r"(?:data: |\x1e|- |\[)?(\{.*\})[\],]?\s*$")
_VALUES = {
    key: lazy_pattern(rf'"{key}" ?: ?{_STRING}') for key in (*journal_format.LINE_KEYS, "text")
}
_TOKEN = lazy_pattern(rf"{_STRING}|[{{}}\[\]]")
# A line of ``dmesg --json`` or ``journalctl -o json-pretty``
_FIELD = lazy_pattern(rf"\s{{1,16}}\"({'|'.join(journal_format.LINE_KEYS)})\" ?: ?{_STRING},?\s*$")


# In each JSON object, and in each field of one on a line of its own
_SIGN = lazy_pattern(r'" ?: ?"')


class ObjectLine(Struct, frozen=True):
    """A line as a record, whose text is what the JSON string means.

    ``raw`` is the text as it is written, and ``places`` is that of `unescape` for it.
    """

    record: Record
    raw: str
    places: list[int]


def may_be_object(line: str) -> bool:
    """Whether `read_object_line` may read a line, or one line of a text."""
    return _SIGN.search(line) is not None


def read_object_line(line: str, reader: PrefixReader) -> ObjectLine | None:
    """Read ``{"MESSAGE":"eth0: up","PRIORITY":"6",...}`` and ``"msg": "eth0: up"``.

    ``None`` for any other line.
    """
    if (field := _FIELD.match(line)) is not None:
        return _object_line(line, field.span(2), {field[1]: ""}, reader)
    if (found := _OBJECT.match(line)) is None:
        return None
    try:
        content = msgspec.json.decode(found[1].encode("latin-1"), type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    key = journal_format.text_key(content)
    span = None if key is None else _find_value(line, key, found.start(1))
    return None if span is None else _object_line(line, span, content, reader)


def _find_value(line: str, key: str, start: int) -> tuple[int, int] | None:
    """Where the string of a key of the object at ``start`` is, not that of an object within it."""
    spans = [found.span(1) for found in _VALUES[key].finditer(line, start)]
    if len(spans) < 2:
        return spans[0] if spans else None
    depth, strings = 0, set()
    for token in _TOKEN.finditer(line, start):
        if token[0] in ("{", "["):
            depth += 1
        elif token[0] in ("}", "]"):
            depth -= 1
        elif depth == 1:
            strings.add(token.start(1))
    # Of a key that is there twice, the last value counts.
    return next((span for span in reversed(spans) if span[0] in strings), None)


def _object_line(
    line: str, span: tuple[int, int], content: Mapping[str, object], reader: PrefixReader
) -> ObjectLine | None:
    start, end = span
    text, places = unescape(line[start:end])
    if journal_format.states_fields(content):
        found = journal_format.from_object(content, reader)
        if found is None:
            return None
        record, first, last = found, 0, len(text)
    else:
        whole = text.removesuffix("\n")
        inner = reader.read(whole.partition("\n")[0])
        first = len(inner.head)
        last = len(whole) if "\n" in whole else first + len(inner.text)
        record = object_fields.with_fields(inner, content, reader)
    text, places = text[first:last], [start + place for place in places[first : last + 1]]
    # The line stays one, whatever it says of lines that it continues.
    record = msgspec.structs.replace(
        record,
        text=text,
        head=line[: places[0]],
        tail=line[places[-1] :],
        seq=None,
        flags="-",
        parts=(),
    )
    return ObjectLine(record, line[places[0] : places[-1]], [at - places[0] for at in places])
