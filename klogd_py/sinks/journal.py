# SPDX-License-Identifier: GPL-2.0-or-later
"""Send entries to the systemd journal, each fact in a field of its own.

The journal of the system is reached through systemd-python. A socket given by name gets the native
protocol directly, because systemd-python cannot use another socket; so does the journal of the
system where systemd-python is missing. The library reports success
when no journal is running, so the socket is looked for first. The call may block, so the sink is
called in a thread.

Source of truth: systemd.journal-fields(7); https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

import errno
import os
import socket
import struct
from collections.abc import Sequence

from klogd_py.record.report import Report
from klogd_py.record.types import SYSLOG_IDENTIFIER, Entry
from klogd_py.sinks import LISTENER_REPLACED, SinkDown, has_additions, send_each
from klogd_py.sinks.formats import message_text, split_identifier
from klogd_py.sinks.report_fields import report_fields

SOCKET = "/run/systemd/journal/socket"
# Far beyond any kernel record: only a capture can hold a longer text, which is cut.
MAX_TEXT_CHARS = 1 << 15

# Its name and its value; a Struct for each would cost `encode` a tenth of its time.
JournalField = tuple[str, bytes]


class JournalSink:
    """The journal of the system, or the listener of a socket that reads the native protocol."""

    keeps_position = True
    # An entry is one datagram.
    has_partial_write = False

    def __init__(
        self,
        boot_id: str | None,
        path: str | None = None,
        *,
        name: str | None = None,
        additions: bool = False,
    ) -> None:
        """``path`` is a socket; ``None`` is the journal of this machine.

        ``name`` is ``journal`` or ``journal:PATH`` if it is not given.

        ``additions``: send only what klogd-py adds, to a journal that reads kernel messages.
        """
        self._additions = additions
        default_name = "journal" if path is None else f"journal:{path}"
        self.name = default_name if name is None else name
        self.blocking = path is None
        self._boot_id = boot_id
        self._path = path
        self._socket: socket.socket | None = None

    def fields(self, entry: Entry) -> list[JournalField]:
        """Return the fields of one entry in order; KLOGD_SYMBOL is repeated for each symbol."""
        if entry.report is not None:
            return _report_fields(entry, entry.report)
        record, machine = entry.record, entry.record.machine
        line = split_identifier(entry, message_text(entry))
        name, _, pid = line.tag.removesuffix("]").partition("[")
        facts: list[tuple[str, object]] = [
            ("MESSAGE", line.text),
            ("PRIORITY", int(record.severity)),
            ("SYSLOG_FACILITY", record.facility),
            ("SYSLOG_IDENTIFIER", name),
            ("SYSLOG_PID", pid),
            ("KLOGD_SEQ", record.seq),
            ("KLOGD_BOOT_ID", self._boot_of(entry)),
            ("KLOGD_HOST", None if machine is None else machine.host),
            ("KLOGD_USEC", record.usec),
            ("KLOGD_WALL_USEC", entry.wall_us if entry.time_source is not None else ""),
            ("KLOGD_TIME", entry.time_source.value if entry.time_source is not None else ""),
            ("KLOGD_CALLER", record.caller),
            ("KLOGD_FLAGS", record.flags if record.flags != "-" else ""),
            ("KLOGD_RAW", record.text if entry.symbols else ""),
            *(("KLOGD_SYMBOL", place.kernel_form) for place in entry.symbols),
            *((f"KERNEL_{_field_name(key)}", value) for key, value in record.fields),
            ("KLOGD_PARTS", " ".join(map(str, record.parts))),
            ("KLOGD_TRUNCATED", 1 if record.truncated else ""),
            ("KLOGD_UNPARSED", 1 if record.unparsed else ""),
        ]
        if entry.gap is not None:
            gap = entry.gap
            facts += [("KLOGD_GAP_FIRST", gap.first), ("KLOGD_GAP_LAST", gap.last)]
            facts += [("KLOGD_GAP_COUNT", gap.count), ("KLOGD_GAP_CAUSE", gap.cause.value)]
        return _encoded(facts)

    def _boot_of(self, entry: Entry) -> str | None:
        """Return the boot that a capture states; else the running one, for what has a number."""
        record = entry.record
        if record.machine is not None:
            return record.machine.boot_id
        return self._boot_id if record.seq is not None or entry.gap is not None else None

    def encode(self, entry: Entry) -> bytes:
        """Return the datagram of one entry in the journal's native protocol."""
        parts = []
        for key, value in self.fields(entry):
            if b"\n" in value:
                parts.append(key.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
            else:
                parts.append(key.encode() + b"=" + value + b"\n")
        return b"".join(parts)

    def send(self, entries: Sequence[Entry]) -> int:
        """Send all entries; raises SinkDown when no journal is running.

        An entry that is left out counts as accepted.
        """
        if self._path is not None:
            return send_each(entries, self._deliver, self.close, self._path)
        return self._send_through_library(entries)

    def fileno(self) -> int:
        """Return the descriptor of a socket given by name, otherwise -1."""
        return -1 if self._socket is None else self._socket.fileno()

    def close(self) -> None:
        """Close the socket; another `send` connects again."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _send_through_library(self, entries: Sequence[Entry]) -> int:
        # `systemd.journal` adds fields of its own and imports the reader.
        from systemd import _journal

        if not os.path.exists(SOCKET):
            raise SinkDown(f"{SOCKET}: no journal is running")

        def deliver(entry: Entry) -> bool:
            if not self._additions or has_additions(entry):
                _journal.sendv(*(key.encode() + b"=" + value for key, value in self.fields(entry)))
            return True

        return send_each(entries, deliver, self.close, SOCKET)

    def _deliver(self, entry: Entry) -> bool:
        """Send one entry, unless it is left out; returns False if the socket is full.

        A text that is too long is cut. Connects again once if the listener was replaced.
        """
        if self._additions and not has_additions(entry):
            return True
        try:
            return self._write(self.encode(entry))
        except OSError as error:
            if error.errno == errno.EMSGSIZE and len(entry.text) > MAX_TEXT_CHARS:
                return self._deliver(
                    Entry(entry.record, entry.wall_us, entry.text[:MAX_TEXT_CHARS], gap=entry.gap)
                )
            if error.errno not in LISTENER_REPLACED:
                raise
        self.close()
        return self._write(self.encode(entry))

    def _write(self, datagram: bytes) -> bool:
        if self._socket is None:
            assert self._path is not None
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.connect(self._path)
            self._socket.setblocking(False)
        try:
            self._socket.send(datagram)
        except BlockingIOError:
            return False
        return True


def _report_fields(entry: Entry, report: Report) -> list[JournalField]:
    record = entry.record
    facts: list[tuple[str, object]] = [
        ("PRIORITY", int(record.severity)),
        ("SYSLOG_FACILITY", record.facility),
        ("SYSLOG_IDENTIFIER", SYSLOG_IDENTIFIER),
        ("KLOGD_USEC", record.usec),
    ]
    return _encoded([*report_fields(report), *facts])


def _encoded(facts: Sequence[tuple[str, object]]) -> list[JournalField]:
    """Return fields as bytes, without those that have no value."""
    return [
        (key, str(fact).encode("utf-8", "surrogateescape"))
        for key, fact in facts
        if key == "MESSAGE" or (fact is not None and fact != "")
    ]


def _field_name(key: str) -> str:
    """Return a dictionary key in upper case letters, digits and underscores, for the journal."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in key.upper())[:56] or "UNNAMED"
