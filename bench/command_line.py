# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the command line of ``scripts/bench``, and run what it asks for."""

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec

from bench import kmsg_load, log_daemons, report, stages, symbols
from bench.cleanup import Cleanup, cleaning_up
from bench.comparison import Run, run
from bench.growth import SOAK_RECORDS, curves
from bench.kmsg_readers import disturbances
from bench.log_daemons import Build, Job
from bench.packages import Unavailable
from bench.state_file import Locked

RATES = (10_000, 20_000, 50_000, 100_000, 200_000, 400_000)
MAX_RECORDS = 400_000
_PARTS_HELP = (
    "micro: the stages of the pipeline; compare: beside other log daemons; all: both; "
    "growth: the cost by number of sinks, symbols, modules and records"
)


def main() -> int:
    """Run the chosen measurements, and clean up; return the exit status."""
    options = _parse_options()
    try:
        with cleaning_up() as cleanup:
            for line in disturbances():
                print(f"bench: disturbed: {line}", file=sys.stderr)
            return measure(options, cleanup)
    except Locked as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def measure(options: argparse.Namespace, cleanup: Cleanup) -> int:
    """Run the chosen measurements, print the tables, write the JSON and SVG files."""
    if options.parts in ("all", "micro"):
        with tempfile.TemporaryDirectory() as name:
            for figure in [*stages.figures(), *symbols.figures(Path(name), quick=options.quick)]:
                print(f"{figure.name:<64} {figure.value:>14,.3f} {figure.unit}")
    if options.parts in ("all", "compare"):
        try:
            runs = run_all(options, cleanup)
        except Unavailable as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        lines = report.summary(runs)
        print(f"\n{report.describe_machine()}\n\n{report.table(lines)}")
        if options.json:
            options.json.write_bytes(
                msgspec.json.format(
                    msgspec.json.encode({"machine": report.describe_machine(), "runs": runs})
                )
            )
        if options.svg:
            options.svg.write_text(report.chart(lines))
    if options.parts == "growth":
        return measure_growth(options, cleanup)
    return 0


def measure_growth(options: argparse.Namespace, cleanup: Cleanup) -> int:
    """Measure how the cost of klogd-py grows; return the exit status."""
    try:
        with tempfile.TemporaryDirectory() as name:
            cleanup.lift_limit()
            measured = curves(kmsg_load.build(Path(name))["writer"], options.soak)
    except Unavailable as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\n{report.describe_machine()}\n\n{report.curves_table(measured)}")
    if options.svg:
        options.svg.write_text(report.curves_chart(measured))
    return 0


def run_all(options: argparse.Namespace, cleanup: Cleanup) -> list[Run]:
    """Run all log daemons at all rates, alternating, so that other load affects all of them alike.

    Raises Unavailable.
    """
    runs = []
    with tempfile.TemporaryDirectory() as name:
        cleanup.lift_limit()
        programs = kmsg_load.build(Path(name))
        builds: dict[str, Build] = {
            "klogd-py": log_daemons.klogd_py,
            "rsyslog": log_daemons.rsyslog,
            "syslog-ng": log_daemons.syslog_ng,
            "busybox": log_daemons.busybox,
            "c": log_daemons.c_reader(programs["reader"]),
        }
        chosen = {
            key: build for key, build in builds.items() if not options.only or key in options.only
        }
        for job in (Job(word) for word in options.jobs):
            available = [build for build in chosen.values() if _is_available(build, job)]
            for _ in range(options.runs):
                for rate in options.rates:
                    seconds = min(options.seconds, MAX_RECORDS / rate)
                    runs += [run(build, programs, job, rate, seconds) for build in available]
    return runs


def _is_available(build: Build, job: Job) -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            build(job, Path(name) / "target", Path(name))
        except Unavailable as error:
            print(f"bench: left out: {error}", file=sys.stderr)
            return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the cost of klogd-py on this machine, beside other log daemons.",
    )
    parser.add_argument(
        "parts",
        nargs="?",
        choices=("all", "micro", "compare", "growth"),
        default="all",
        help=_PARTS_HELP,
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one short run at low rates, without the map of ten million lines",
    )
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        help="runs per rate, of which the median is printed (default 5)",
    )
    parser.add_argument(
        "--rates",
        type=_parse_rates,
        metavar="N,N",
        help="records per second (default 10000,...,400000)",
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="seconds of writing per run (default 3)"
    )
    parser.add_argument(
        "--jobs", type=lambda text: text.split(","), default=["file", "syslog"], help="file,syslog"
    )
    parser.add_argument(
        "--only", type=lambda text: text.split(","), help="klogd-py,rsyslog,syslog-ng,busybox,c"
    )
    parser.add_argument(
        "--soak",
        type=int,
        metavar="N",
        default=SOAK_RECORDS,
        help="records of the last curve (default 50 million)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs to FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the chart to FILE")
    return parser


def _parse_options() -> argparse.Namespace:
    options = _parser().parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    options.rates = options.rates or ((10_000, 20_000) if options.quick else RATES)
    options.seconds = options.seconds or (1.5 if options.quick else 3.0)
    return options


def _parse_rates(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))
