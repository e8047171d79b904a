# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the command line of ``scripts/bench``, and run what it asks for."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from bench import charts, cliffs, growth, idle, kmsg_load, machine, micro, race, report, trees
from bench.cleanup import Cleanup, cleaning_up
from bench.kmsg_readers import disturbances
from bench.log_daemons import Job
from bench.packages import Unavailable
from bench.results import BEFORE, Results, WrongFile, load, save
from bench.schedule import Setup, Task, run_rounds
from bench.state_file import Locked

PARTS = {
    "compare": "log daemons at all rates",
    "load": "escaped records, and busy processors",
    "idle": "log daemons without records, and klogd-py with a sink that is down",
    "cliffs": "translate, lookup and a start with large files",
    "micro": "the stages of the pipeline, and symbols",
    "growth": "the cost by number of sinks, symbols, modules and records; one round",
}
ALL, REPORT = "all", "report"


def main(words: Sequence[str] | None = None) -> int:
    """Run the chosen measurements, and clean up; return the exit status.

    ``words`` are those of the command line, ``None`` for this process's own.
    """
    options = _parse_options(words)
    try:
        if REPORT in options.parts:
            show(load(options.json), options)
            return 0
        with cleaning_up() as cleanup:
            for line in disturbances():
                print(f"bench: disturbed: {line}", file=sys.stderr)
            failures = measure(options, cleanup)
        for line in failures:
            print(f"bench: failed: {line}", file=sys.stderr)
        return 1 if failures else 0
    except (Locked, Unavailable, WrongFile) as error:
        print(f"bench: {error}", file=sys.stderr)
    except OSError as error:
        print(f"bench: {error}\nlook at the disk, and whether root runs it", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        words = " ".join(map(str, error.cmd))
        print(f"bench: status {error.returncode} of: {words}\nrun it by hand", file=sys.stderr)
    return 1


def measure(options: argparse.Namespace, cleanup: Cleanup) -> list[str]:
    """Run the chosen measurements in rounds, print the tables, write the files.

    Return a line for each that failed. Raises Unavailable.
    """
    folder = Path(tempfile.gettempdir())
    setup = Setup(
        programs=kmsg_load.build(folder),
        trees=trees.prepare(folder, options.before),
        folder=folder,
        quick=options.quick,
        only=options.only,
        seconds=options.seconds,
    )
    results = Results(machine.describe(), options.runs)
    tasks = list(_plan(options, setup, cleanup))

    def keep() -> None:
        if options.json:
            save(options.json, results)

    failures = run_rounds(tasks, results, keep)
    show(results, options)
    return failures


def show(results: Results, options: argparse.Namespace) -> None:
    """Print the tables and draw the charts."""
    print(report.markdown(results))
    if options.svg is None:
        return
    options.svg.mkdir(parents=True, exist_ok=True)
    if results.runs:
        (options.svg / "performance.svg").write_text(charts.race_chart(results.runs))
    if results.points:
        (options.svg / "growth.svg").write_text(charts.growth_chart(results.points))
    if any(figure.program == BEFORE for figure in results.figures):
        (options.svg / "changes.svg").write_text(charts.change_chart(results))


def _plan(options: argparse.Namespace, setup: Setup, cleanup: Cleanup) -> Iterator[Task]:
    """Plan the chosen parts; those of whole daemons lift the limit on /dev/kmsg."""
    parts = set(options.parts)
    if ALL in parts:
        parts = set(PARTS) - ({"growth"} if options.quick else set())
    if parts & {"compare", "load", "idle", "growth"}:
        cleanup.lift_limit()
    contenders = race.builds(setup) if parts & {"compare", "load", "idle"} else {}
    if "compare" in parts:
        jobs = [Job(word) for word in options.jobs]
        for job in jobs:
            yield from race.rate_tasks(setup, contenders, job, options.rates)
    if "load" in parts:
        yield from race.escaped_tasks(setup, contenders)
        yield from race.busy_tasks(setup, contenders)
    if "idle" in parts:
        yield from idle.tasks(setup, contenders)
    if "cliffs" in parts:
        yield from cliffs.tasks(setup)
    if "micro" in parts:
        yield from micro.tasks(setup)
    if "growth" in parts:
        yield from growth.tasks(setup, options.soak)


def _parser() -> "_Parser":
    lines = [f"  {name:<8} {text}" for name, text in PARTS.items()]
    parser = _Parser(
        prog="scripts/bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measure the cost of klogd-py on this machine, beside other log daemons.",
        epilog="\n".join(
            ["parts:", *lines, "  report   print the tables of --json again, without measuring"]
        ),
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", default=[ALL], help="what to measure (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round, small files, no growth"
    )
    parser.add_argument("--before", metavar="COMMIT", help="measure that commit as well")
    parser.add_argument("--runs", type=_positive, metavar="N", help="rounds (default 3)")
    parser.add_argument(
        "--rates", type=_parse_rates, metavar="N,N", help="records a second (default 1,...,200000)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="how long records are written (default 1.5 to 10)",
    )
    parser.add_argument(
        "--jobs", type=_parse_jobs, default=["file", "syslog"], metavar="JOBS", help="file,syslog"
    )
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAMES",
        help=",".join(race.NAMES),
    )
    parser.add_argument(
        "--soak", type=_positive, metavar="N", help="records of the last curve (default 10 million)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all measurements in FILE")
    parser.add_argument("--svg", type=Path, metavar="DIR", help="draw the charts into DIR")
    return parser


def _parse_options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(words)
    for part in options.parts:
        if part not in {ALL, REPORT, *PARTS}:
            parser.error(f"no part {part}; choose from {', '.join([ALL, *PARTS, REPORT])}")
    for name in options.only:
        if name not in race.NAMES:
            parser.error(f"no log daemon {name}; choose from {', '.join(race.NAMES)}")
    if REPORT in options.parts and options.json is None:
        parser.error("report needs --json FILE")
    quick_soak = growth.QUICK_SOAK_RECORDS
    options.runs = options.runs or (1 if options.quick else 3)
    options.soak = options.soak or (quick_soak if options.quick else growth.SOAK_RECORDS)
    return options


class _Parser(argparse.ArgumentParser):
    """Answers wrong usage in two lines, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and what to type; end with 2."""
        self.exit(2, f"bench: {message}\nto see what there is, type: {self.prog} --help\n")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return int(text)


def _parse_rates(text: str) -> tuple[int, ...]:
    return tuple(_positive(word) for word in text.split(","))


def _parse_jobs(text: str) -> list[str]:
    known = [job.value for job in Job]
    if unknown := set(text.split(",")) - set(known):
        raise argparse.ArgumentTypeError(f"no job {unknown.pop()!r}; choose from {known}")
    return text.split(",")
