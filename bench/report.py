"""What do the runs come to: a table for people, JSON for programs, a chart for the documentation."""

import os
import platform
import statistics
import time
from collections.abc import Sequence

from msgspec import Struct

from bench.race import Run

REFERENCE = "rsyslog"


class Line(Struct, frozen=True):
    """The medians of all runs of one contender at one job and rate; ``ratio`` is its CPU to the reference's."""

    contender: str
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
    """One line per contender, job and rate, in the order in which they ran."""
    groups: dict[tuple[str, int, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job, run.wanted_rate, run.contender), []).append(run)
    cpu = {key: statistics.median(run.cpu_us for run in group) for key, group in groups.items()}
    return [_line(group, cpu.get((key[0], key[1], REFERENCE))) for key, group in sorted(groups.items())]


def _line(group: Sequence[Run], reference_us: float | None) -> Line:
    first = group[0]
    cpu_us = statistics.median(run.cpu_us for run in group)
    return Line(
        first.contender,
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
    """For people, in Markdown."""
    rows = ["| job | rate | program | CPU us/record | ratio | lost % | latency us | 99th us | RSS MiB | first record s |"]
    rows.append("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for line in lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        first = f"{line.first_s:.3f}" if line.first_s else ""
        rows.append(
            f"| {line.job} | {line.wanted_rate:,} | {line.contender} | {line.cpu_us:.2f} | {ratio} | {line.lost_percent:.2f} "
            f"| {line.latency_us:,.0f} | {line.latency_99_us:,.0f} | {line.rss_mib:.1f} | {first} |"
        )
    return "\n".join([*rows, "", *_ceilings(lines)])


def _ceilings(lines: Sequence[Line]) -> list[str]:
    rows = []
    for job in dict.fromkeys(line.job for line in lines):
        best: dict[str, int] = {}
        for line in lines:
            if line.job == job:
                best[line.contender] = max(best.get(line.contender, 0), line.wanted_rate if line.lossless else 0)
        rows.append(f"{job}, highest rate without loss: " + ", ".join(f"{name} {rate:,}" for name, rate in best.items()))
    return rows


def machine() -> str:
    """On what, and when, in one line."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}, load {load}, {when}"


_COLOURS = ("#0b62a4", "#c0392b", "#7a5195", "#d98200", "#5c6b73")
_WIDTH, _HEIGHT, _LEFT, _TOP = 340, 220, 60, 40


def chart(lines: Sequence[Line]) -> str:
    """CPU per record against rate, one panel for each job, as SVG."""
    jobs = list(dict.fromkeys(line.job for line in lines))
    width = len(jobs) * (_WIDTH + 2 * _LEFT)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT + 2 * _TOP + 30}" font-family="sans-serif"'
    ]
    parts[0] += ' font-size="12"><rect width="100%" height="100%" fill="white"/>'
    for place, job in enumerate(jobs):
        parts += _panel([line for line in lines if line.job == job], job, place * (_WIDTH + 2 * _LEFT) + _LEFT)
    return "\n".join([*parts, "</svg>", ""])


def _panel(lines: Sequence[Line], job: str, left: int) -> list[str]:
    rates = sorted({line.wanted_rate for line in lines})
    top_us = max(line.cpu_us for line in lines) * 1.1
    bottom = _TOP + _HEIGHT

    def x(rate: int) -> float:
        return left + _WIDTH * (rates.index(rate) + 0.5) / len(rates)

    def y(value: float) -> float:
        return bottom - _HEIGHT * value / top_us

    parts = [f'<text x="{left}" y="{_TOP - 20}" font-weight="bold">kernel log to {job}: CPU per record (us)</text>']
    parts += [f'<path d="M{left} {_TOP}V{bottom}H{left + _WIDTH}" fill="none" stroke="#888"/>']
    parts += [f'<text x="{x(rate):.0f}" y="{bottom + 16}" text-anchor="middle">{rate // 1000} k/s</text>' for rate in rates]
    for step in range(5):
        value = top_us * step / 4
        parts.append(f'<text x="{left - 6}" y="{y(value) + 4:.0f}" text-anchor="end">{value:.1f}</text>')
    for number, name in enumerate(sorted({line.contender for line in lines})):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(x(line.wanted_rate), y(line.cpu_us)) for line in lines if line.contender == name]
        path = " ".join(f"{across:.0f},{down:.0f}" for across, down in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{across:.0f}" cy="{down:.0f}" r="3" fill="{colour}"/>' for across, down in points]
        parts.append(f'<text x="{left + number * 80}" y="{bottom + 36}" fill="{colour}">{name}</text>')
    return parts
