# SPDX-License-Identifier: GPL-2.0-or-later
"""Summarize measurements as Markdown tables: medians, with the smallest and the largest value."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from bench.results import BEFORE, NOW, Figure, Idle, Point, Results, Run, Spread

REFERENCE = "rsyslog imkmsg"


class Line(Struct, frozen=True):
    """One program at one job, load and rate.

    ``ratio`` is its CPU time divided by that of `REFERENCE`, ``None`` if that is not known.
    """

    program: str
    job: str
    load: str
    rate: int
    cpu_us: Spread | None
    ratio: float | None
    lost_percent: Spread
    latency_us: Spread | None
    latency_99_us: Spread | None

    @property
    def is_lossless(self) -> bool:
        """Whether every record arrived in every round."""
        return self.lost_percent.high == 0


def markdown(results: Results) -> str:
    """Return everything that was measured as text for a document."""
    parts = ["  \n".join(results.machine)]
    # A table may be copied without the rest.
    python = f"{results.machine[1]}; {results.rounds} rounds."
    lines = summary(results.runs)
    for job, load in dict.fromkeys((line.job, line.load) for line in lines):
        chosen = [line for line in lines if (line.job, line.load) == (job, load)]
        parts += [f"### Kernel log to {job}, {load}", python, race_tables(chosen)]
        if len({line.rate for line in chosen}) > 1:
            parts.append(highest_rates(chosen))
    if results.runs:
        parts += ["### Memory and start", python, memory_table(results.runs)]
    if results.idle:
        parts += ["### Idle", python, idle_table(results.idle)]
        if most := max(idle.records for idle in results.idle):
            parts.append(f"Not idle: others wrote up to {most:,} records in a round.")
    if results.figures:
        parts += ["### Stages, symbols and commands", python, figure_table(results.figures)]
    if results.points:
        parts += ["### Growth", f"{results.machine[1]}; one round.", point_table(results.points)]
    return "\n\n".join([*parts, ""])


def summary(runs: Sequence[Run]) -> list[Line]:
    """Return one line for each program at each job, load and rate, in the order of the runs."""
    groups: dict[tuple[str, str, int, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.job, run.load, run.rate, run.program), []).append(run)
    cpu = {key: Spread.of(run.cpu_us for run in group) for key, group in groups.items()}
    return [
        Line(
            *(program, job, load, rate),
            cpu_us=cpu[job, load, rate, program],
            ratio=_ratio(cpu[job, load, rate, program], cpu.get((job, load, rate, REFERENCE))),
            lost_percent=Spread.of(run.lost_percent for run in group) or Spread(0, 0, 0),
            latency_us=Spread.of(run.latency_us for run in group),
            latency_99_us=Spread.of(run.latency_99_us for run in group),
        )
        for (job, load, rate, program), group in groups.items()
    ]


def _ratio(value: Spread | None, reference: Spread | None) -> float | None:
    if value is None or reference is None or not reference.median:
        return None
    return value.median / reference.median


def race_tables(lines: Sequence[Line]) -> str:
    """Return two tables with a row for each rate and a column for each program.

    The first one has the cost, and that of klogd-py as a share of `REFERENCE`; the second one has
    what arrived, and when: ``0; 9.10, 22.3``.
    """
    programs = list(dict.fromkeys(line.program for line in lines))
    by_rate: dict[int, dict[str, Line]] = {}
    for line in lines:
        by_rate.setdefault(line.rate, {})[line.program] = line
    cost = [
        [
            f"{rate:,}",
            *(shown(found[name].cpu_us) if name in found else "" for name in programs),
            _shown_ratio(found.get(NOW)),
        ]
        for rate, found in by_rate.items()
    ]
    delivery = [
        [f"{rate:,}", *(_delivery(found[name]) if name in found else "" for name in programs)]
        for rate, found in by_rate.items()
    ]
    return "\n\n".join(
        [
            "CPU in microseconds for each record that arrived:",
            table(["rate", *programs, f"{NOW}/imkmsg"], cost),
            "Lost records in percent; latency in ms, median and 99th percentile:",
            table(["rate", *programs], delivery),
        ]
    )


def _shown_ratio(line: Line | None) -> str:
    return "" if line is None or line.ratio is None else f"{line.ratio:.2f}"


def _delivery(line: Line) -> str:
    lost = "0" if line.is_lossless else shown(line.lost_percent)
    times = [spread.median / 1000 for spread in (line.latency_us, line.latency_99_us) if spread]
    return "; ".join([lost, *([", ".join(map(number, times))] if times else [])])


def highest_rates(lines: Iterable[Line]) -> str:
    """Return the highest rate of each program at which no round lost a record."""
    best: dict[str, int] = {}
    for line in lines:
        rate = line.rate if line.is_lossless else 0
        best[line.program] = max(best.get(line.program, 0), rate)
    rates = ", ".join(f"{name} {f'{rate:,}' if rate else 'none'}" for name, rate in best.items())
    return f"Highest rate without loss: {rates}."


def memory_table(runs: Sequence[Run]) -> str:
    """Return the resident memory of each program, and the time to its first record."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.program, []).append(run)
    return table(
        ["program", "RSS MiB", "first record ms after its start"],
        (
            [
                name,
                shown(Spread.of(run.rss_mib for run in group)),
                shown(Spread.of(run.first_s and run.first_s * 1000 for run in group)),
            ]
            for name, group in groups.items()
        ),
    )


