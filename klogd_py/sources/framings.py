# SPDX-License-Identifier: GPL-2.0-or-later
"""Recognise the records of a capture that have several lines, and make records of them.

Source of truth: Documentation/ABI/testing/dev-kmsg; the journal export format of systemd.io;
dmesg(1) of util-linux, ``--json``.
"""

import re
from collections.abc import Sequence

import msgspec

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.record.types import Machine, Record
from klogd_py.sources import journal_format, kmsg_format
from klogd_py.sources.netconsole import RELEASE
from klogd_py.sources.object_records import find_records

# More lines or bytes are no record
MAX_LINES = 4096
MAX_BYTES = 1 << 20
# How often the lines so far are tried to be an object
_MAX_TRIES = 64

_KMSG = re.compile(
    rb"\0?(?:(?P<release>" + RELEASE + rb"),)?\d{1,4},\d{1,20},\d{1,20},[^,;\n]{1,4}[,;]"
)
_LONG_FIELD = re.compile(rb"[A-Z0-9_]{1,64}$")
_OPENING = re.compile(rb"(?:\[?\s*|\s*\}, ?)\{\s*$|\[\s*$")
_ONE_LINE = (b"{", b"[{", b"[[")
_LIST = re.compile(rb'\s*(?:"\w{1,32}": ?)?\[\s*$')
_LIST_AND_OBJECT = re.compile(rb'\s*"\w{1,32}": ?\[\s*\{\s*$')
_AFTER_WRAPPER = re.compile(rb"\s*[\]}],?\s*$")
_CLOSINGS = (b"}", b"},", b"{", b"}]", b"]]")
_WHOLE_LIST = re.compile(rb"\[\s*[\[{]")
# Of a list of LAVA, of server-sent events, of RFC 7464
_EVENT = b"data: "
_BEFORE_OBJECT = re.compile(rb"- |data: |\x1e")


class Framing:
    """The records of one form, which may have several lines."""

    name = ""
    # Where lines are no record, all but the first are looked at again.
    retries = False

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with this line, which has no line feed."""
        raise NotImplementedError

    def continues(self, lines: Sequence[bytes], line: bytes) -> bool:
        """Whether a line belongs to the record of the lines before it."""
        return len(lines) < MAX_LINES

    def is_complete(self, lines: Sequence[bytes]) -> bool:
        """Whether no more lines belong to a record; False if only the next line tells."""
        return False

    def may_end(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines are a whole record if no line follows for a while."""
        return False

    def make(self, lines: Sequence[bytes]) -> list[Record] | None:
        """Make the records of some lines; ``None`` if they are none, but text."""
        raise NotImplementedError

    def rest(self, lines: Sequence[bytes]) -> bytes:
        """The end of the last line that already begins the next record."""
        return b""


class KmsgFraming(Framing):
    r"""Records of /dev/kmsg with dictionary lines, of netconsole with a release in front.

    ``6,339,5140900,-;NET: Registered protocol family 10\n SUBSYSTEM=net\n``
    """

    name = "kmsg"

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with this line."""
        return _KMSG.match(line) is not None

    def continues(self, lines: Sequence[bytes], line: bytes) -> bool:
        """Whether a line belongs to the lines before it."""
        return line.startswith(b" ") and b"=" in line and len(lines) < MAX_LINES

    def may_end(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines are a whole record if no line follows for a while."""
        return True

    def make(self, lines: Sequence[bytes]) -> list[Record] | None:
        """Make a record of its lines; ``None`` if they are text."""
        found = _KMSG.match(lines[0])
        raw = b"\n".join(lines).removeprefix(b"\0")
        release = found["release"] if found is not None else None
        if release is None:
            return [kmsg_format.parse_or_raw(raw + b"\n")]
        record = kmsg_format.parse_or_raw(raw[len(release) + 1 :] + b"\n")
        return [msgspec.structs.replace(record, machine=Machine(release=release.decode()))]


class ExportFraming(Framing):
    r"""Entries of a journal: ``__CURSOR=s=...\nMESSAGE=eth0: up\n...\n\n``.

    A value with line feeds stands behind its length in eight bytes, and the name on its own line.
    """

    name = "export"

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with this line."""
        return line.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP="))

    def is_complete(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines are a whole record."""
        return not lines[-1] and _export_fields(lines) is not None

    def make(self, lines: Sequence[bytes]) -> list[Record] | None:
        """Make a record of its lines; ``None`` if they are text."""
        fields = _export_fields(lines)
        return [journal_format.from_journal(fields)] if fields else None


