# SPDX-License-Identifier: GPL-2.0-or-later
"""The values that the bench measures, and the file that holds them all."""

import statistics
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

BEFORE = "klogd-py (before)"
NOW = "klogd-py"


class Run(Struct, frozen=True):
    """One program while records are written.

    ``rate`` is records per second, ``cpu_us`` the user and system time for each record that
    arrived; it and the latencies are ``None`` if none did. ``first_s`` is the time from the start
    of the program to the first record in its file, ``None`` if it skips older records.
    """

    program: str
    job: str
    load: str
    rate: int
    records: int
    arrived: int
    cpu_us: float | None
    rss_mib: float
    first_s: float | None
    latency_us: float | None
    latency_99_us: float | None

    @property
    def lost_percent(self) -> float:
        """The share of the records that did not arrive."""
        return 100 * (self.records - self.arrived) / self.records


class Idle(Struct, frozen=True):
    """One program while the bench writes no records; ``records`` are those of others."""

    program: str
    cpu_ms_per_minute: float
    wakeups_per_minute: float
    threads: int
    rss_mib: float
    records: int = 0


class Figure(Struct, frozen=True):
    """One measurement of one tree of klogd-py."""

    part: str
    name: str
    value: float
    unit: str
    program: str = NOW


class Point(Struct, frozen=True):
    """The cost at one size of one thing: microseconds of CPU for each record written, memory."""

    curve: str
    size: int
    cpu_us: float
    rss_mib: float


Measurement = Run | Idle | Figure | Point


class Results(Struct):
    """All measurements, in the order in which they were made."""

    machine: list[str]
    rounds: int
    runs: list[Run] = []
    idle: list[Idle] = []
    figures: list[Figure] = []
    points: list[Point] = []

    def add(self, measured: Iterable[Measurement]) -> None:
        """Add measurements, each to those of its kind."""
        for value in measured:
            match value:
                case Run():
                    self.runs.append(value)
                case Idle():
                    self.idle.append(value)
                case Figure():
                    self.figures.append(value)
                case Point():
                    self.points.append(value)


class Spread(Struct, frozen=True):
    """The median of some rounds, with the smallest and the largest value."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float | None]) -> "Spread | None":
        """Return the spread of those values that are there; ``None`` if none is."""
        known = [value for value in values if value is not None]
        return Spread(statistics.median(known), min(known), max(known)) if known else None


class WrongFile(Exception):
    """A file does not hold results; the message says what is wrong and what to do."""


def load(path: Path) -> Results:
    """Read a file of `save`; raises WrongFile."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.MsgspecError) as error:
        raise WrongFile(f"{path}: {error}\nmake such a file with: scripts/bench --json FILE") from (
            error
        )


def save(path: Path, results: Results) -> None:
    """Write all measurements to a file."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
