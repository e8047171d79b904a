# SPDX-License-Identifier: GPL-2.0-or-later
"""Summarize runs as a Markdown table and as SVG charts."""

import os
import platform
import statistics
import time
from collections.abc import Sequence

from msgspec import Struct

from bench.comparison import Run
from bench.growth import Curve

REFERENCE = "rsyslog"


class Line(Struct, frozen=True):
    """The medians of all runs of one program at one job and rate.

    ``ratio`` is its CPU time divided by that of `REFERENCE`, ``None`` if that did not run.
    """

    program: str
    job: str
    wanted_rate: int
    runs: int
    cpu_us: float
    ratio: float | None
    lost_percent: float
    lossless: bool
    latency_us: float
    latency_99_us: float
    rss_mib: float
    first_s: float


def summary(runs: Sequence[Run]) -> list[Line]:
    """Return one line per job, rate and program, sorted."""
    groups: dict[tuple[str, int, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job, run.wanted_rate, run.program), []).append(run)
    cpu = {key: statistics.median(run.cpu_us for run in group) for key, group in groups.items()}
    return [
        _line(group, cpu.get((key[0], key[1], REFERENCE))) for key, group in sorted(groups.items())
    ]


def _line(group: Sequence[Run], reference_us: float | None) -> Line:
    first = group[0]
    cpu_us = statistics.median(run.cpu_us for run in group)
    return Line(
        first.program,
        first.job,
        first.wanted_rate,
        len(group),
        cpu_us,
        cpu_us / reference_us if reference_us else None,
        statistics.median(100 * (1 - run.arrived / run.records) for run in group),
        all(run.arrived == run.records for run in group),
        statistics.median(run.latency_us for run in group),
        statistics.median(run.latency_99_us for run in group),
        statistics.median(run.rss_mib for run in group),
        statistics.median(run.first_s for run in group),
    )


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table, and the highest rates without loss."""
    rows = [
        "| job | rate | program | CPU us/record | ratio | lost % "
        "| latency us | 99th us | RSS MiB | first record s |"
    ]
    rows.append("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for line in lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        first = f"{line.first_s:.3f}" if line.first_s else ""
        rows.append(
            f"| {line.job} | {line.wanted_rate:,} | {line.program} "
            f"| {line.cpu_us:.2f} | {ratio} | {line.lost_percent:.2f} "
            f"| {line.latency_us:,.0f} | {line.latency_99_us:,.0f} | {line.rss_mib:.1f} | {first} |"
        )
    return "\n".join([*rows, "", *_highest_rates(lines)])


def _highest_rates(lines: Sequence[Line]) -> list[str]:
    rows = []
    for job in dict.fromkeys(line.job for line in lines):
        best: dict[str, int] = {}
        for line in lines:
            if line.job == job:
                best[line.program] = max(
                    best.get(line.program, 0), line.wanted_rate if line.lossless else 0
                )
        rows.append(
            f"{job}, highest rate without loss: "
            + ", ".join(f"{name} {rate:,}" for name, rate in best.items())
        )
    return rows


def describe_machine() -> str:
    """Return processors, kernel, Python, load and time, in one line."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return (
        f"{os.cpu_count()} processors, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load}, {when}"
    )


_COLOURS = {
    "klogd-py": "#0b62a4",
    "rsyslog": "#c0392b",
    "busybox": "#7a5195",
    "syslog-ng": "#d98200",
}
_OTHERS_COLOUR = "#5c6b73"
_WIDTH, _HEIGHT, _LEFT, _TOP = 340, 220, 60, 40
_PER_ROW = 2


def chart(lines: Sequence[Line]) -> str:
    """CPU per record against rate, one panel for each job, as SVG."""
    panels = []
    for job in dict.fromkeys(line.job for line in lines):
        of_job = [line for line in lines if line.job == job]
        rates = sorted({line.wanted_rate for line in of_job})
        series = {
            name: [
                (rates.index(line.wanted_rate), line.cpu_us)
                for line in of_job
                if line.program == name
            ]
            for name in sorted({line.program for line in of_job})
        }
        panels.append(
            _Panel(
                f"kernel log to {job}: CPU per record (us)",
                [f"{rate // 1000} k/s" for rate in rates],
                series,
            )
        )
    return _svg(panels)


