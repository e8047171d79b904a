# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m bench``: the command line of ``scripts/bench``."""

import argparse
import sys
import tempfile
from pathlib import Path

import msgspec

from bench import contenders, kmsg_load, report, stages, symbols
from bench.contenders import Build, Job
from bench.growth import SOAK_RECORDS, curves
from bench.packages import NotToBeHad
from bench.race import Run, run

RATES = (10_000, 20_000, 50_000, 100_000, 200_000, 400_000)
MAX_RECORDS = 400_000
_PARTS = "the stages, the race, or both; or what it costs as sinks, symbols, modules and time grow"


def main() -> int:
    """Measure what is asked for, print the tables, write what is to be kept."""
    options = _options()
    if options.parts in ("all", "micro"):
        with tempfile.TemporaryDirectory() as name:
            for figure in [*stages.figures(), *symbols.figures(Path(name), quick=options.quick)]:
                print(f"{figure.name:<64} {figure.value:>14,.3f} {figure.unit}")
    if options.parts in ("all", "race"):
        try:
            runs = race(options)
        except NotToBeHad as error:
            print(f"bench: no race: missing {error}", file=sys.stderr)
            return 1
        lines = report.summary(runs)
        print(f"\n{report.machine()}\n\n{report.table(lines)}")
        if options.json:
            options.json.write_bytes(
                msgspec.json.format(
                    msgspec.json.encode({"machine": report.machine(), "runs": runs})
                )
            )
        if options.svg:
            options.svg.write_text(report.chart(lines))
    if options.parts == "growth":
        return growth(options)
    return 0


def growth(options: argparse.Namespace) -> int:
    """What klogd-py costs as things grow."""
    try:
        with tempfile.TemporaryDirectory() as name, kmsg_load.unlimited():
            grown = curves(kmsg_load.build(Path(name))["writer"], options.soak)
    except NotToBeHad as error:
        print(f"bench: missing {error}", file=sys.stderr)
        return 1
    print(f"\n{report.machine()}\n\n{report.curves_table(grown)}")
    if options.svg:
        options.svg.write_text(report.curves_chart(grown))
    return 0


def race(options: argparse.Namespace) -> list[Run]:
    """All contenders at all rates, one after the other and then again, so that what the machine
    does meanwhile hits all.
    """
    runs = []
    with tempfile.TemporaryDirectory() as name, kmsg_load.unlimited():
        programs = kmsg_load.build(Path(name))
        builds: dict[str, Build] = {
            "klogd-py": contenders.klogd_py,
            "rsyslog": contenders.rsyslog,
            "syslog-ng": contenders.syslog_ng,
            "busybox": contenders.busybox,
            "c": contenders.floor(programs["reader"]),
        }
        chosen = {
            key: build for key, build in builds.items() if not options.only or key in options.only
        }
        for job in (Job(word) for word in options.jobs):
            able = [build for build in chosen.values() if _is_able(build, job)]
            for _ in range(options.runs):
                for rate in options.rates:
                    seconds = min(options.seconds, MAX_RECORDS / rate)
                    runs += [run(build, programs, job, rate, seconds) for build in able]
    return runs


def _is_able(build: Build, job: Job) -> bool:
    with tempfile.TemporaryDirectory() as name:
        try:
            build(job, Path(name) / "target", Path(name))
        except NotToBeHad as error:
            print(f"bench: without {error}", file=sys.stderr)
            return False
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Print what klogd-py costs on this machine, beside others.",
    )
    parser.add_argument(
        "parts", nargs="?", choices=("all", "micro", "race", "growth"), default="all", help=_PARTS
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one short run at low rates, no map of ten million lines",
    )
    parser.add_argument(
        "--runs", type=int, metavar="N", help="runs of each, of which the median counts (5)"
    )
    parser.add_argument(
        "--rates", type=_rates, metavar="N,N", help="records a second (10000,...,400000)"
    )
    parser.add_argument("--seconds", type=float, metavar="S", help="how long to write for (3)")
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
        help="records for the last curve (50 million)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all runs here")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the chart here")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 5)
    options.rates = options.rates or ((10_000, 20_000) if options.quick else RATES)
    options.seconds = options.seconds or (1.5 if options.quick else 3.0)
    return options


def _rates(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
