# SPDX-License-Identifier: GPL-2.0-or-later
"""The status document of a running daemon, as frozen values.

``klogd-py status --json`` prints it, and the status table, the metrics and the status line of the
service manager are derived from it. Times are ISO 8601 in UTC: ``2026-11-25T09:00:00.000Z``. Counts
are since the start of the daemon. A later version may add keys; a reader ignores unknown ones.
"""

import msgspec
from msgspec import Struct

from klogd_py.record.address_mask import hide_addresses
from klogd_py.record.quantity import quantity
from klogd_py.reports.report_counts import LastReport, SpoolUsage


class Refusal(Struct, frozen=True):
    """The document for a client without permission."""

    error: str


class InputState(Struct, frozen=True):
    """The source of records, and how many it delivered.

    ``sees_losses`` is false for an interface without sequence numbers (/proc/kmsg). ``next_seq`` is
    the first record not yet passed to the sinks, ``newest_seq`` the last record read; both are
    ``None`` without sequence numbers. ``gaps`` counts the missing records of the source by cause.
    ``clock`` says how the wall time of the last record was determined, ``None`` before the first.
    """

    source: str
    sees_losses: bool
    paused: bool
    next_seq: int | None
    newest_seq: int | None
    records: int
    severities: dict[str, int]
    gaps: dict[str, int]
    clock: str | None


class SinkState(Struct, frozen=True):
    """One sink.

    ``state`` is up, waiting (its queue is not empty), down, behind (records are read again from the
    ring for it) or gone. ``lost`` counts records that the sink should have received and did not,
    ``filtered`` those that its filter or the selection of the run left out.
    ``gaps`` counts the records missing for this sink only, by cause. ``error`` is empty unless the
    sink is down; ``last_error`` is kept, with its time.

    Size: one field for each key of the document.
    """

    name: str
    state: str
    queued: int
    queued_bytes: int
    limit_bytes: int
    delivered: int
    lost: int
    gaps: dict[str, int]
    next_seq: int | None
    error: str
    last_error: str
    last_error_at: str | None
    failures: int
    filtered: int = 0


class MapState(Struct, frozen=True):
    """A System.map or vmlinux, and why it was accepted or refused.

    ``proof``, ``slide`` (``0x1a000000``) and ``slide_proof`` belong to the map in use, and are
    ``None`` or empty for others. ``unproved`` says why no oops has shown the slide; it matters only
    while ``slide`` is ``None``.
    """

    path: str
    reason: str
    proof: str | None = None
    slide: str | None = None
    slide_proof: str = ""
    unproved: str = ""


class NamesState(Struct, frozen=True):
    """The symbol sources and what they resolved.

    ``symbols`` counts the symbols of each source, ``modules`` the loaded modules. ``named`` counts
    resolved addresses by source, ``nameless`` the code addresses not resolved, by reason.
    ``remarks`` are warnings for the operator.
    """

    headline: str
    map: MapState | None
    refused: tuple[MapState, ...]
    symbols: dict[str, int]
    modules: int
    named: dict[str, int]
    nameless: dict[str, int]
    remarks: tuple[str, ...]


class ReloadResult(Struct, frozen=True):
    """The last reload of the configuration or the symbols.

    ``why`` is the trigger (``SIGHUP``), ``taken`` says whether the new state is in use, ``detail``
    explains why not; it may also name changes that apply at the next start.
    """

    # "configuration" or "symbols"
    what: str
    why: str
    at: str
    taken: bool
    detail: str = ""


class OopsState(Struct, frozen=True):
    """The last oops: its first line, and when the kernel printed it.

    ``count`` is the number of oopses since the start of the daemon.
    """

    at: str
    seq: int | None
    text: str
    count: int


class ReportsState(Struct, frozen=True):
    """The crash reports since the start of the daemon, and where they are kept.

    ``counts`` has the occurrences by kind and severity: ``{"kasan": {"error": 2}}``; a kind that
    was not seen is left out. ``last_at`` has the time of the last report of each kind. It and
    ``last`` may be from before the start. ``suppressed`` counts occurrences without an entry of
    their own, ``low_confidence`` those whose title or function is doubtful. ``hook_calls`` counts
    the calls of the hook by how they ended, ``hook_error`` is empty unless the last one failed.
    """

    counts: dict[str, dict[str, int]]
    last: LastReport | None
    last_at: dict[str, str]
    suppressed: int
    low_confidence: int
    spool: SpoolUsage
    hook_calls: dict[str, int]
    hook_error: str

    @property
    def total(self) -> int:
        """Number of occurrences."""
        return sum(sum(severities.values()) for severities in self.counts.values())


class JobFailure(Struct, frozen=True):
    """The last unexpected error of one job of the daemon; the daemon continues.

    ``count`` is the number of such errors since the start of the daemon.
    """

    job: str
    reason: str
    at: str
    count: int


class Status(Struct, frozen=True):
    """The whole document.

    ``changes`` holds at most one result for the configuration and one for the symbols; ``oops`` is
    ``None`` if none was seen. ``crashes`` counts the crash reports of each kind, warnings, stalls
    and hung tasks among them; reports of one kind that begin within a second of each other are one.
    ``reports`` is ``None`` if crashes are not collected into reports.

    Size: the document of the daemon; one field for each part of it.
    """

    version: str
    pid: int
    boot_id: str
    started: str
    uptime_s: int
    input: InputState
    sinks: tuple[SinkState, ...]
    names: NamesState
    changes: tuple[ReloadResult, ...]
    oops: OopsState | None
    failures: tuple[JobFailure, ...] = ()
    crashes: dict[str, int] = {}
    reports: ReportsState | None = None


def without_addresses(status: Status) -> Status:
    """Return the document for readers without permission to see kernel addresses.

    Every address in every string is hidden, as in reports. The name of a report stays: it may look
    like an address, but is made of a hash.
    """
    masked = msgspec.convert(_mask_addresses(msgspec.to_builtins(status)), Status)
    reports, last = masked.reports, status.reports.last if status.reports else None
    if reports is None or reports.last is None or last is None:
        return masked
    named = msgspec.structs.replace(reports.last, id=last.id)
    return msgspec.structs.replace(masked, reports=msgspec.structs.replace(reports, last=named))


def summarize(status: Status) -> str:
    """Return the status line of the service manager.

    ``1201 records from /dev/kmsg to 2 sinks, none lost; names from /boot/System.map-6.1.0``
    """
    count = len(status.sinks)
    lost = sum(sink.lost for sink in status.sinks) + sum(
        status.input.gaps.get(cause, 0) for cause in ("overrun", "einval")
    )
    sinks = quantity(count, "sink")
    parts = [
        f"{quantity(status.input.records, 'record')} from {status.input.source} to {sinks}, "
        f"{lost or 'none'} lost",
        status.names.headline,
    ]
    parts += [] if status.input.sees_losses else ["losses cannot be seen through this interface"]
    down = [sink.name for sink in status.sinks if sink.error]
    parts += ["paused"] if status.input.paused else []
    parts += [f"down: {', '.join(down)}"] if down else []
    return "; ".join(parts)


def _mask_addresses(value: object) -> object:
    if isinstance(value, str):
        return hide_addresses(value)
    if isinstance(value, dict):
        return {key: _mask_addresses(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_addresses(item) for item in value]
    return value