class ObjectFraming(Framing):
    """JSON objects, one on each line or over several lines, as dmesg and journalctl print them.

    Mutable: whether the objects are in a list of ``dmesg --json``.
    """

    name = "json"

    def __init__(self, reader: PrefixReader) -> None:
        self._reader = reader
        self._tries = 0
        self.is_in_list = False
        # An empty line ends a server-sent event.
        self._is_in_event = False

    def begins(self, line: bytes) -> bool:
        """Whether a record begins with this line."""
        self._tries = 0
        if self._is_in_event and not line:
            return True
        if _OPENING.match(line):
            return True
        if self.is_in_list and _AFTER_WRAPPER.match(line):
            return True
        before = _BEFORE_OBJECT.match(line)
        begins = line.startswith(_ONE_LINE, before.end() if before else 0)
        return begins and self._decode([line]) is not None

    def continues(self, lines: Sequence[bytes], line: bytes) -> bool:
        """Whether a line belongs to the lines before it."""
        return len(lines) < MAX_LINES and self._tries < _MAX_TRIES

    def is_complete(self, lines: Sequence[bytes]) -> bool:
        """Whether these lines are a whole record."""
        if lines == [b""]:
            return True
        if self._opens_list(lines):
            self.is_in_list = True
            return True
        if self.is_in_list and len(lines) == 1 and _AFTER_WRAPPER.match(lines[0]):
            return True
        last = lines[-1].rstrip()
        may_end = last.endswith(_CLOSINGS) or last == b"]"
        return may_end and self._decode(lines) is not None

    def make(self, lines: Sequence[bytes]) -> list[Record] | None:
        """Make a record of its lines; ``None`` if they are text."""
        if self.is_in_list and (self._opens_list(lines) or _AFTER_WRAPPER.match(lines[0])):
            return []
        self._is_in_event = lines[0].startswith(_EVENT)
        if lines == [b""]:
            return []
        content = self._decode(lines)
        if content is None:
            return None
        return find_records(content, self._reader)

    def rest(self, lines: Sequence[bytes]) -> bytes:
        """Return the brace that begins the next object on the last line."""
        return b"{" if len(lines) > 1 and lines[-1].rstrip().endswith(b"{") else b""

    def _opens_list(self, lines: Sequence[bytes]) -> bool:
        """Whether the objects of a list follow, the first perhaps on the last of these lines."""
        if len(lines) not in (2, 3):
            return False
        if len(lines) == 2 and _LIST_AND_OBJECT.match(lines[1]):
            return True
        return _LIST.match(lines[-2]) is not None and lines[-1].strip() == b"{"

    def _decode(self, lines: Sequence[bytes]) -> object | None:
        self._tries += 1
        text = b"\n".join(lines).strip()
        if before := _BEFORE_OBJECT.match(text):
            text = text[before.end() :]
        if self.rest(lines):
            text = text[:-1]
        if len(text) > MAX_BYTES:
            return None
        if _WHOLE_LIST.match(text) and (content := _decoded(text)) is not None:
            return content
        text = text.strip(b" \t,[]")
        text = text.removeprefix(b"}").lstrip(b" ,") if text.startswith(b"}") else text
        content = _decoded(text)
        return content if isinstance(content, dict) else None


def _decoded(text: bytes) -> object | None:
    try:
        content: object = msgspec.json.decode(text)
        return content
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _export_fields(lines: Sequence[bytes]) -> dict[str, list[str]] | None:
    """The values of each field of an entry; ``None`` if a value is not complete."""
    text = b"\n".join(lines) + b"\n"
    fields: dict[str, list[str]] = {}
    at = 0
    while at < len(text):
        end = text.find(b"\n", at)
        name, equals, value = text[at:end].partition(b"=")
        at = end + 1
        if not equals and _LONG_FIELD.match(name):
            length = int.from_bytes(text[at : at + 8], "little")
            value = text[at + 8 : at + 8 + length]
            if len(value) < length:
                return None
            at += 8 + length + 1
        elif not equals:
            continue
        values = fields.setdefault(name.decode("ascii", "replace"), [])
        values.append(value.decode("utf-8", "surrogateescape"))
    return fields
