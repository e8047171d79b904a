# SPDX-License-Identifier: GPL-2.0-or-later
"""Format the status document as tables for a terminal.

Every table has a heading line, which is bold if colours are on. Control characters in texts are
escaped.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from klogd_py.monitoring.status import (
    NamesState,
    ReloadResult,
    ReportsState,
    SinkState,
    Status,
)
from klogd_py.record.quantity import quantity
from klogd_py.system.terminal import BOLD, GREEN, PLAIN, RED, YELLOW, align_columns, escape_controls

_COLOURS = {"up": GREEN, "waiting": YELLOW, "behind": YELLOW, "down": RED, "gone": RED}
_STATE = re.compile(rf"  ({'|'.join(_COLOURS)})(?=  )")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def render_table(status: Status, colour: bool) -> str:
    """Return the whole document as text, one table per part."""
    blocks = [_input_table(status), _count_table("SEVERITY", "RECORDS", status.input.severities)]
    gaps = _gap_table(status)
    blocks += [gaps] if gaps else []
    blocks += [_sink_table(status.sinks, colour), _symbol_table(status.names)]
    reports = _report_table(status.reports) if status.reports else []
    blocks += [reports] if reports else []
    blocks += [_event_table(status)]
    head = (
        f"klogd-py {status.version}, process {status.pid}, "
        f"up {format_duration(status.uptime_s)}, since {format_local_time(status.started)}"
    )
    return (
        "\n\n".join([head, *("\n".join(_with_heading(block, colour)) for block in blocks)]) + "\n"
    )


def format_duration(seconds: int) -> str:
    """Return seconds in their two largest units: ``3 h 12 min``."""
    parts = []
    for size, unit in _UNITS:
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"


def format_local_time(time: str) -> str:
    """Return an ISO 8601 time in the local time zone: ``2026-11-25 09:00:00``."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _input_table(status: Status) -> list[str]:
    source = status.input
    numbers = [_seq_or_dash(source.next_seq), _seq_or_dash(source.newest_seq), str(source.records)]
    name = f"{source.source} (paused)" if source.paused else source.source
    return align_columns(
        [
            ("INPUT", "NEXT", "NEWEST", "RECORDS", "CLOCK"),
            (escape_controls(name), *numbers, source.clock or "-"),
        ]
    )


def _count_table(heading: str, label: str, counts: Mapping[str, int]) -> list[str]:
    return align_columns([(heading, *counts), (label, *map(str, counts.values()))])


def _gap_table(status: Status) -> list[str]:
    """Return the missing records by cause, of all sinks and of single sinks; empty if none."""
    rows = [(cause, str(count), "all sinks") for cause, count in status.input.gaps.items() if count]
    rows += [
        (cause, str(count), escape_controls(sink.name))
        for sink in status.sinks
        for cause, count in sink.gaps.items()
        if count
    ]
    return align_columns([("GAP", "RECORDS", "MISSING FOR"), *rows]) if rows else []


def _sink_table(sinks: Sequence[SinkState], colour: bool) -> list[str]:
    # Few sinks have a filter.
    has_filter = any(sink.filtered for sink in sinks)
    left_out = ("FILTERED",) if has_filter else ()
    rows = [("SINK", "STATE", "QUEUE", "KIB", "DELIVERED", *left_out, "LOST", "NEXT", "LAST ERROR")]
    for sink in sinks:
        queue = f"{sink.queued_bytes >> 10}/{sink.limit_bytes >> 10}"
        error = (
            f"{escape_controls(sink.last_error)} ({format_local_time(sink.last_error_at)})"
            if sink.last_error_at
            else "-"
        )
        counts = (
            str(sink.queued),
            queue,
            str(sink.delivered),
            *((str(sink.filtered),) if has_filter else ()),
            str(sink.lost),
            _seq_or_dash(sink.next_seq),
        )
        rows.append((escape_controls(sink.name), sink.state, *counts, error))
    lines = align_columns(rows)
    return (
        [
            _STATE.sub(lambda found: f"  {_COLOURS[found[1]]}{found[1]}{PLAIN}", line, 1)
            for line in lines
        ]
        if colour
        else lines
    )


