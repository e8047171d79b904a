# SPDX-License-Identifier: GPL-2.0-or-later
"""Run all measurements in interleaved rounds, and say how long the rest will take."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from bench.results import Measurement, Results
from bench.trees import Tree


class Setup(Struct, frozen=True):
    """What is there to measure with: compiled programs by name, trees of klogd-py, a directory."""

    programs: Mapping[str, Path]
    trees: Sequence[Tree]
    folder: Path
    quick: bool = False
    # Of the log daemons, those alone
    only: Sequence[str] = ()
    # How long records are written, if not as long as is usual for their rate
    seconds: float | None = None


class Task(Struct, frozen=True):
    """One measurement, made in each round, or ``once``; ``seconds`` is what it may take."""

    name: str
    seconds: float
    measure: Callable[[], Iterable[Measurement]]
    once: bool = False


def run_rounds(
    tasks: Sequence[Task], results: Results, end_of_round: Callable[[], None]
) -> list[str]:
    """Make all measurements, then all again, so that other load affects all of them alike.

    Return a line for each that failed; the others are made nevertheless.
    """
    failures = []
    rounds = [
        [task for task in tasks if number == 0 or not task.once] for number in range(results.rounds)
    ]
    planned_s = sum(task.seconds for chosen in rounds for task in chosen)
    progress = Progress(sys.stderr, planned_s, time.monotonic())
    for number, chosen in enumerate(rounds):
        for place, task in enumerate(chosen):
            where = f"round {number + 1} of {results.rounds}, {place + 1} of {len(chosen)}"
            progress.show(f"{where}: {task.name}")
            try:
                results.add(task.measure())
            except (OSError, subprocess.CalledProcessError) as error:
                failures.append(f"{task.name}: {error}")
            progress.advance(task.seconds)
        end_of_round()
    progress.clear()
    return failures


class Progress:
    """One line on a terminal, which the next one replaces; nothing elsewhere."""

    def __init__(self, stream: TextIO, planned_s: float, started_s: float) -> None:
        self._stream = stream
        self._planned_s = planned_s
        self._done_s = 0.0
        self._started_s = started_s

    def show(self, text: str) -> None:
        """Show what is done now, and the time that is left."""
        if self._stream.isatty():
            left_s = self.left_s(time.monotonic())
            line = f"{text}; {left_s / 60:.0f} min left"[:79]
            print(f"\r\x1b[K{line}", end="", file=self._stream, flush=True)

    def advance(self, planned_s: float) -> None:
        """Count a task as done that was planned to take so long."""
        self._done_s += planned_s

    def left_s(self, now_s: float) -> float:
        """Return the time that is left if the rest is as late as what is done."""
        took_s = now_s - self._started_s
        pace = took_s / self._done_s if self._done_s else 1.0
        return (self._planned_s - self._done_s) * pace

    def clear(self) -> None:
        """Remove the line."""
        if self._stream.isatty():
            print("\r\x1b[K", end="", file=self._stream, flush=True)
