# SPDX-License-Identifier: GPL-2.0-or-later
"""Name a report so that the same crash has the same name whenever it is read.

The boot, the kernel's own time of the header and its text decide; neither the wall clock nor what
is known of symbols does. So a daemon that is killed and reads the ring again finds the same names,
and so does who reads the crash in dmesg, in a serial log or in pstore, which have no sequence
numbers. Crashes with the same time and text are told apart by `klogd_py.reports.report_ids`.
"""

from hashlib import sha256

from klogd_py.reports.raw_report import RawReport

_BOOT_DIGITS = 8
_HASH_DIGITS = 8


def report_id(boot_id: str, usec: int | None, header_text: str) -> str:
    """Return the name of a report: ``5f0c9a1e-000005218310-1a2b3c4d``.

    Safe as the name of a file; the names of one boot sort by time. ``boot_id`` may be any text that
    names the boot, and empty; ``usec`` counts microseconds since the boot.
    """
    boot = boot_id.replace("-", "").lower()
    if len(boot) < _BOOT_DIGITS or not all(digit in "0123456789abcdef" for digit in boot):
        boot = _digest(boot)
    moment = "0" * 12 if usec is None else f"{usec:012d}"
    return f"{boot[:_BOOT_DIGITS]}-{moment}-{_digest(boot, moment, header_text)[:_HASH_DIGITS]}"


def id_of(raw: RawReport, boot_id: str) -> str:
    """Return the name of a report.

    Lines without a time tell crashes apart by all of their text; those of another machine by its
    name.
    """
    record = raw.header.record
    machine = record.machine
    if not boot_id and machine is not None:
        boot_id = machine.boot_id or machine.host
    text = record.text
    if record.usec is None:
        text = "\n".join(line.record.text for line in raw.lines)
    return report_id(boot_id, record.usec, text)


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