def idle_table(measured: Sequence[Idle]) -> str:
    """Return what each program uses while nothing is written."""
    groups: dict[str, list[Idle]] = {}
    for idle in measured:
        groups.setdefault(idle.program, []).append(idle)
    return table(
        ["program", "CPU ms/minute", "wake-ups/minute", "threads", "RSS MiB"],
        (
            [
                name,
                shown(Spread.of(idle.cpu_ms_per_minute for idle in group)),
                shown(Spread.of(idle.wakeups_per_minute for idle in group)),
                shown(Spread.of(float(idle.threads) for idle in group)),
                shown(Spread.of(idle.rss_mib for idle in group)),
            ]
            for name, group in groups.items()
        ),
    )


def figure_table(figures: Sequence[Figure]) -> str:
    """Return each figure, beside that of the other commit if there is one."""
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for figure in figures:
        programs = values.setdefault((figure.part, figure.name, figure.unit), {})
        programs.setdefault(figure.program, []).append(figure.value)
    spreads = {
        key: {name: Spread.of(found) for name, found in programs.items()}
        for key, programs in values.items()
    }
    if not any(BEFORE in programs for programs in spreads.values()):
        rows = (
            [f"{part}: {name}", shown(programs.get(NOW)), unit]
            for (part, name, unit), programs in spreads.items()
        )
        return table(["what", "value", "unit"], rows)
    compared = (
        [
            f"{part}: {name}",
            shown(programs.get(BEFORE)),
            shown(programs.get(NOW)),
            unit,
            ""
            if (ratio := _ratio(programs.get(NOW), programs.get(BEFORE))) is None
            else number(ratio),
        ]
        for (part, name, unit), programs in spreads.items()
    )
    return table(["what", "before", "now", "unit", "now/before"], compared)


def point_table(points: Iterable[Point]) -> str:
    """Return the growth curves, a row for each point."""
    return table(
        ["what grows", "to", "CPU us/record", "RSS MiB"],
        (
            [point.curve, f"{point.size:,}", number(point.cpu_us), number(point.rss_mib)]
            for point in points
        ),
    )


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; all columns but those of names are of numbers."""
    names = {"program", "what", "what grows", "unit"}
    ruler = ["---" if title in names else "---:" for title in titles]
    return "\n".join(f"| {' | '.join(row)} |" for row in [titles, ruler, *rows])


def shown(spread: Spread | None) -> str:
    """Return ``3.46 (3.31-3.70)``; a single value alone; nothing for ``None``."""
    if spread is None:
        return ""
    if spread.low == spread.high:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)}-{number(spread.high)})"


def number(value: float) -> str:
    """Return a number with three digits that count: 0.123, 1.23, 12.3, 1,234."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    for digits, limit in ((1, 10), (2, 1)):
        if abs(value) >= limit:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"
