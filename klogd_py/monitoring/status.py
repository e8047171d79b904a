# SPDX-License-Identifier: GPL-2.0-or-later
"""What does a running daemon tell of itself?

The document of ``klogd-py status`` and of the metrics, as values: whoever reads it needs no daemon.
Times are ISO 8601 in UTC, counts are since the start. A later version may add keys; a reader
ignores those that it does not know.
"""

import re

import msgspec
from msgspec import Struct

HIDDEN = "(address)"
# What tells where a randomised kernel lies: all that is written as an address, with 0x in front or
# without.
_ADDRESS = re.compile(r"\b(?:0x[0-9a-fA-F]+|[0-9a-fA-F]{16}|[0-9a-fA-F]{8})\b")


class InputState(Struct, frozen=True):
    """Where records come from, and how many have come.

    ``sees_losses`` is false for an interface without sequence numbers. ``next_seq`` is the first
    record that has not been handed to the sinks, ``newest_seq`` the last one that was read;
    ``None`` where there are no numbers. ``gaps`` counts records that the source was short of, by
    cause. ``clock`` says how the wall time of the last was come by.
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
    """One sink; ``state`` is up, waiting (its queue is being sent), down, behind (the ring is read
    anew for it) or gone.

    ``lost`` counts records that it should have had, ``gaps`` all that were missing for this sink
    alone, by cause. ``error`` is there while it is down, ``last_error`` with its time stays.
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


class MapState(Struct, frozen=True):
    """A System.map or vmlinux: why it was taken or refused.

    ``proof`` and ``slide`` are those of the one in use.
    """

    path: str
    reason: str
    proof: str | None = None
    slide: str | None = None
    slide_proof: str = ""
    unproved: str = ""


class NamesState(Struct, frozen=True):
    """Where names come from; ``symbols`` counts what each source holds, ``modules`` is how many are
    loaded.

    ``named`` counts addresses by the source that named them, ``nameless`` the others by the reason.
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
    """Something that was to be changed while running.

    What, why, when, whether it was, and why not.
    """

    # Configuration or symbols
    what: str
    why: str
    at: str
    taken: bool
    detail: str = ""


class OopsState(Struct, frozen=True):
    """The last oops: its first line and when the kernel printed it.

    ``count`` is that of all since the start.
    """

    at: str
    seq: int | None
    text: str
    count: int


class JobFailure(Struct, frozen=True):
    """The last unexpected error of one job of the daemon, which goes on all the same.

    ``count`` is of all since the start.
    """

    job: str
    reason: str
    at: str
    count: int


class Status(Struct, frozen=True):
    """All of it."""

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


def without_addresses(status: Status) -> Status:
    """What may be told to those who may not read kernel addresses.

    All but where the kernel lies.
    """
    return msgspec.convert(_masked(msgspec.to_builtins(status)), Status)


def summarize(status: Status) -> str:
    """What a service manager shows: ``1201 records from /dev/kmsg to 2 sinks, none lost.

    Names from /boot/System.map-6.1.0``.
    """
    count = len(status.sinks)
    lost = sum(sink.lost for sink in status.sinks) + sum(
        status.input.gaps.get(cause, 0) for cause in ("overrun", "einval")
    )
    sinks = f"{count} sink{'' if count == 1 else 's'}"
    parts = [
        f"{status.input.records} records from {status.input.source} to {sinks}, {lost or 'none'} lost",
        status.names.headline,
    ]
    parts += [] if status.input.sees_losses else ["losses cannot be seen through this interface"]
    down = [sink.name for sink in status.sinks if sink.error]
    parts += ["paused"] if status.input.paused else []
    parts += [f"down: {', '.join(down)}"] if down else []
    return "; ".join(parts)


def _masked(content: object) -> object:
    if isinstance(content, str):
        return _ADDRESS.sub(HIDDEN, content)
    if isinstance(content, dict):
        return {key: _masked(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_masked(value) for value in content]
    return content
