# SPDX-License-Identifier: GPL-2.0-or-later
"""Make records of the entries of a journal, and of the JSON objects of other programs.

Only journald itself sets fields whose name begins with ``_``, so the transport ``kernel`` is proof
that the kernel wrote a message; the facility that a process states is none.

Source of truth: systemd.journal-fields(7); the export and JSON formats of systemd.io; dmesg(1) of
util-linux, ``--json``; the json-file driver of Docker.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from klogd_py.line_prefix import moments
from klogd_py.line_prefix.pieces import FACILITIES, SEVERITIES
from klogd_py.line_prefix.prefix_values import LAST_PREFIX
from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.line_prefix.terminal import strip_controls
from klogd_py.record.types import KERN, LAST_SYSLOG_FACILITY, USER, Machine, Record, Severity
from klogd_py.sources import object_fields

_MAX_NUMBER = 1 << 63
# Keys under which programs put a whole line; of several the first that looks like the kernel's
LINE_KEYS = (
    *("message", "MESSAGE", "msg", "log", "line", "short_message", "textPayload", "_raw"),
    "textpayload",
)
_KERNEL_HEAD = re.compile(r"<\d{1,4}>|[^\[]{0,128}\[ *\d{1,10}\.\d{6}\]")
# Fluent Bit's input kmsg
_RING_KEYS = frozenset(("priority", "sequence", "sec", "usec", "msg"))
# In the place of a text that is longer than journalctl writes without --all
_LEFT_OUT = "(a long message that journalctl has left out: see journalctl --all)"

Fields = Mapping[str, Any]


def from_journal(fields: Fields) -> Record:
    """Make a record of an entry: ``{"MESSAGE": "eth0: up", "PRIORITY": "6", ...}``."""
    is_kernel = _text(fields, "_TRANSPORT") == "kernel"
    severity = _number(fields, "PRIORITY", Severity.DEBUG)
    facility = _number(fields, "SYSLOG_FACILITY", LAST_PREFIX >> 3)
    if not is_kernel and (facility is None or not KERN < facility <= LAST_SYSLOG_FACILITY):
        facility = USER
    is_cut = "MESSAGE" in fields and _has_left_out(fields["MESSAGE"])
    text = "\n".join([*_texts(fields.get("MESSAGE")), *([_LEFT_OUT] if is_cut else [])])
    if not is_kernel and (tag := _text(fields, "SYSLOG_IDENTIFIER") or _text(fields, "_COMM")):
        pid = _text(fields, "SYSLOG_PID") or _text(fields, "_PID")
        text = f"{tag}[{pid}]: {text}" if pid else f"{tag}: {text}"
    names = (("SUBSYSTEM", "_KERNEL_SUBSYSTEM"), ("DEVICE", "_KERNEL_DEVICE"))
    return Record(
        text,
        (facility or KERN) << 3 | (Severity.INFO if severity is None else severity),
        usec=_number(fields, "_SOURCE_MONOTONIC_TIMESTAMP") if is_kernel else None,
        fields=tuple((key, text) for key, name in names if (text := _text(fields, name))),
        truncated=is_cut,
        wall_us=_number(fields, "_SOURCE_REALTIME_TIMESTAMP")
        or _number(fields, "__REALTIME_TIMESTAMP"),
        machine=Machine(_text(fields, "_HOSTNAME"), _text(fields, "_BOOT_ID")),
    )


def is_journal(content: Fields) -> bool:
    """Whether an object is an entry of a journal."""
    return "MESSAGE" in content and any(key.startswith("_") for key in content)


def text_key(content: Fields) -> str | None:
    """The key of the text in an object that holds a line of a log; ``None`` if it holds none."""
    if is_journal(content):
        return "MESSAGE"
    if _is_own(content):
        return "text"
    if _is_dmesg(content):
        return "msg"
    keys = [key for key in LINE_KEYS if isinstance(content.get(key), str)]
    if len(keys) > 1:
        keys = [key for key in keys if _KERNEL_HEAD.match(content[key])] or keys
    return keys[0] if keys else None


def states_fields(content: Fields) -> bool:
    """Whether level, time and the others are fields, so that the text has no prefix."""
    return (
        is_journal(content)
        or _is_vector(content)
        or content.keys() >= _RING_KEYS
        or _is_own(content)
        or _is_dmesg(content)
    )


def split_log(content: Fields) -> list[Fields]:
    """Return an object for each record if the text is a log whose lines have stamps; else none.

    Lines without a stamp belong to the line before. A text whose first line has none is one record.
    """
    key = None if states_fields(content) else text_key(content)
    if key is None:
        return []
    reader = PrefixReader()
    first, *lines = content[key].removesuffix("\n").split("\n")
    texts = [[first]]
    for line in lines if reader.read(first).usec is not None else ():
        if reader.read(line).usec is None:
            texts[-1].append(line)
        else:
            texts.append([line])
    return [{**content, key: "\n".join(text)} for text in texts] if texts[1:] else []


def from_object(content: Fields, reader: PrefixReader) -> Record | None:
    """Make a record of a JSON object that holds a line of a log; ``None`` if it holds none."""
    if is_journal(content):
        return from_journal(content)
    if _is_vector(content):
        return _from_vector(content, reader)
    if content.keys() >= _RING_KEYS:
        return _from_ring(content, reader)
    if _is_own(content):
        return _from_own(content)
    if _is_dmesg(content):
        return _from_dmesg(content)
    if (key := text_key(content)) is None:
        return None
    record = _read_first(content[key].removesuffix("\n"), reader)
    return object_fields.with_fields(record, content, reader)


def _read_first(text: str, reader: PrefixReader) -> Record:
    """Make one record of lines, of which only the first may have a prefix."""
    first, line_feed, rest = text.partition("\n")
    record = reader.read_shown(first)
    if not line_feed:
        return record
    whole = f"{record.text}{record.tail}\n{strip_controls(rest)}"
    return msgspec.structs.replace(record, text=whole, tail="")


def _is_vector(content: Fields) -> bool:
    return content.get("_TRANSPORT") == "kernel" and "message" in content


def _from_vector(content: Fields, reader: PrefixReader) -> Record:
    """An entry of the journal as Vector's source ``journald`` passes it on."""
    names = {
        "MESSAGE": content["message"],
        "_HOSTNAME": object_fields.host_of(content),
    }
    record = from_journal({**content, **names})
    wall_us = record.wall_us or object_fields.moment_us(content.get("timestamp"), reader)
    return msgspec.structs.replace(record, wall_us=wall_us)


