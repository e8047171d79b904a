# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw measurements as SVG: medians as lines, the smallest and the largest value as whiskers."""

import math
from collections.abc import Callable, Mapping, Sequence
from xml.sax.saxutils import escape

from msgspec import Struct

from bench.report import Line, number, summary
from bench.results import BEFORE, NOW, Figure, Point, Results, Run, Spread

_COLOURS = {
    NOW: "#0b62a4",
    BEFORE: "#8fbce6",
    "rsyslog imkmsg": "#c0392b",
    "rsyslog imklog": "#e59a90",
    "BusyBox": "#7a5195",
    "syslog-ng": "#d98200",
}
_OTHERS_COLOUR = "#5c6b73"
_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW = 340, 220, 60, 40, 80
_PER_ROW = 2
_KEYS_PER_ROW = 3
_BAR_HEIGHT, _BAR_LEFT = 22, 520
# Fewer rates are no curve
_MIN_RATES = 3


class Panel(Struct, frozen=True):
    """One chart.

    ``ticks`` label the x axis and may have two lines. ``series`` holds the points of each name: the
    index of a tick, and a value. A logarithmic axis leaves out what is not above zero.
    """

    title: str
    ticks: list[str]
    series: Mapping[str, list[tuple[int, Spread]]]
    logarithmic: bool = False


# What a panel shows of a line: its title, the value, and whether the axis is logarithmic
_Value = Callable[[Line], Spread | None]
_RACE: list[tuple[str, _Value, bool]] = [
    ("CPU per delivered record (us)", lambda line: line.cpu_us, True),
    ("lost records (%)", lambda line: line.lost_percent, False),
    ("median latency (us)", lambda line: line.latency_us, True),
    ("99th percentile of latency (us)", lambda line: line.latency_99_us, True),
]


def race_chart(runs: Sequence[Run]) -> str:
    """Return CPU, loss and latency over the rate, in panels for each job and load.

    Jobs and loads with fewer than `_MIN_RATES` rates are in the tables only.
    """
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in summary(runs):
        groups.setdefault((line.job, line.load), []).append(line)
    return _svg(
        [
            _panel(f"{job}, {load}: {title}", lines, value, logarithmic)
            for (job, load), lines in groups.items()
            if len({line.rate for line in lines}) >= _MIN_RATES
            for title, value, logarithmic in _RACE
        ]
    )


def _panel(title: str, lines: Sequence[Line], value: _Value, logarithmic: bool) -> Panel:
    rates = sorted({line.rate for line in lines})
    series: dict[str, list[tuple[int, Spread]]] = {}
    for line in sorted(lines, key=lambda line: line.rate):
        found = value(line)
        if found is not None and (found.low > 0 or not logarithmic):
            series.setdefault(line.program, []).append((rates.index(line.rate), found))
    return Panel(title, [f"{short(rate)}/s" for rate in rates], series, logarithmic)


def growth_chart(points: Sequence[Point]) -> str:
    """Return the growth curves: CPU per record over size, with the memory below."""
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.curve, []).append(point)
    return _svg(
        [
            Panel(
                f"{name}: CPU per record (us), MiB",
                [f"{short(point.size)}\n{point.rss_mib:.0f} MiB" for point in curve],
                {
                    NOW: [
                        (place, Spread(point.cpu_us, point.cpu_us, point.cpu_us))
                        for place, point in enumerate(curve)
                    ]
                },
            )
            for name, curve in curves.items()
        ]
    )


def change_chart(results: Results) -> str:
    """Return a bar for each figure: its cost now in percent of that of the other commit.

    A whisker goes from the smallest value now over the largest one before to the opposite.
    """
    changes = list(_changes(results).items())
    height = _TOP + _BAR_HEIGHT * len(changes) + 20
    width = _BAR_LEFT + _WIDTH + 100
    parts = [*_head(width, height), _text(10, 24, "Cost now, in percent of before", bold=True)]
    longest = max([100.0, *(share.high for _, share in changes)])
    for row, (name, share) in enumerate(changes):
        top = _TOP + _BAR_HEIGHT * row
        length, low, high = (
            _WIDTH * value / longest for value in (share.median, share.low, share.high)
        )
        parts.append(_text(_BAR_LEFT - 8, top + 13, name, anchor="end"))
        parts.append(
            f'<rect x="{_BAR_LEFT}" y="{top + 2}" width="{length:.1f}" height="{_BAR_HEIGHT - 6}"'
            f' fill="{_COLOURS[NOW]}"/>'
        )
        if share.low < share.high:
            middle = top + _BAR_HEIGHT / 2 - 1
            parts.append(
                f'<path d="M{_BAR_LEFT + low:.1f} {middle}H{_BAR_LEFT + high:.1f}" stroke="black"/>'
            )
        parts.append(_text(_BAR_LEFT + high + 6, top + 13, f"{number(share.median)} %"))
    whole = _BAR_LEFT + _WIDTH * 100 / longest
    parts.append(f'<path d="M{whole:.0f} {_TOP}V{height - 20}" stroke="#888"/>')
    return "\n".join([*parts, "</svg>", ""])


