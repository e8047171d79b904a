# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the JSON document of an entry: its keys, their types and what they mean.

A key without a value is left out. The descriptions are those of klogd_py/record.schema.json, which
scripts/generate-config writes from this module. `SCHEMA` is raised when a key is removed or
renamed, or gets another type or meaning. A new key, and a new value of an enumeration, do not
raise it.

Source of truth: Documentation/ABI/testing/dev-kmsg for ``DEVICE``; the log data model of
OpenTelemetry, appendix B, for severity numbers.
"""

import re
from functools import lru_cache
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from klogd_py.record.report import Report
from klogd_py.record.types import KERN, Cause, Severity, TimestampSource

SCHEMA: Literal[1] = 1

SeverityName = Literal["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
# FATAL, ERROR3, ERROR2, ERROR, WARN, INFO2, INFO, DEBUG
SeverityNumber = Literal[21, 19, 18, 17, 13, 10, 9, 5]
_SEVERITIES: dict[Severity, tuple[SeverityName, SeverityNumber]] = {
    Severity.EMERG: ("emerg", 21),
    Severity.ALERT: ("alert", 19),
    Severity.CRIT: ("crit", 18),
    Severity.ERR: ("err", 17),
    Severity.WARNING: ("warning", 13),
    Severity.NOTICE: ("notice", 10),
    Severity.INFO: ("info", 9),
    Severity.DEBUG: ("debug", 5),
}
_NUMBERED_DEVICE = re.compile(r"([bc])(\d{1,10}):(\d{1,10})|n(\d{1,10})", re.ASCII)

DeviceKind = Literal["block", "char", "net", "other"]
Count = Annotated[int, Meta(ge=0)]
Number = Annotated[int, Meta(ge=0, description="Sequence number.")]


class PrintingKernel(Struct, frozen=True, omit_defaults=True):
    """The kernel that printed the record."""

    release: Annotated[str, Meta(description="As uname -r prints it.")] | UnsetType = UNSET
    build_id: (
        Annotated[
            str,
            Meta(description="Build id in hexadecimal digits, from /sys/kernel/notes."),
        ]
        | UnsetType
    ) = UNSET


class Device(Struct, frozen=True, omit_defaults=True):
    """The device that the record is about: the field DEVICE of the record, decoded."""

    kind: Annotated[
        DeviceKind,
        Meta(
            description="block and char have major and minor, net has ifindex, other has the name"
            " of the device in its subsystem."
        ),
    ]
    major: Count | UnsetType = UNSET
    minor: Count | UnsetType = UNSET
    ifindex: Count | UnsetType = UNSET
    name: str | UnsetType = UNSET


class GapRange(Struct, frozen=True):
    """The records that this document announces: they are not there as documents of their own."""

    first: Number
    last: Number
    count: Annotated[int, Meta(ge=1)]
    cause: Cause


class Document(Struct, omit_defaults=True, gc=False):
    """One record of the kernel, or a message of klogd-py.

    Keys may be added; ignore those that you do not know.

    Size: one field for each key.
    """

    schema: Annotated[Literal[1], Meta(description="Version of this schema.")]
    timestamp: Annotated[
        str,
        Meta(
            description="Wall time in the form of RFC 3339, with microseconds and the offset from"
            " UTC.",
            pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}[+-]\d{2}:\d{2}$",
        ),
    ]
    severity: Annotated[SeverityName, Meta(description="Level of the record.")]
    severity_number: Annotated[
        SeverityNumber, Meta(description="The same, as SeverityNumber of OpenTelemetry.")
    ]
    facility: Annotated[
        int, Meta(ge=0, description="Syslog facility; 0 proves that the kernel wrote the record.")
    ]
    tag: Annotated[
        str,
        Meta(
            description="kernel; klogd-py for its own messages; the name of the process, or kmsg,"
            " for a record that a process wrote to /dev/kmsg."
        ),
    ]
    text: Annotated[str, Meta(description="Text, with symbols for addresses. It may be empty.")]
    wall_us: Annotated[
        int, Meta(description="Wall time in microseconds since the Unix epoch, as in timestamp.")
    ]
    time_quality: (
        Annotated[
            TimestampSource,
            Meta(
                description="How the wall time was found. Left out where the input itself stated"
                " it."
            ),
        ]
        | UnsetType
    ) = UNSET
    seq: Annotated[int, Meta(ge=0, description="Sequence number of the kernel.")] | UnsetType = (
        UNSET
    )
    parts: (
        Annotated[
            tuple[Count, ...],
            Meta(description="Sequence numbers of later records that continue this line."),
        ]
        | UnsetType
    ) = UNSET
    usec: (
        Annotated[int, Meta(ge=0, description="Timestamp of the kernel in microseconds.")]
        | UnsetType
    ) = UNSET
    caller: (
        Annotated[
            str,
            Meta(description="T and the thread id, or C and the number of the processor."),
        ]
        | UnsetType
    ) = UNSET
    flags: (
        Annotated[str, Meta(description="Flags of /dev/kmsg: c is a piece of a line.")] | UnsetType
    ) = UNSET
    subsystem: (
        Annotated[str, Meta(description="The field SUBSYSTEM of the record.")] | UnsetType
    ) = UNSET
    device: Device | UnsetType = UNSET
    fields: (
        Annotated[
            dict[str, str],
            Meta(description="Dictionary of the record, such as SUBSYSTEM and DEVICE."),
        ]
        | UnsetType
    ) = UNSET
    raw: (
        Annotated[
            str, Meta(description="Text as the kernel printed it, where symbols were put in.")
        ]
        | UnsetType
    ) = UNSET
    symbols: (
        Annotated[
            tuple[str, ...],
            Meta(description="These symbols in order, such as vfs_write+0x1d/0x40 [ext4]."),
        ]
        | UnsetType
    ) = UNSET
    gap: GapRange | UnsetType = UNSET
    extra: (
        Annotated[
            tuple[str, ...], Meta(description="Header fields of /dev/kmsg that are not known.")
        ]
        | UnsetType
    ) = UNSET
    truncated: (
        Annotated[bool, Meta(description="The line was cut before klogd-py got it.")] | UnsetType
    ) = UNSET
    unparsed: (
        Annotated[bool, Meta(description="The record has no readable header; text is its bytes.")]
        | UnsetType
    ) = UNSET
    host: (
        Annotated[
            str,
            Meta(
                description="Name of the machine. A record of --input has one only where the input"
                " states it."
            ),
        ]
        | UnsetType
    ) = UNSET
    machine_id: (
        Annotated[
            str,
            Meta(
                description="Id of the machine for klogd-py alone, with json.machine_id = true.",
                pattern="^[0-9a-f]{32}$",
            ),
        ]
        | UnsetType
    ) = UNSET
    boot_id: (
        Annotated[
            str,
            Meta(description="Id of the boot. With seq it identifies a record."),
        ]
        | UnsetType
    ) = UNSET
    kernel: PrintingKernel | UnsetType = UNSET
    report: (
        Annotated[
            Report,
            Meta(
                description="The report of a crash that this document announces, without its text:"
                " that is in the log."
            ),
        ]
        | UnsetType
    ) = UNSET


class Rank(Struct, frozen=True):
    """Facility and severity of a record, as its document shows them."""

    facility: int
    severity: SeverityName
    severity_number: SeverityNumber


# As many as there are prefixes
@lru_cache(2048)
def rank_of(prefix: int | None) -> Rank:
    """Return facility and severity of a prefix; those of a record without one are kern and info."""
    severity = Severity.INFO if prefix is None else Severity(prefix & 7)
    return Rank(KERN if prefix is None else prefix >> 3, *_SEVERITIES[severity])


class Dictionary(Struct, frozen=True):
    """What a document says of the dictionary of a record."""

    subsystem: str | UnsetType = UNSET
    device: Device | UnsetType = UNSET
    fields: dict[str, str] | UnsetType = UNSET


# The same devices print again and again.
@lru_cache(256)
def describe_dictionary(pairs: tuple[tuple[str, str], ...]) -> Dictionary:
    """Return the dictionary of a record: ``(("SUBSYSTEM", "block"), ("DEVICE", "b8:0"))``."""
    if not pairs:
        return Dictionary()
    fields = dict(pairs)
    device = decode_device(fields.get("DEVICE", ""))
    return Dictionary(fields.get("SUBSYSTEM", UNSET), UNSET if device is None else device, fields)


def decode_device(text: str) -> Device | None:
    """Decode ``b8:0`` or ``c1:3`` (block, char), ``n3`` (net), ``+usb:1-1`` (subsystem and name).

    ``None`` if the text has another form. Source: Documentation/ABI/testing/dev-kmsg
    """
    found = _NUMBERED_DEVICE.fullmatch(text)
    if found is not None:
        if found[4] is not None:
            return Device("net", ifindex=int(found[4]))
        kind: DeviceKind = "block" if found[1] == "b" else "char"
        return Device(kind, int(found[2]), int(found[3]))
    subsystem, colon, name = text.partition(":")
    if subsystem.startswith("+") and colon and name:
        return Device("other", name=name)
    return None
