# SPDX-License-Identifier: GPL-2.0-or-later
"""Find lines in the kernel's log that look like a crash, and were written by a program.

They make no report, which surprises whoever has typed ``echo "BUG: ..." > /dev/kmsg`` as a test.

Source of truth: Documentation/ABI/testing/dev-kmsg: what is written there never has facility 0.
"""

import os
import re
from collections.abc import Iterator

from klogd_py.doctor.check_kernel_log import open_kmsg
from klogd_py.doctor.finding import Finding, warn
from klogd_py.doctor.host import Host
from klogd_py.record.quantity import quantity
from klogd_py.reports.detection.headers import find_header
from klogd_py.sources.kmsg_format import BUFFER_BYTES

# More than the largest ring buffer has room for
_MAX_READS, _MAX_BYTES = 1 << 18, 64 << 20
_MAX_SHOWN_CHARS = 60
_RECORD = re.compile(rb"^(\d{1,4}),(\d{1,20}),[^;\n]{0,200};([^\n]*)", re.MULTILINE)
# A module of the kernel that makes errors on demand, among them a harmless warning
_PROVOKER = "/sys/kernel/debug/provoke-crash/DIRECT"
_WITHOUT_PROVOKER = (
    "klogd-py reports decode FILE with the log of a real crash; or in a virtual machine, as root: "
    "echo c > /proc/sysrq-trigger"
)


def check_forged_crashes(host: Host) -> list[Finding]:
    """Say why lines that a program has written as a test make no report; nothing without them."""
    try:
        descriptor = open_kmsg(host)
    # Another check says so
    except OSError:
        return []
    try:
        found = [text for raw in _read_all(descriptor) for text in _forged_headers(raw)]
    finally:
        os.close(descriptor)
    if not found:
        return []
    count = quantity(len(found), "line")
    verb = "looks" if len(found) == 1 else "look"
    words = (
        f"{count} of programs in the kernel's log {verb} like a crash, as \""
        f'{found[-1][:_MAX_SHOWN_CHARS]}": no reports are made of what is written to /dev/kmsg'
    )
    return [warn("crash test", words, f"to try it: {_provoke(host)}")]


def _read_all(descriptor: int) -> Iterator[bytes]:
    """Yield the records of the ring buffer, one at a time; of a copy of it, whole pieces.

    A record that was overwritten meanwhile, or is too long for the kernel, is left out.
    """
    rest, total = b"", 0
    for _ in range(_MAX_READS):
        try:
            raw = os.read(descriptor, BUFFER_BYTES)
        except BlockingIOError:
            break
        except OSError:
            continue
        total += len(raw)
        if not raw or total > _MAX_BYTES:
            break
        whole, _, rest = (rest[-BUFFER_BYTES:] + raw).rpartition(b"\n")
        yield whole
    yield rest


def _forged_headers(raw: bytes) -> Iterator[str]:
    """Yield the texts of records that look like the header of a crash, and are not the kernel's."""
    for prefix, _, text in _RECORD.findall(raw):
        if int(prefix) >> 3:
            shown = text.decode("utf-8", "replace")
            if find_header(shown) is not None:
                yield shown


def _provoke(host: Host) -> str:
    """Return how a report is provoked that is a real one."""
    has_module = "/lkdtm.ko" in host.read_text(f"/lib/modules/{host.release}/modules.dep")
    if host.exists(_PROVOKER) or has_module:
        return f"modprobe lkdtm; echo WARNING > {_PROVOKER}"
    return _WITHOUT_PROVOKER
