# SPDX-License-Identifier: GPL-2.0-or-later
r"""Format entries as lines: identifier, escaped text, timestamp.

Kernel text is untrusted: control characters could drive a terminal or forge a line of a log. They
are escaped as the kernel does it (``\x1b``); NUL is dropped. Only the kernel writes records of
facility 0. Any other record was written by a process; its identifier is taken from a text that
begins with ``name[pid]:``. The identifiers of the kernel and of klogd-py are reserved, so a line
with the identifier ``klogd-py`` is a message of klogd-py itself.

Source of truth: RFC 3164 section 4.1; RFC 3339; Documentation/ABI/testing/dev-kmsg.
"""

import re
import socket
import time
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from klogd_py.record.types import KERN, SYSLOG_IDENTIFIER, Entry, Record, Severity

KERNEL_IDENTIFIER = "kernel"
LAST_KERN_PREFIX = KERN << 3 | Severity.DEBUG
# The writer of a record to /dev/kmsg that does not begin with a name, or has a reserved one
OTHER_IDENTIFIER = "kmsg"

# A reserved name is looked for in so many characters at the start of a text.
MAX_IDENTIFIER_CHARS = 80
_RESERVED = ("kernel", "klogdpy")
# Characters that look like a letter of these names
_DIGITS_AND_SIGNS = {
    "0": "o",
    "1": "l",
    "3": "e",
    "9": "g",
    "i": "l",
    "|": "l",
    "!": "l",
    "m": "rn",
    "q": "g",
}
_CYRILLIC = dict(
    zip("\u043a\u0435\u0433\u043f\u04cf\u043e\u0501\u0440\u0443\u0456", "kernlodpyl", strict=True)
)
_GREEK = dict(zip("\u03ba\u03b5\u03b7\u03b9\u03bf\u03c1\u03b3\u03c5", "kenlopyy", strict=True))
_SMALL_CAPITALS = dict(
    zip(
        "\u0131\u0261\u1d0b\u1d07\u0280\u0274\u029f\u1d0f\u0262\u1d05\u1d18\u028f",
        "lgkernlogdpy",
        strict=True,
    )
)
_LOOK_ALIKES = str.maketrans(_DIGITS_AND_SIGNS | _CYRILLIC | _GREEK | _SMALL_CAPITALS)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# 9999-12-31 UTC: later times are invalid, and `datetime` cannot represent them.
_MAX_SECOND = 253402214400
# The characters of ASCII that are never escaped
_SHOWN_ASCII = b"\t" + bytes(range(0x20, 0x7F))
_IDENTIFIER = re.compile(r"([A-Za-z0-9_./@-]{1,48}(?:\[\d{1,10}\])?): ?")


def escape_controls(text: str) -> str:
    r"""Return the text with control and undecodable characters as ``\xHH``.

    NUL is dropped; tabs are kept.
    """
    # Most texts that are not printable have a tab.
    if text.isprintable() or text.replace("\t", " ").isprintable():
        return text
    return text.translate(_ESCAPES)


class TaggedText(Struct, frozen=True, gc=False):
    """An identifier, ``kernel`` or ``systemd[1]``, and the text without it."""

    tag: str
    text: str


def split_identifier(entry: Entry, text: str) -> TaggedText:
    """Return the identifier and the text without it.

    A process that begins with a reserved name gets `OTHER_IDENTIFIER`, and the name stays in the
    text.
    """
    if entry.gap is not None or entry.is_own:
        return TaggedText(SYSLOG_IDENTIFIER, text.removeprefix(f"{SYSLOG_IDENTIFIER}: "))
    if entry.record.facility == KERN:
        return TaggedText(KERNEL_IDENTIFIER, text)
    found = _IDENTIFIER.match(text)
    if found is None or not _is_allowed_identifier(found[1]):
        return TaggedText(OTHER_IDENTIFIER, text)
    return TaggedText(found[1], text[found.end() :])


# Few processes write to /dev/kmsg, and they do so often.
@lru_cache(256)
def _is_allowed_identifier(name: str) -> bool:
    """Whether this is ``name`` or ``name[pid]``, and not reserved."""
    return _IDENTIFIER.fullmatch(f"{name}:") is not None and not is_reserved(name)


# Few names write to /dev/kmsg.
@lru_cache(256)
def is_reserved(name: str) -> bool:
    """Whether a name is the kernel's or klogd-py's, begins with it, or looks like it.

    ``KERNEL``, ``kernel/0``, ``k1ogd-py``.
    """
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LOOK_ALIKES)
    letters = "".join(filter(str.isalpha, plain.replace("cl", "d")))
    return letters.startswith(_RESERVED)


def has_reserved_tag(entry: Entry) -> bool:
    """Whether the text of a process begins with a reserved name.

    For formats without an identifier of their own.
    """
    if entry.gap is not None or entry.is_own or entry.record.facility == KERN:
        return False
    name, colon, _ = entry.text[:MAX_IDENTIFIER_CHARS].partition(":")
    return bool(colon) and is_reserved(name)


def format_line(entry: Entry) -> str:
    """Return identifier and text, ``kernel: text``, with control characters escaped."""
    if entry.text.isprintable():
        return _format_printable(entry)
    line = split_identifier(entry, entry.text)
    return f"{escape_controls(line.tag)}: {escape_controls(line.text)}"