def _symbol_table(names: NamesState) -> list[str]:
    rows = [("NAMES", "")]
    if names.map is not None:
        rows.append(("map", f"{names.map.path}: {names.map.reason}"))
        slide = (
            f"{names.map.slide}, {names.map.slide_proof}"
            if names.map.slide
            else f"not known: {names.map.unproved}"
        )
        rows.append(("slide", slide))
    rows += [("refused", f"{refused.path}: {refused.reason}") for refused in names.refused]
    rows += [(source, quantity(count, "symbol")) for source, count in names.symbols.items()]
    rows += [("modules", f"{names.modules} loaded")] if names.modules else []
    rows += [("named", f"{_addresses(count)} by {source}") for source, count in names.named.items()]
    rows += [
        ("not named", f"{_addresses(count)}: {reason}") for reason, count in names.nameless.items()
    ]
    rows += [("note", remark) for remark in names.remarks]
    return align_columns([(name, escape_controls(text)) for name, text in rows])


def _report_table(reports: ReportsState) -> list[str]:
    """Return what is known of crash reports; empty if there is none and nothing failed."""
    rows = []
    if reports.total:
        kinds = {kind: sum(counts.values()) for kind, counts in reports.counts.items()}
        parts = [", ".join(f"{count} {kind}" for kind, count in kinds.items())]
        parts += [f"{reports.suppressed} not sent one by one"] if reports.suppressed else []
        parts += [f"{reports.low_confidence} doubtful"] if reports.low_confidence else []
        rows.append(("since the start", f"{reports.total}: {'; '.join(parts)}"))
    if reports.last is not None:
        rows.append(("last", f"{format_local_time(reports.last.at)}  {reports.last.title}"))
    spool = reports.spool
    if spool.reports:
        crashes = quantity(spool.issues, "crash", "crashes")
        kept = f"{quantity(spool.reports, 'report')} of {crashes}, {spool.size_bytes >> 10} KiB"
        rows.append(("kept", f"{kept}: klogd-py reports"))
    rows += [("not kept", spool.problem)] if spool.problem else []
    rows += [("hook", reports.hook_error)] if reports.hook_error else []
    cells = [(name, escape_controls(text)) for name, text in rows]
    return align_columns([("REPORTS", ""), *cells]) if cells else []


def _event_table(status: Status) -> list[str]:
    rows = [("EVENT", "TIME", "WHAT")]
    rows += [
        (f"last {change.what}", format_local_time(change.at), _reload_result(change))
        for change in status.changes
    ]
    oops = status.oops
    rows += (
        [
            (
                "last oops",
                format_local_time(oops.at),
                f"{escape_controls(oops.text)} ({oops.count} since the start)",
            )
        ]
        if oops
        else []
    )
    # The table of reports has them more exactly
    is_shown = status.reports is not None and status.reports.total
    counts = {} if is_shown else status.crashes
    crashes = [f"{count} {kind}" for kind, count in counts.items() if count]
    rows += [("crashes", "-", escape_controls(", ".join(crashes)))] if crashes else []
    rows += [
        (
            f"failed: {escape_controls(one.job)}",
            format_local_time(one.at),
            f"{escape_controls(one.reason)} ({quantity(one.count, 'time')})",
        )
        for one in status.failures
    ]
    return align_columns(rows if len(rows) > 1 else [*rows, ("none yet", "-", "-")])


def _reload_result(change: ReloadResult) -> str:
    outcome = "taken into use" if change.taken else "refused, the old is kept"
    return escape_controls(
        f"{change.why}: {outcome}" + (f" ({change.detail})" if change.detail else "")
    )


def _with_heading(lines: list[str], colour: bool) -> list[str]:
    return [f"{BOLD}{lines[0]}{PLAIN}", *lines[1:]] if colour else lines


def _seq_or_dash(seq: int | None) -> str:
    return "-" if seq is None else str(seq)


def _addresses(count: int) -> str:
    return quantity(count, "address", "addresses")
