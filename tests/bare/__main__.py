# SPDX-License-Identifier: GPL-2.0-or-later
"""Take the steps of a new user on bare Debian systems: scripts/bare-systems."""

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.bare import steps
from tests.bare.steps import PROJECT, Step, Visit
from tests.bare.system import CommandFailed, System, clone_here
from tests.vm.lab.roots import BuildFailed

SUITES = ("bookworm", "trixie")


class Outcome(NamedTuple):
    """A step that was taken."""

    passed: bool
    words: str
    seconds: float


def main(words: Sequence[str] | None = None) -> int:
    """Take the steps that the command line names. The status is 1 if one of them failed."""
    options = _options(words)
    print(f"bare-systems: moments of the interruptions: --seed {options.seed}", flush=True)
    suites = options.suite or SUITES
    counted = Counter[bool]()
    # Two visits of one suite would wait for the lock of its downloads
    with ThreadPoolExecutor(len(suites)) as pool:
        visited = [pool.submit(_visit_all, suite, options) for suite in suites]
        try:
            for one in visited:
                counted += one.result()
        except BuildFailed as error:
            print(f"bare-systems: {error}", file=sys.stderr)
            return 1
    print(f"\n{counted[True]} passed, {counted[False]} failed")
    return 1 if counted[False] else 0


def _visit_all(suite: str, options: argparse.Namespace) -> Counter[bool]:
    """Take the steps in each place of a suite; return how many passed and failed."""
    counted = Counter[bool]()
    chance = random.Random(f"{options.seed} {suite}")
    for user, clone in _places(suite, options):
        for step, outcome in _take(suite, user, clone, chance, options):
            counted[outcome.passed] += 1
            minutes, seconds = divmod(round(outcome.seconds), 60)
            state = "ok" if outcome.passed else "FAILED"
            print(
                f"{suite:<8} {clone:<19} {step.title:<23} {state:<6} {minutes}:{seconds:02}  "
                f"{outcome.words}\n",
                end="",
                flush=True,
            )
    return counted


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bare-systems",
        description="Do what README.md says as a new user on bare Debian systems, in chroots. "
        "The clone is that of the last commit. Needs root.",
    )
    parser.add_argument(
        "--short", action="store_true", help="without make test, lintian, and half of the places"
    )
    parser.add_argument("--suite", choices=SUITES, action="append", help="may be repeated")
    places = [clone for _, clone in steps.HOMES]
    parser.add_argument("--place", choices=places, action="append", help="may be repeated")
    parser.add_argument("--step", metavar="TITLE", action="append", help="only steps so titled")
    parser.add_argument(
        "--interruptions", metavar="N", type=int, help="interrupt make run N times; default 6 or 2"
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=time.time_ns() % 100_000, help="of the moments"
    )
    return parser.parse_args(words)


def _places(suite: str, options: argparse.Namespace) -> Sequence[tuple[str, str]]:
    """Return user and clone of each visit; a short run sees each user once."""
    places = steps.HOMES
    if options.short:
        places = places[-1:] if suite == SUITES[0] else places[:1]
    return [place for place in places if options.place is None or place[1] in options.place]


def _take(
    suite: str, user: str, clone: str, chance: random.Random, options: argparse.Namespace
) -> Iterator[tuple[Step, Outcome]]:
    """Take the steps in one new system until one fails, and remove the system."""
    system = System(suite)
    try:
        if user != "root":
            system.need("apt-get update -qq")
            system.add_user()
        copied = clone_here(PROJECT)
        try:
            system.copy_in(copied, clone, user)
        finally:
            shutil.rmtree(copied.parent)
        interruptions = options.interruptions or (2 if options.short else 6)
        visit = Visit(system, user, clone, chance, interruptions)
        for step in steps.SHORT if options.short else steps.FULL:
            if user not in step.users or (options.step and step.title not in options.step):
                continue
            outcome = _attempt(step, visit)
            yield step, outcome
            if not outcome.passed:
                return
    finally:
        system.close()


def _attempt(step: Step, visit: Visit) -> Outcome:
    began = time.monotonic()
    try:
        words, passed = step.take(visit), True
    except CommandFailed as error:
        words, passed = str(error), False
    return Outcome(passed, words, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
