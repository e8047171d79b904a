# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a report as an event of Sentry, to be sent by any client.

Sentry groups by the issue of the report. The frames are the oldest first; those that only report,
check or allocate are not ``in_app``. Further stacks, such as who freed the memory, are threads.

Source of truth: Sentry's developer documentation on event payloads, and the schema of events in
getsentry/sentry-data-schemas, relay/event.schema.json.
"""

import hashlib
from collections.abc import Sequence

from klogd_py.record.report import Frame, Report, Stack
from klogd_py.record.report import ReportSeverity as Severity

_LEVELS = {
    Severity.FATAL: "fatal",
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.HANG: "error",
}
# Longer values of tags are refused.
_MAX_TAG = 199


def sentry_event(report: Report, version: str) -> dict[str, object]:
    """Return the event of a report; ``version`` is that of klogd-py."""
    kernel = report.kernel
    event: dict[str, object] = {
        "event_id": event_id(report),
        "platform": "other",
        "level": _LEVELS[report.severity],
        "logger": "klogd-py",
        "fingerprint": [report.fingerprint.issue],
        "exception": {"values": [_exception(report)]},
        "tags": _tags(report),
        "contexts": {
            "os": _filled(type="os", name="Linux", version=kernel.release, build=kernel.version),
            "device": _filled(type="device", model=kernel.hardware, arch=kernel.arch),
        },
        "extra": {"report": report.id, "count": report.count, "text": list(report.text)},
        "sdk": {"name": "klogd-py", "version": version},
    }
    threads = [_thread(number, stack) for number, stack in enumerate(report.stacks[1:], 1)]
    return event | _filled(
        timestamp=report.first_seen,
        release=kernel.release,
        server_name=report.host,
        transaction=report.function,
        threads={"values": threads} if threads else None,
    )


def event_id(report: Report) -> str:
    """Return a UUID of version 4 in 32 digits that is always the same for a report."""
    digest = bytearray(hashlib.sha256(report.id.encode(errors="replace")).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    return digest.hex()


def _filled(**values: object) -> dict[str, object]:
    """Return the keys that have a value."""
    return {key: value for key, value in values.items() if value}


def _exception(report: Report) -> dict[str, object]:
    stack = report.stacks[0] if report.stacks else Stack("")
    return {
        "type": report.kind,
        "value": report.title,
        "mechanism": {"type": "kernel", "handled": False},
    } | _filled(module=report.module, stacktrace=_stacktrace(stack.frames))


def _thread(number: int, stack: Stack) -> dict[str, object]:
    return {"id": number, "name": stack.label, "crashed": False} | _filled(
        stacktrace=_stacktrace(stack.frames)
    )


def _stacktrace(frames: Sequence[Frame]) -> dict[str, object] | None:
    if not frames:
        return None
    return {"frames": [_frame(frame) for frame in reversed(frames)]}


def _frame(frame: Frame) -> dict[str, object]:
    return {"function": frame.function, "in_app": frame.reliable and not frame.noise} | _filled(
        module=frame.module, filename=frame.file, lineno=frame.line
    )


def _tags(report: Report) -> dict[str, str]:
    found = {
        "kind": report.kind,
        "module": report.module,
        "kernel": report.kernel.release,
        "confidence": report.confidence.value,
        "taint": report.kernel.taint.letters,
    }
    return {key: value[:_MAX_TAG] for key, value in found.items() if value}
