# SPDX-License-Identifier: GPL-2.0-or-later
r"""Encode a report as JSON, and decode it. Pure.

The document is the same everywhere: in the spool, in the journal and in what ``klogd-py reports``
prints. Bytes that are not UTF-8 become ``\xHH``.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import structs

from klogd_py.record.report import Report

_SURROGATE = re.compile("[\ud800-\udfff]")
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Report)


class NotReport(ValueError):
    """The bytes are no report; the message is the reason."""


def encode(report: Report) -> bytes:
    """Return the document of a report in one line: ``{"id":"..","kind":"kasan",...}``."""
    try:
        return _ENCODER.encode(report)
    except UnicodeEncodeError:
        return _ENCODER.encode(_make_encodable(msgspec.to_builtins(report)))


def decode(raw: bytes) -> Report:
    """Return the report of a document; raises NotReport."""
    try:
        return _DECODER.decode(raw)
    # Deep nesting is a RecursionError.
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise NotReport(str(error)) from error


def without_text(report: Report) -> Report:
    """Return a report without the lines that the kernel printed: they are in the log."""
    return structs.replace(report, text=(), context_before=())


def fitted(report: Report, limit_bytes: int) -> bytes:
    """Return the document of a report within a limit of bytes.

    What is left out, in this order: half of its text, again and again; modules; all stacks but the
    first; all stacks and locks. It is marked as truncated then.
    """
    raw = encode(report)
    kept = len(report.text)
    while len(raw) > limit_bytes and kept:
        kept //= 2
        report = structs.replace(report, text=report.text[:kept], context_before=(), truncated=True)
        raw = encode(report)
    for left_out in ({"modules": ()}, {"stacks": report.stacks[:1]}, {"stacks": (), "locks": ()}):
        if len(raw) <= limit_bytes:
            break
        report = structs.replace(report, truncated=True, **left_out)
        raw = encode(report)
    return raw


def _make_encodable(value: object) -> object:
    """Return a value of JSON in which all strings can be encoded as UTF-8."""
    match value:
        case str():
            return _SURROGATE.sub(_escape, value)
        case Mapping():
            return {key: _make_encodable(item) for key, item in value.items()}
        case list() | tuple():
            return [_make_encodable(item) for item in value]
        case _:
            return value


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
