# SPDX-License-Identifier: GPL-2.0-or-later
"""Decide what a record proves: whether its addresses may be symbolized, and whether it is evidence
of a crash.

Facility 0 says that printk wrote a record, not who chose its bytes. Symbols are printed, and traces
read, only where the kernel itself wrote the record, and all of it is a form of
`klogd_py.oops.crash_lines`. Line feeds within a record come from a user's string more often than
from the kernel, so one line in another form discredits all of them.

docs/security.md says what is trusted and why.
"""

from collections.abc import Sequence
from enum import Enum

from klogd_py.oops import crash_lines
from klogd_py.oops.address_scanner import AddressMatch, find, has_bare_name
from klogd_py.oops.crash_signatures import CrashClass, Signature
from klogd_py.record.types import KERN, Record, Severity


class Origin(Enum):
    """How the records of a stream are read, which decides what their boundaries prove."""

    # /dev/kmsg: one read, one record
    RECORDS = "records"
    # /proc/kmsg, syslog(2): a line feed within a record cannot be told from its end
    LINES = "lines"
    # A file or a pipe that the user chose, whose lines may be of any origin
    CAPTURE = "capture"


class Withheld(Enum):
    """Why an address gets no symbol though one is known; the value is the reason in words."""

    PROCESS = "a process wrote the record, not the kernel"
    PIECE = "the record is only a piece of a line"
    FORM = "the line is no form in which the kernel prints code addresses"
    BORDERS = "the interface does not tell where a record ends"
    HASH = "the number may be a hash: the kernel has put the name beside it"


def withheld_reason(
    record: Record, matches: Sequence[AddressMatch], origin: Origin
) -> Withheld | None:
    """Why the addresses in a record may not be symbolized; ``None`` if they may."""
    if not _is_from_kernel(record, origin):
        return Withheld.PROCESS
    if origin is Origin.LINES:
        return Withheld.BORDERS
    if _is_continuation(record):
        return Withheld.PIECE
    return None if _has_only_address_forms(record.text, matches) else Withheld.FORM


def withheld_reason_in_any_text(record: Record, hashes_pointers: bool) -> Withheld | None:
    """The same where any text of the kernel is symbolized, as by the classic klogd.

    Only for kernels whose place in memory is no secret.
    """
    if record.facility != KERN:
        return Withheld.PROCESS
    if hashes_pointers and any(has_bare_name(line) for line in record.text.split("\n")):
        return Withheld.HASH
    return None


def evidence_lines(record: Record, origin: Origin) -> list[str]:
    """The lines of a record that belong to a crash report; empty if it proves nothing."""
    return crash_lines.kernel_lines(record.text) if _is_admissible(record, origin) else []


def is_trace_start(record: Record, origin: Origin) -> bool:
    """Whether a trace begins with a record: a crash header, or an address without a symbol."""
    lines = evidence_lines(record, origin)
    if not lines:
        return False
    signature = crash_lines.find_signature(record.text)
    if signature is not None and signature.opens_trace:
        return True
    if crash_lines.is_kernel_offset(record.text):
        return True
    return any(find(line) for line in lines)


def identify(record: Record, origin: Origin) -> Signature | None:
    """Return the signature of a record that is the header of a crash report; ``None`` for others.

    Its kind is ``None`` where another line of the report says what has happened.
    """
    if not _is_admissible(record, origin):
        return None
    return crash_lines.find_signature(record.text)


def is_oops_header(record: Record, origin: Origin) -> bool:
    """Whether a record is the header of an oops, a panic or another fatal report."""
    signature = identify(record, origin)
    return signature is not None and signature.crash_class is CrashClass.OOPS


def is_trace_end(record: Record, origin: Origin) -> bool:
    """Whether a record is the end marker of a trace."""
    return _is_admissible(record, origin) and crash_lines.is_end_marker(record.text)


def _is_admissible(record: Record, origin: Origin) -> bool:
    """Whether a record can be evidence, by who wrote it and by its boundaries."""
    if origin is Origin.LINES or not _is_from_kernel(record, origin) or _is_continuation(record):
        return False
    # The code bytes of a failed process are printed at level info (arch/x86/kernel/dumpstack.c
    # show_opcodes).
    return record.prefix is None or record.severity < Severity.INFO or "Code: " not in record.text


def _is_from_kernel(record: Record, origin: Origin) -> bool:
    """Whether printk wrote a record.

    A capture without facilities is assumed to hold the kernel's messages.
    """
    return record.facility == KERN and (record.prefix is not None or origin is Origin.CAPTURE)


def _is_continuation(record: Record) -> bool:
    """Whether a record continues a line whose beginning is elsewhere.

    It can begin anywhere in a line.
    """
    return record.flags.startswith(("c", "+"))


def _has_only_address_forms(text: str, matches: Sequence[AddressMatch]) -> bool:
    """Whether a text consists of the kernel's forms, and no match is in the name of a process."""
    if matches and not matches[0].in_trace:
        return crash_lines.is_print_site(text)
    found = crash_lines.match_address_line(text)
    if found is not None:
        name = crash_lines.process_name_span(found)
        return name is None or all(
            match.start >= name.end or match.end <= name.start for match in matches
        )
    return len(crash_lines.kernel_lines(text)) > 1