def _changes(results: Results) -> dict[str, Spread]:
    """Return the cost now in percent of before, for whatever was measured of both."""
    costs: dict[tuple[str, str], list[float | None]] = {}
    for figure in results.figures:
        costs.setdefault((f"{figure.part}: {figure.name}", figure.program), []).append(
            _cost(figure)
        )
    for run in results.runs:
        name = f"{run.job}, {run.load}, {short(run.rate)}/s: CPU"
        costs.setdefault((name, run.program), []).append(run.cpu_us)
    for idle in results.idle:
        base, _, kind = idle.program.partition(", ")
        name = f"idle{kind and f', {kind}'}"
        costs.setdefault((f"{name}: CPU", base), []).append(idle.cpu_ms_per_minute)
        costs.setdefault((f"{name}: wake-ups", base), []).append(idle.wakeups_per_minute)
        costs.setdefault((f"{name}: threads", base), []).append(idle.threads)
    changes = {}
    for name in dict.fromkeys(name for name, _ in costs):
        now = Spread.of(costs.get((name, NOW), []))
        before = Spread.of(costs.get((name, BEFORE), []))
        if now is not None and before is not None and before.median > 0:
            changes[name] = Spread(
                100 * now.median / before.median,
                100 * now.low / before.high,
                100 * now.high / before.low if before.low > 0 else 100 * now.high / before.median,
            )
    return changes


def _cost(figure: Figure) -> float:
    """Return a figure, turned round if more of it is better."""
    return 1 / figure.value if figure.unit.endswith("/s") else figure.value


def short(size: int) -> str:
    """Return a round number in thousands or millions: ``50k``."""
    for unit, word in ((1_000_000, "M"), (1000, "k")):
        if size >= unit:
            return f"{size // unit}{word}"
    return str(size)


def _svg(panels: Sequence[Panel]) -> str:
    width, height = _PER_ROW * (_WIDTH + 2 * _LEFT), _HEIGHT + _TOP + _BELOW
    rows = -(-len(panels) // _PER_ROW)
    parts = _head(width, rows * height)
    for place, panel in enumerate(panels):
        left = place % _PER_ROW * (_WIDTH + 2 * _LEFT) + _LEFT
        parts += _panel_elements(panel, left, place // _PER_ROW * height + _TOP)
    return "\n".join([*parts, "</svg>", ""])


def _head(width: int, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]


def _panel_elements(panel: Panel, left: int, top: int) -> list[str]:
    axis = Axis.over(panel)
    bottom = top + _HEIGHT

    def x(place: int) -> float:
        return left + _WIDTH * (place + 0.5) / len(panel.ticks)

    def y(value: float) -> float:
        return bottom - _HEIGHT * axis.place(value)

    parts = [_text(left, top - 20, panel.title, bold=True)]
    parts.append(f'<path d="M{left} {top}V{bottom}H{left + _WIDTH}" fill="none" stroke="#888"/>')
    for value in axis.ticks():
        parts.append(_text(left - 6, y(value) + 4, number(value), anchor="end"))
    size = 12 if len(panel.ticks) < 7 else 9
    for place, tick in enumerate(panel.ticks):
        for row, line in enumerate(tick.split("\n")):
            parts.append(_text(x(place), bottom + 15 + 13 * row, line, anchor="middle", size=size))
    for place, (name, points) in enumerate(panel.series.items()):
        colour = _COLOURS.get(name, _OTHERS_COLOUR)
        parts += _curve(
            [
                (x(tick), Spread(y(value.median), y(value.low), y(value.high)))
                for tick, value in points
            ],
            colour,
        )
        key_x = left + place % _KEYS_PER_ROW * 125
        key_y = bottom + 44 + 15 * (place // _KEYS_PER_ROW)
        parts.append(_text(key_x, key_y, name, colour=colour))
    return parts


def _curve(points: Sequence[tuple[float, Spread]], colour: str) -> list[str]:
    """Draw a line through points of x and the y of median, smallest and largest value."""
    path = " ".join(f"{x:.1f},{y.median:.1f}" for x, y in points)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for x, y in points:
        parts.append(f'<circle cx="{x:.1f}" cy="{y.median:.1f}" r="3" fill="{colour}"/>')
        if abs(y.low - y.high) >= 1:
            parts.append(f'<path d="M{x:.1f} {y.low:.1f}V{y.high:.1f}" stroke="{colour}"/>')
    return parts


class Axis(Struct, frozen=True):
    """A vertical axis from ``low`` at 0 to ``high`` at 1."""

    low: float
    high: float
    logarithmic: bool

    @staticmethod
    def over(panel: Panel) -> "Axis":
        """Return an axis for all values of a panel."""
        spreads = [value for points in panel.series.values() for _, value in points]
        high = max((spread.high for spread in spreads), default=1.0) or 1.0
        low = min((spread.low for spread in spreads), default=1.0)
        if not panel.logarithmic:
            return Axis(0.0, high * 1.1, logarithmic=False)
        return Axis(10 ** math.floor(math.log10(low)), high * 1.3, logarithmic=True)

    def place(self, value: float) -> float:
        """Return where a value is."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return the values that are labelled."""
        if not self.logarithmic:
            return [self.high * step / 4 for step in range(5)]
        decades = range(round(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if len(decades) < 3 else (1,)
        values = [step * 10.0**decade for decade in decades for step in steps]
        return [value for value in values if value <= self.high]


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    colour: str = "black",
    size: int = 12,
    bold: bool = False,
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}"'
        f' font-size="{size}"{weight}>{escape(text)}</text>'
    )
