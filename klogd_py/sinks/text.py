r"""How an entry reads as a line: who speaks, what may be shown, and when it was.

Kernel text is untrusted: control characters could drive a terminal or forge a line of a log. They are shown as the
kernel escapes them (``\x1b``); NUL is dropped. Facility 0 proves that the kernel spoke; any other record was written
by a process, which is named instead where the text begins with ``name[pid]:``.

Source of truth: RFC 3164 section 4.1; RFC 3339; Documentation/ABI/testing/dev-kmsg.
"""

import re
import socket
import time
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from klogd_py.record import KERN, Entry, Record, Severity

KERNEL_TAG = "kernel"
LAST_KERN_PREFIX = KERN << 3 | Severity.DEBUG
OTHER_TAG = "kmsg"  # a process wrote to /dev/kmsg without saying its name

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LAST_SECOND = 253402214400  # the last day of the year 9999: a stamp beyond it is nonsense, and no calendar has it
_PRINTABLE = bytes(range(0x20, 0x7F))
_SPEAKER = re.compile(r"([A-Za-z0-9_./@-]{1,48}(?:\[\d{1,10}\])?): ?")


def printable(text: str) -> str:
    r"""The text without NUL and with every other control or undecodable character as ``\xHH``; tabs stay."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text if character != "\0")


def speaker(record: Record, text: str) -> tuple[str, str]:
    """The tag of a line and the text without it: ``("kernel", ...)`` or ``("systemd[1]", ...)``."""
    if record.facility == KERN:
        return KERNEL_TAG, text
    found = _SPEAKER.match(text)
    if found is None or not _may_speak(found[1]):
        return OTHER_TAG, text
    return found[1], text[found.end() :]


@lru_cache(256)  # few processes write to /dev/kmsg, and they do so often
def _may_speak(name: str) -> bool:
    """Whether ``name[pid]`` is one, and not the kernel's, in which nobody else may speak."""
    return _SPEAKER.fullmatch(f"{name}:") is not None and name.partition("[")[0].lower() != KERNEL_TAG


def said(entry: Entry) -> str:
    """Who speaks, and what: ``kernel: text``, with nothing in it that may not be shown."""
    if entry.text.isprintable():
        return _said_plainly(entry)
    tag, text = speaker(entry.record, entry.text)
    return f"{printable(tag)}: {printable(text)}"


def said_in_all(entries: Sequence[Entry]) -> list[str]:
    """What `said` says of each entry; whether their texts may be shown is asked of all at once."""
    everything = "".join([entry.text for entry in entries])
    if everything.isascii() and not everything.encode().translate(None, _PRINTABLE):
        return [_said_plainly(entry) for entry in entries]
    return [said(entry) for entry in entries]


def _said_plainly(entry: Entry) -> str:
    """The same for a text that may be shown as it is."""
    record, text = entry.record, entry.text
    if record.prefix is None or record.prefix <= LAST_KERN_PREFIX:
        return f"{KERNEL_TAG}: {text}"
    name, colon, _ = text.partition(": ")
    if colon and _may_speak(name):
        return text
    tag, text = speaker(record, text)
    return f"{tag}: {text}"


def spoken(entry: Entry) -> str:
    """The text where a gap has fields of its own, and need not be repeated in words for programs."""
    return entry.text if entry.gap is None else entry.record.text


class Stamps:
    """Renders times in local time. Many records share a second, so the text of the last one is kept."""

    def __init__(self) -> None:
        self._start_us = -(1 << 62)  # of the second whose text is kept; far from every other
        self._bsd = ""
        self._iso = ("", "")

    def bsd(self, wall_us: int) -> str:
        """``Nov  3 08:13:42``: RFC 3164, month names in English whatever the locale."""
        if not 0 <= wall_us - self._start_us < 1_000_000:
            self._take(wall_us // 1_000_000)
        return self._bsd

    def iso(self, wall_us: int) -> str:
        """``2026-11-23T08:13:42.123456+01:00``: RFC 3339."""
        microseconds = wall_us - self._start_us
        if not 0 <= microseconds < 1_000_000:
            self._take(wall_us // 1_000_000)
            microseconds = wall_us - self._start_us
        return f"{self._iso[0]}{microseconds:06d}{self._iso[1]}"

    def isos(self, walls: Sequence[int]) -> list[str]:
        """What `iso` says of each; most batches lie within one second."""
        if not walls:
            return []
        self.iso(walls[0])
        start_us = self._start_us
        if min(walls) < start_us or max(walls) >= start_us + 1_000_000:
            return [self.iso(wall_us) for wall_us in walls]
        before, behind = self._iso
        return [f"{before}{wall_us - start_us:06d}{behind}" for wall_us in walls]

    def _take(self, second: int) -> None:
        self._start_us = second * 1_000_000
        moment = time.localtime(min(max(second, 0), _LAST_SECOND))
        clock = f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}"
        zone = f"{'-' if moment.tm_gmtoff < 0 else '+'}{abs(moment.tm_gmtoff) // 3600:02d}"
        zone += f":{abs(moment.tm_gmtoff) // 60 % 60:02d}"
        self._bsd = f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2d} {clock}"
        self._iso = (f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}T{clock}.", zone)


def host_name() -> str:
    """The first label of this machine's name."""
    return socket.gethostname().partition(".")[0] or "localhost"


def document(entry: Entry, boot_id: str = "") -> bytes:
    """The entry as one line of JSON; keys that have nothing to say are left out, but for the text, which may be empty.

    Boot and number are a record's identity.
    """
    record = entry.record
    tag, _ = speaker(record, entry.text)
    content: dict[str, object] = {
        "boot_id": boot_id if record.seq is not None or entry.gap is not None else "",
        "seq": record.seq,
        "parts": record.parts,
        "usec": record.usec,
        "wall_us": entry.wall_us,
        "time": entry.quality.value if entry.quality is not None else "",
        "facility": record.facility,
        "severity": record.severity.name.lower(),
        "tag": _encodable(tag),
        "caller": _encodable(record.caller),
        "flags": _encodable(record.flags) if record.flags != "-" else "",
        "text": _encodable(spoken(entry)),
        "raw": _encodable(record.text) if entry.places else "",
        "symbols": [_encodable(place.kernel_form) for place in entry.places],
        "fields": {_encodable(key): _encodable(value) for key, value in record.fields},
        "extra": [_encodable(field) for field in record.extra],
        "truncated": record.truncated,
        "unparsed": record.unparsed,
    }
    if entry.gap is not None:
        gap = entry.gap
        content["gap"] = {"first": gap.first, "last": gap.last, "count": gap.count, "cause": gap.cause.value}
    kept = {key: value for key, value in content.items() if key == "text" or value or (value == 0 and value is not False)}
    return msgspec.json.encode(kept)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_shown(character) if "\udc80" <= character <= "\udcff" else character for character in text)
    return text


def _shown(character: str) -> str:
    if character.isprintable() or character == "\t":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