def curves_chart(curves: Sequence[Curve]) -> str:
    """Return the curves as SVG, one panel each: CPU per record over size, with the memory below."""
    return _svg(
        [
            _Panel(
                f"{curve.name}: CPU per record (us), MiB",
                [f"{_short(point.size)}\n{point.rss_mib:.0f} MiB" for point in curve.points],
                {"klogd-py": list(enumerate(point.cpu_us for point in curve.points))},
            )
            for curve in curves
        ]
    )


def curves_table(curves: Sequence[Curve]) -> str:
    """Return the curves as a Markdown table."""
    rows = ["| what grows | to | CPU us/record | RSS MiB |", "|---|---:|---:|---:|"]
    rows += [
        f"| {curve.name} | {point.size:,} | {point.cpu_us:.2f} | {point.rss_mib:.1f} |"
        for curve in curves
        for point in curve.points
    ]
    return "\n".join(rows)


def _short(size: int) -> str:
    for unit, word in ((1_000_000, "M"), (1000, "k")):
        if size >= unit:
            return f"{size // unit}{word}"
    return str(size)


class _Panel(Struct, frozen=True):
    """One chart.

    ``ticks`` label the x axis and may have two lines. ``series`` holds the points of each name: the
    index of a tick, and microseconds.
    """

    title: str
    ticks: list[str]
    series: dict[str, list[tuple[int, float]]]


def _svg(panels: Sequence[_Panel]) -> str:
    width, height = _PER_ROW * (_WIDTH + 2 * _LEFT), _HEIGHT + 2 * _TOP + 30
    rows = -(-len(panels) // _PER_ROW)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{rows * height}"'
        ' font-family="sans-serif" font-size="12">'
        '<rect width="100%" height="100%" fill="white"/>'
    ]
    for place, panel in enumerate(panels):
        parts += _panel_elements(
            panel,
            place % _PER_ROW * (_WIDTH + 2 * _LEFT) + _LEFT,
            place // _PER_ROW * height + _TOP,
        )
    return "\n".join([*parts, "</svg>", ""])


def _panel_elements(panel: _Panel, left: int, top: int) -> list[str]:
    top_us = max(value for points in panel.series.values() for _, value in points) * 1.1
    bottom = top + _HEIGHT

    def x(place: int) -> float:
        return left + _WIDTH * (place + 0.5) / len(panel.ticks)

    def y(value: float) -> float:
        return bottom - _HEIGHT * value / top_us

    size = 12 if len(panel.ticks) < 7 else 9
    parts = [f'<text x="{left}" y="{top - 20}" font-weight="bold">{panel.title}</text>']
    parts += [f'<path d="M{left} {top}V{bottom}H{left + _WIDTH}" fill="none" stroke="#888"/>']
    parts += [
        f'<text x="{x(place):.0f}" y="{bottom + 15 + 13 * row}" font-size="{size}"'
        f' text-anchor="middle">{line}</text>'
        for place, tick in enumerate(panel.ticks)
        for row, line in enumerate(tick.split("\n"))
    ]
    for step in range(5):
        value = top_us * step / 4
        parts.append(
            f'<text x="{left - 6}" y="{y(value) + 4:.0f}" text-anchor="end">{value:.1f}</text>'
        )
    for number, (name, points) in enumerate(panel.series.items()):
        colour = _COLOURS.get(name, _OTHERS_COLOUR)
        path = " ".join(f"{x(place):.0f},{y(value):.0f}" for place, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(place):.0f}" cy="{y(value):.0f}" r="3" fill="{colour}"/>'
            for place, value in points
        ]
        parts.append(
            f'<text x="{left + number * 80}" y="{bottom + 44}" fill="{colour}">{name}</text>'
        )
    return parts
