# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the tables of the configuration that are about sinks, their formats and queues.

They are a part of `klogd_py.config.schema`, and described in the same way.
"""

from typing import Annotated, Literal

from msgspec import Struct

from klogd_py.config.filter_types import Expressions, SeverityLimit, Words
from klogd_py.config.sink_shorthand import FilePath, Sink, SinkName
from klogd_py.config.value_types import (
    MAX_ENTRIES,
    ColourName,
    FormatName,
    KiB,
    Length,
    OctalMode,
    OldFiles,
    RotateKiB,
    SinkTypeName,
    SocketPath,
    WhenFullName,
)


class SinkTable(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One sink with keys of its own, in a drop-in or instead of the list `sinks`. A key that is
    left out is as in ``[file]``, ``[console]`` or ``[queue]``.

    Example::

        [[sinks]]
        name = "kern-json"
        type = "file"
        path = "/var/log/klogd-py/kern.json"
        format = "json"

    A file has either ``sinks = [...]`` or tables, but a list may hold tables as well, written as
    ``{ type = "file", ... }``. A key that the type does not have is an error.

    Size: one field for each key of the table.
    """

    type: SinkTypeName | None = None
    """What the sink is:

    * "console": standard output; it may have the keys `format` and `colour`
    * "file": a file; it has the key `path`, and may have `format`, `mode`, `rotate_kib` and
      `rotate_keep`
    * "syslog": a syslog socket, /dev/log unless the key `socket` names another
    * "journal": the journal of this machine, unless the key `socket` names another

    The key may be left out if the name is the short form of the sink.
    """
    name: SinkName | None = None
    """The name in messages and in the status: a word, or by default the short form of the sink,
    such as "file:/var/log/kern.log".

    The position of the sink is saved under its name, too. A sink that had no word as its name keeps
    its position when it gets one. If the word is changed or removed, the sink gets all records in
    the kernel's ring buffer again. A word has up to 64 letters, digits, dots, hyphens and
    underscores.
    """
    path: FilePath | None = None
    """The file; "-" is standard output."""
    socket: SocketPath | None = None
    """The socket to send to. A sink that names it gets every record, whatever `journal.mode` is."""
    format: FormatName | None = None
    """The format of a line, as for `file.format`. The console has "text" and "json"."""
    mode: OctalMode | None = None
    """The permissions of a new file, as for `file.mode`."""
    rotate_kib: RotateKiB | None = None
    """Rename the file before it becomes larger, as for `file.rotate_kib`."""
    rotate_keep: OldFiles | None = None
    """How many renamed files are kept, as for `file.rotate_keep`."""
    colour: ColourName | None = None
    """When to colour lines of the console, as for `console.colour`."""
    queue_kib: KiB | None = None
    """How much may wait for this sink, as for `queue.limit_kib`."""
    when_full: WhenFullName | None = None
    """What to do with records that do not fit, as for `queue.when_full`."""
    min_severity: SeverityLimit | None = None
    """Leave out records that are less severe, such as "warning" or 4."""
    subsystem: Words | None = None
    """Leave out records that are not of these subsystems, such as "usb".

    The subsystem is the one that the kernel itself states beside the text: SUBSYSTEM in JSON, shown
    by ``journalctl -k -o verbose`` as ``_KERNEL_SUBSYSTEM``. Messages about devices have one.
    Others have none, whatever their text begins with, and a line that a process wrote never has
    one. A list such as ``["usb", "scsi"]`` names several. /proc/kmsg,
    syslog(2) and most captures do not show it.
    """
    exclude_subsystem: Words | None = None
    """Leave out records of these subsystems."""
    match: Expressions | None = None
    """Leave out records in whose text none of these regular expressions is found.

    The text is the one that the sink prints, with symbol names and without the tag. Expressions are
    those of Python: ``(?i)`` in front ignores case. Only the first 4096 characters of a text are
    searched. An expression that takes more than 0.1 s for 64 records is not used until the next
    reload, which is logged, and records pass it.

    Use single quotes, which TOML reads without escapes::

        [[sinks]]
        type = "file"
        path = "/var/log/klogd-py/storage.log"
        min_severity = "warning"
        match = ['^ata[0-9]', '^EXT4-fs', 'I/O error']
    """
    exclude: Expressions | None = None
    """Leave out records in whose text one of these regular expressions is found.

    Whatever a sink leaves out is counted in `klogd-py status`. Gaps and messages of klogd-py's own
    are never left out. A changed filter holds for records that come later.
    """