def format_stamped_line(entry: Entry) -> str:
    """Return `format_line` with the kernel's timestamp before the text, if the record has one.

    ``kernel: [    5.140900] eth0: link up``
    """
    line = split_identifier(entry, entry.text)
    return escape_controls(f"{line.tag}: {kernel_stamp(entry.record)}{line.text}")


def kernel_stamp(record: Record) -> str:
    """Return timestamp and caller as the kernel prints them on its console, and a blank.

    ``[    5.140900][    T1] ``; empty without a timestamp. Source: kernel/printk/printk.c
    ``print_time``, ``print_caller``
    """
    if record.usec is None:
        return ""
    caller = f"[{record.caller:>6}]" if record.caller else ""
    return f"[{record.usec // 1_000_000:5d}.{record.usec % 1_000_000:06d}]{caller} "


def format_lines(entries: Sequence[Entry]) -> list[str]:
    """Return `format_line` of each entry; the usual batch of ASCII is checked as a whole."""
    all_text = "".join([entry.text for entry in entries])
    if all_text.isascii() and not all_text.encode().translate(None, _SHOWN_ASCII):
        return [_format_printable(entry) for entry in entries]
    return [
        _format_printable(entry) if entry.text.isprintable() else format_line(entry)
        for entry in entries
    ]


def _format_printable(entry: Entry) -> str:
    """Return the line of an entry whose text is printable, apart from tabs."""
    record, text = entry.record, entry.text
    if (record.prefix is None or record.prefix <= LAST_KERN_PREFIX) and not entry.is_own:
        return f"{KERNEL_IDENTIFIER}: {text}"
    name, colon, _ = text.partition(": ")
    if colon and _is_allowed_identifier(name):
        return text
    line = split_identifier(entry, text)
    return f"{line.tag}: {line.text}"


def message_text(entry: Entry) -> str:
    """Return the text for formats that have separate fields for the facts of a gap."""
    return entry.text if entry.gap is None else entry.record.text


class TimestampFormatter:
    """Formats times as local time. Mutable: it caches the text of the last second."""

    def __init__(self) -> None:
        # The start of the cached second; no time is within it at first
        self._start_us = -(1 << 62)
        self._rfc3164 = ""
        # Before and after the microseconds
        self._rfc3339 = ("", "")

    def rfc3164(self, wall_us: int) -> str:
        """Return ``Nov  3 08:13:42``: month names are English in every locale."""
        if not 0 <= wall_us - self._start_us < 1_000_000:
            self._cache(wall_us // 1_000_000)
        return self._rfc3164

    def rfc3339(self, wall_us: int) -> str:
        """Return ``2026-11-23T08:13:42.123456+01:00``."""
        microseconds = wall_us - self._start_us
        if not 0 <= microseconds < 1_000_000:
            self._cache(wall_us // 1_000_000)
            microseconds = wall_us - self._start_us
        return f"{self._rfc3339[0]}{microseconds:06d}{self._rfc3339[1]}"

    def rfc3339_batch(self, walls_us: Sequence[int]) -> list[str]:
        """Return `rfc3339` of each time; the times of most batches share a second."""
        if not walls_us:
            return []
        self.rfc3339(walls_us[0])
        start_us = self._start_us
        if min(walls_us) < start_us or max(walls_us) >= start_us + 1_000_000:
            return [self.rfc3339(wall_us) for wall_us in walls_us]
        before, after = self._rfc3339
        return [f"{before}{wall_us - start_us:06d}{after}" for wall_us in walls_us]

    def _cache(self, second: int) -> None:
        self._start_us = second * 1_000_000
        local = time.localtime(min(max(second, 0), _MAX_SECOND))
        clock = f"{local.tm_hour:02d}:{local.tm_min:02d}:{local.tm_sec:02d}"
        sign = "-" if local.tm_gmtoff < 0 else "+"
        offset_min = abs(local.tm_gmtoff) // 60
        self._rfc3164 = f"{_MONTHS[local.tm_mon - 1]} {local.tm_mday:2d} {clock}"
        self._rfc3339 = (
            f"{local.tm_year:04d}-{local.tm_mon:02d}-{local.tm_mday:02d}T{clock}.",
            f"{sign}{offset_min // 60:02d}:{offset_min % 60:02d}",
        )


def host_name() -> str:
    """Return the first label of the host name; ``localhost`` if it is empty."""
    return socket.gethostname().partition(".")[0] or "localhost"


def escape_undecodable(text: str) -> str:
    r"""Return the text with undecodable bytes as ``\xHH``, so that it can be encoded as UTF-8."""
    return text if text.isascii() else text.translate(_UNDECODABLE)


def _escape_character(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


class _Escapes(dict[int, str]):
    """What `escape_controls` shows for a character, by its code. Mutable."""

    def __missing__(self, code: int) -> str:
        # Not kept: there are a million characters.
        return _escape_character(chr(code))


# Bytes that are not UTF-8
_UNDECODABLE = {code: _escape_character(chr(code)) for code in range(0xDC80, 0xDD00)}
# Beside them ASCII and Latin-1
_ESCAPES = _Escapes({code: _escape_character(chr(code)) for code in range(0x100)} | {0: ""})
_ESCAPES |= _UNDECODABLE