def _from_ring(content: Fields, reader: PrefixReader) -> Record:
    """``{"date":1700908867.1,"priority":4,"sequence":7,"sec":12,"usec":345678,"msg":"up"}``."""
    seconds = _number(content, "sec", _MAX_NUMBER // 1_000_000 - 1)
    rest_us = _number(content, "usec", 999_999)
    return Record(
        _text(content, "msg"),
        _number(content, "priority", LAST_PREFIX),
        _number(content, "sequence"),
        None if seconds is None or rest_us is None else seconds * 1_000_000 + rest_us,
        wall_us=object_fields.moment_us(content.get("date"), reader),
    )


def _is_own(content: Fields) -> bool:
    return "text" in content and ("schema" in content or "wall_us" in content)


def _is_dmesg(content: Fields) -> bool:
    return "msg" in content and ("pri" in content or isinstance(content.get("time"), float))


def _from_dmesg(content: Fields) -> Record:
    """``{"pri": "warn", "time": 12.345678, "msg": "eth0: up"}``, with ``fac`` and ``caller``."""
    level, facility = content.get("pri"), content.get("fac")
    prefix = None
    if type(level) is int and 0 <= level <= LAST_PREFIX:
        prefix = level
    elif isinstance(level, str) and level in SEVERITIES:
        number = FACILITIES.index(facility) if facility in FACILITIES else KERN
        prefix = number << 3 | SEVERITIES[level]
    stamp: Any = content.get("time")
    is_stamp = type(stamp) in (int, float) and 0 <= stamp < _MAX_NUMBER // 1_000_000
    usec = round(stamp * 1_000_000) if is_stamp else None
    caller = content.get("caller")
    return Record(
        _text(content, "msg"),
        prefix,
        usec=usec,
        caller=caller if isinstance(caller, str) else "",
        wall_us=_moment(stamp),
    )


def _from_own(content: Fields) -> Record:
    """An object that klogd-py has printed: the text is that before symbols were put into it."""
    severity = str(content.get("severity", ""))
    facility = _number(content, "facility", LAST_PREFIX >> 3)
    prefix = None
    if severity.upper() in Severity.__members__ and facility is not None:
        prefix = facility << 3 | Severity[severity.upper()]
    pairs = content.get("fields")
    fields = pairs.items() if isinstance(pairs, Mapping) else ()
    return Record(
        _text(content, "raw") or _text(content, "text"),
        prefix,
        _number(content, "seq"),
        _number(content, "usec"),
        _text(content, "flags") or "-",
        _text(content, "caller"),
        fields=tuple((str(key), str(value)) for key, value in fields),
        wall_us=_number(content, "wall_us"),
        machine=Machine(_text(content, "host"), _text(content, "boot_id")),
    )


def _text(fields: Fields, name: str) -> str:
    """The first value of a field; empty if it has none."""
    return next(iter(_texts(fields.get(name))), "")


def _texts(value: object) -> list[str]:
    """All values of a field, of which an entry may have several.

    journalctl writes bytes that are not printable UTF-8 as a list of their numbers, several values
    as a list of them, and null for one that is longer than 4096 bytes.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        is_plain = isinstance(value, str | int) and not isinstance(value, bool)
        return [str(value) if is_plain else msgspec.json.encode(value).decode()]
    if value and all(type(byte) is int and 0 <= byte <= 255 for byte in value):
        return [bytes(value).decode("utf-8", "surrogateescape")]
    return [text for one in value for text in _texts(one)]


def _has_left_out(value: object) -> bool:
    """Whether journalctl has left out a value."""
    return value is None or (isinstance(value, list) and None in value)


def _number(fields: Fields, name: str, last: int = _MAX_NUMBER - 1) -> int | None:
    """The first value of a field that is a number, not above ``last``."""
    value = fields.get(name)
    for one in value if isinstance(value, list) else [value]:
        number = one
        if isinstance(one, str) and one.isascii() and one.isdecimal() and len(one) < 20:
            number = int(one)
        if type(number) is int and 0 <= number <= last:
            return number
    return None


def _moment(stamp: object) -> int | None:
    is_date = isinstance(stamp, str) and moments.is_iso(stamp)
    return moments.iso_us(str(stamp)) if is_date else None