Sinks = Annotated[tuple[Sink | SinkTable, ...], Length(1, MAX_ENTRIES, "sink")]


class FileSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The format, the mode and the rotation of file sinks whose own tables do not say otherwise."""

    format: FormatName = "text"
    """The format of a line in a file:

    * "text": time, host, tag and text
    * "klogd": priority and text, as in ``<6>text``
    * "json": one JSON document per record
    """
    mode: OctalMode = "0640"
    """The permissions of a new file in octal; the umask is subtracted."""
    rotate_kib: RotateKiB = 0
    """Rename a file to FILE.1 before it becomes larger, for machines without logrotate.

    FILE.1 becomes FILE.2, and so on. A line is never split, and a longer one is alone in its file.
    The new file has the owner of the old one and the permissions of `mode`. The directory must be
    writable for klogd-py; if it is not, that is logged and the file goes on growing. Standard
    output, a FIFO and a device are not rotated. Do not let logrotate rotate the same file.
    """
    rotate_keep: OldFiles = 4
    """How many renamed files are kept: FILE.1 is the newest, and the oldest one is replaced."""


class ConsoleSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The format of a console sink whose own table does not say otherwise."""

    colour: ColourName = "auto"
    """When to colour lines by severity:

    * "auto": on a terminal, unless $NO_COLOR is set
    * "always": also in a file or a pipe
    * "never": plain text only
    """
    json: bool = False
    """Print one JSON document per record instead of a plain line."""


class TextSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The lines of text on the console, and in files whose format is "text"."""

    kernel_stamp: bool = False
    """Show the kernel's timestamp before the text, as in ``[12345.140900] eth0: link up``.

    It counts seconds since the boot. The caller stands behind it, as in ``[12345.140900][T42001]``,
    if the kernel records callers. Messages of klogd-py itself have none.
    """


class JsonSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON documents on the console and in files."""

    machine_id: bool = False
    """Add an id of this machine to each document.

    It is made from /etc/machine-id as machine-id(5) asks: other programs cannot compute the id of
    the machine from it, but `systemd-id128 machine-id --app-specific=` with klogd-py's id,
    b1e3a9886e9f4d5ba9e85e7ae8e643cd, prints the same.
    """


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What the sinks "journal" and "syslog" send beside systemd-journald, which reads the kernel's
    messages itself by default. A plain copy of them would be a duplicate in the journal. journald
    does not forward the kernel's messages to a syslogd.

    systemd-journald.service(8) reads these messages unless ``ReadKMsg=no`` is set in
    journald.conf(5). A sink that names its socket, as in "syslog:/dev/log", gets every record in
    every mode.
    """

    mode: Literal["auto", "additions", "exclusive", "forward"] = "auto"
    """What is sent:

    * "additions": The journal gets only what klogd-py adds: lines with symbol names, gaps and
      reports. The field ``KLOGD_SEQ`` links them to the kernel's record.

      If journald owns /dev/log, the same holds for "syslog".
    * "forward": The same for "journal", but "syslog" is sent in full to the syslogd behind
      journald, not to /dev/log.

      The socket of that syslogd is /run/systemd/journal/syslog. It should not read the kernel's
      messages itself. If both sinks are configured, journald forwards the lines with symbol names
      to the syslogd a second time, with the facility user; rsyslog-klogd-py.conf in the
      documentation drops them.
    * "exclusive": The journal gets every record. This is for a journald with ``ReadKMsg=no``, which
      then has klogd-py as its only source of kernel messages. The drop-in journald-exclusive.conf
      in the documentation sets it.
    * "auto": "exclusive" if journald does not read the kernel's messages or does not run; otherwise
      "forward" if there is a syslogd behind it; otherwise "additions".

    If "syslog" and "journal" would both lead to the journal, "syslog" is left out.
    """


class QueueSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How much may wait for a sink, and what happens to the rest, unless the sink's own table says
    otherwise.
    """

    limit_kib: KiB = 8192
    """How much may wait for each sink that is slow or down."""
    when_full: WhenFullName = "wait"
    """What to do with records that do not fit. Other sinks are not delayed in either case:

    * "wait": Leave them in the kernel's ring buffer and read them again when there is room. Records
      that the kernel overwrites meanwhile are counted, and announced in their place.
    * "drop": Drop, count and announce the newest records, but never errors and worse, nor lines in
      several pieces.

    /proc/kmsg and syslog(2) cannot be read again. They are not read while a sink with "wait" is
    full, which delays the other sinks.
    """
