# SPDX-License-Identifier: GPL-2.0-or-later
r"""How an entry reads as a line: who speaks, what may be shown, and when it was.

Kernel text is untrusted: control characters could drive a terminal or forge a line of a log. They
are shown as the kernel escapes them (``\x1b``); NUL is dropped. Facility 0 proves that the kernel
spoke; any other record was written by a process, which is named instead where the text begins with
``name[pid]:``. In the names of the kernel and of klogd-py nobody else speaks, so a line that begins
with the tag ``klogd-py`` is one of klogd-py's own.

Source of truth: RFC 3164 section 4.1; RFC 3339; Documentation/ABI/testing/dev-kmsg.
"""

import json
import re
import socket
import time
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from klogd_py.record.types import KERN, SYSLOG_IDENTIFIER, Entry, Severity

KERNEL_TAG = "kernel"
LAST_KERN_PREFIX = KERN << 3 | Severity.DEBUG
# A process wrote to /dev/kmsg without saying its name
OTHER_TAG = "kmsg"

# Characters in which a name is looked for that nobody else may have
MAX_TAG = 80
# What can be taken for a letter of these names: digits, and letters of other alphabets.
_RESERVED = ("kernel", "klogdpy")
_ALIKE = str.maketrans(
    {"0": "o", "1": "l", "3": "e", "9": "g", "i": "l", "|": "l", "!": "l", "m": "rn", "q": "g"}
    | dict(
        zip(
            "\u043a\u0435\u0433\u043f\u04cf\u043e\u0501\u0440\u0443\u0456",
            "kernlodpyl",
            strict=True,
        )
        # Cyrillic
    )
    | dict(
        zip("\u03ba\u03b5\u03b7\u03b9\u03bf\u03c1\u03b3\u03c5", "kenlopyy", strict=True)
        # Greek
    )
    | dict(
        zip(
            "\u0131\u0261\u1d0b\u1d07\u0280\u0274\u029f\u1d0f\u0262\u1d05\u1d18\u028f",
            "lgkernlogdpy",
            strict=True,
        )
        # Small capitals
    )
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The last day of the year 9999: a stamp beyond it is nonsense, and no calendar has it
_LAST_SECOND = 253402214400
_UNUSUAL = re.compile(r"[^\x20-\x7e]")
_PRINTABLE = bytes(range(0x20, 0x7F))
_SPEAKER = re.compile(r"([A-Za-z0-9_./@-]{1,48}(?:\[\d{1,10}\])?): ?")


def escape_controls(text: str) -> str:
    r"""The text without NUL and with every other control or undecodable character as ``\xHH``.

    Tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(_escape_character(character) for character in text if character != "\0")


def split_identifier(entry: Entry, text: str) -> tuple[str, str]:
    """The tag of a line and the text without it: ``("kernel", ...)`` or ``("systemd[1]", ...)``.

    Who would speak as the kernel or as klogd-py, and is neither, is told as `OTHER_TAG` and keeps
    the tag in the text.
    """
    if entry.gap is not None or entry.is_own:
        return SYSLOG_IDENTIFIER, text.removeprefix(f"{SYSLOG_IDENTIFIER}: ")
    if entry.record.facility == KERN:
        return KERNEL_TAG, text
    found = _SPEAKER.match(text)
    if found is None or not _is_allowed_identifier(found[1]):
        return OTHER_TAG, text
    return found[1], text[found.end() :]


# As for is_reserved
@lru_cache(256)
def _is_allowed_identifier(name: str) -> bool:
    """Whether ``name[pid]`` is one, and not one in which nobody else may speak."""
    return _SPEAKER.fullmatch(f"{name}:") is not None and not is_reserved(name)


# Few processes write to /dev/kmsg, and they do so often
@lru_cache(256)
def is_reserved(name: str) -> bool:
    """Whether a name is the kernel's or klogd-py's, begins like it, or looks so.

    ``KERNEL``, ``kernel/0``, ``k1ogd-py``.
    """
    alike = unicodedata.normalize("NFKD", name).casefold().translate(_ALIKE).replace("cl", "d")
    return "".join(filter(str.isalpha, alike)).startswith(_RESERVED)


def has_reserved_tag(entry: Entry) -> bool:
    """Whether a process wrote a text that begins as if the kernel or klogd-py spoke, for forms that
    put no tag in front.
    """
    if entry.gap is not None or entry.is_own or entry.record.facility == KERN:
        return False
    name, colon, _ = entry.text[:MAX_TAG].partition(":")
    return bool(colon) and is_reserved(name)


def format_line(entry: Entry) -> str:
    """Who speaks, and what: ``kernel: text``, with nothing in it that may not be shown."""
    if entry.text.isprintable():
        return _format_printable(entry)
    tag, text = split_identifier(entry, entry.text)
    return f"{escape_controls(tag)}: {escape_controls(text)}"


def format_lines(entries: Sequence[Entry]) -> list[str]:
    """What `format_line` says of each entry; whether their texts may be shown is asked of all at once."""
    everything = "".join([entry.text for entry in entries])
    if everything.isascii() and not everything.encode().translate(None, _PRINTABLE):
        return [_format_printable(entry) for entry in entries]
    return [format_line(entry) for entry in entries]


def _format_printable(entry: Entry) -> str:
    """The same for a text that may be shown as it is."""
    record, text = entry.record, entry.text
    if record.prefix is None or record.prefix <= LAST_KERN_PREFIX:
        return f"{KERNEL_TAG}: {text}"
    name, colon, _ = text.partition(": ")
    if colon and _is_allowed_identifier(name):
        return text
    tag, text = split_identifier(entry, text)
    return f"{tag}: {text}"


def message_text(entry: Entry) -> str:
    """The text where a gap has fields of its own, and need not be repeated in words for programs."""
    return entry.text if entry.gap is None else entry.record.text


class TimestampFormatter:
    """Renders times in local time.

    Many records share a second, so the text of the last one is kept.
    """

    def __init__(self) -> None:
        # Of the second whose text is kept; far from every other
        self._start_us = -(1 << 62)
        self._bsd = ""
        self._iso = ("", "")

    def rfc3164(self, wall_us: int) -> str:
        """``Nov  3 08:13:42``: RFC 3164, month names in English whatever the locale."""
        if not 0 <= wall_us - self._start_us < 1_000_000:
            self._take(wall_us // 1_000_000)
        return self._bsd

    def rfc3339(self, wall_us: int) -> str:
        """``2026-11-23T08:13:42.123456+01:00``: RFC 3339."""
        microseconds = wall_us - self._start_us
        if not 0 <= microseconds < 1_000_000:
            self._take(wall_us // 1_000_000)
            microseconds = wall_us - self._start_us
        return f"{self._iso[0]}{microseconds:06d}{self._iso[1]}"

    def rfc3339_batch(self, walls: Sequence[int]) -> list[str]:
        """What `rfc3339` says of each; most batches lie within one second."""
        if not walls:
            return []
        self.rfc3339(walls[0])
        start_us = self._start_us
        if min(walls) < start_us or max(walls) >= start_us + 1_000_000:
            return [self.rfc3339(wall_us) for wall_us in walls]
        before, behind = self._iso
        return [f"{before}{wall_us - start_us:06d}{behind}" for wall_us in walls]

    def _take(self, second: int) -> None:
        self._start_us = second * 1_000_000
        moment = time.localtime(min(max(second, 0), _LAST_SECOND))
        clock = f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
        zone = f"{'-' if moment.tm_gmtoff < 0 else '+'}{abs(moment.tm_gmtoff) // 3600:02d}"
        zone += f":{abs(moment.tm_gmtoff) // 60 % 60:02d}"
        self._bsd = f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2d} {clock}"
        self._iso = (
            f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}T{clock}.",
            zone,
        )


def host_name() -> str:
    """The first label of this machine's name."""
    return socket.gethostname().partition(".")[0] or "localhost"


def encode_json(entry: Entry, boot_id: str = "") -> bytes:
    """The entry as one line of JSON; keys that have nothing to say are left out, but for the text,
    which may be empty.

    Boot and number are a record's identity. What may not be shown on a terminal is escaped as JSON
    does, and so unchanged.
    """
    record = entry.record
    tag, _ = split_identifier(entry, entry.text)
    content: dict[str, object] = {
        "boot_id": boot_id if record.seq is not None or entry.gap is not None else "",
        "seq": record.seq,
        "parts": record.parts,
        "usec": record.usec,
        "wall_us": entry.wall_us,
        "time": entry.time_source.value if entry.time_source is not None else "",
        "facility": record.facility,
        "severity": record.severity.name.lower(),
        "tag": _encodable(tag),
        "caller": _encodable(record.caller),
        "flags": _encodable(record.flags) if record.flags != "-" else "",
        "text": _encodable(message_text(entry)),
        "raw": _encodable(record.text) if entry.places else "",
        "symbols": [_encodable(place.kernel_form) for place in entry.places],
        "fields": {_encodable(key): _encodable(value) for key, value in record.fields},
        "extra": [_encodable(field) for field in record.extra],
        "truncated": record.truncated,
        "unparsed": record.unparsed,
    }
    if entry.gap is not None:
        gap = entry.gap
        content["gap"] = {
            "first": gap.first,
            "last": gap.last,
            "count": gap.count,
            "cause": gap.cause.value,
        }
    kept = {
        key: value
        for key, value in content.items()
        if key == "text" or value or (value == 0 and value is not False)
    }
    line = msgspec.json.encode(kept)
    return (
        line
        if line.isascii() and b"\x7f" not in line
        else _UNUSUAL.sub(_json_escape, line.decode()).encode()
    )


def _json_escape(found: re.Match[str]) -> str:
    r"""A character as it is, or as ``\u2028``: JSON has others than ASCII within strings only."""
    return (
        found[0]
        if found[0].isprintable()
        else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")
    )


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(
            _escape_character(character) if "\udc80" <= character <= "\udcff" else character
            for character in text
        )
    return text


def _escape_character(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
