r"""Kernel messages from a file or a pipe instead of the running kernel.

The forms: ``kmsg`` (raw /dev/kmsg records, each with its dictionary lines), ``dmesg``, ``klogd`` (``<N>`` in front) and
``syslog``; ``auto`` decides by the first line. A record ends with its line feed, or where the input ends.
"""

import os
import re
import select
import sys
from datetime import datetime

from klogd_py import kmsg, lines
from klogd_py.device import SourceUnavailable
from klogd_py.record import Gap, Record

FORMS = ("auto", "kmsg", "dmesg", "klogd", "syslog")
CHUNK_BYTES = 1 << 18
REST_S = 0.02  # what belongs to a record comes sooner than this, or never

_WHOLE_RECORD = re.compile(rb"[^\n]*\n(?: [^\n]*\n)*")


def is_readable(descriptor: int, wait_s: float) -> bool:
    """Whether something can be read within a time, were it the end; select(2) knows no descriptor above 1023."""
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(wait_s * 1000))


class Replay:
    """The records of one open file or pipe, in order."""

    def __init__(self, descriptor: int, name: str, form: str = "auto", year: int | None = None) -> None:
        """``year`` is what stamps that name none are taken for; the current one by default."""
        self.name = name
        self.exhausted = False
        self.remark = ""
        self._descriptor = descriptor
        self._form = form
        self._year = datetime.now().year if year is None else year
        self._tail = b""

    def fileno(self) -> int:
        """The descriptor of the input."""
        return self._descriptor

    def read_batch(self) -> list[Record | Gap]:
        """The records of the next chunk; empty when the input has nothing just now or has ended."""
        if not is_readable(self._descriptor, 0):
            return []  # standard input is shared: making it non-blocking would be felt by others
        raw = os.read(self._descriptor, CHUNK_BYTES)
        self.exhausted = not raw
        raw = self._tail + raw
        while self._may_go_on(raw) and is_readable(self._descriptor, REST_S):
            more = os.read(self._descriptor, CHUNK_BYTES)
            self.exhausted = not more
            raw += more
        if not raw:
            return []
        if self._form == "auto":
            self._form = lines.form_of(raw.lstrip(b"\n").split(b"\n", 1)[0].decode("utf-8", "surrogateescape"))
        return self._kmsg(raw) if self._form == "kmsg" else self._text(raw)

    def rest(self) -> list[Record | Gap]:
        """What has come of an unfinished record."""
        raw, self._tail = self._tail, b""
        self.exhausted = True
        if not raw:
            return []
        return self._kmsg(raw) if self._form == "kmsg" else self._text(raw)

    def rewind(self, seq: int) -> bool:
        """A pipe cannot, and a file is never left behind: reading it waits for the sinks."""
        return False

    def close(self) -> None:
        """Close the input unless it is standard input."""
        if self._descriptor != 0:
            os.close(self._descriptor)

    def _may_go_on(self, raw: bytes) -> bool:
        """Whether dictionary lines of the last record may still come: a pipe can part them from it."""
        return self._form in ("auto", "kmsg") and raw.endswith(b"\n") and not self.exhausted and len(raw) < CHUNK_BYTES

    def _kmsg(self, raw: bytes) -> list[Record | Gap]:
        pieces = _WHOLE_RECORD.findall(raw)
        tail = raw[sum(map(len, pieces)) :]
        if self.exhausted:
            self._tail = b""
            return [*kmsg.parse_all([*pieces, tail] if tail else pieces)]
        if pieces and len(raw) >= CHUNK_BYTES:
            tail = pieces.pop() + tail  # its dictionary lines may be in the next chunk
        self._tail = tail
        return [*kmsg.parse_all(pieces)]

    def _text(self, raw: bytes) -> list[Record | Gap]:
        rows = raw.split(b"\n")
        self._tail = rows.pop()
        if self.exhausted and self._tail:
            rows.append(self._tail)
            self._tail = b""
        parsers = {"dmesg": lines.dmesg, "klogd": lines.klogd, "syslog": lines.syslog_in_year(self._year)}
        parse = parsers[self._form]
        return [parse(row.decode("utf-8", "surrogateescape")) for row in rows]


def open_replay(path: str, form: str) -> Replay:
    """Open ``path``, or standard input for ``-``; raises SourceUnavailable."""
    if path == "-":
        return Replay(sys.stdin.fileno(), "standard input", form)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        if os.path.isdir(path):
            os.close(descriptor)
            raise IsADirectoryError(21, "Is a directory")
    except OSError as error:
        raise SourceUnavailable(f"{path}: {error.strerror}") from error
    return Replay(descriptor, path, form)
