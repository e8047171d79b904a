# SPDX-License-Identifier: GPL-2.0-or-later
"""Look for bytes that a parser cannot take, guided by which of its branches they reach (atheris,
libFuzzer).

Each target runs in a process of its own, from seeds that are made on the spot. What it stumbles
over is kept in DIR, with the exception in TARGET.log; run the target with that file's path to see
it again.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tests.fuzz.targets import TARGETS

_PROJECT = Path(__file__).parents[2]
_GRACE_S = (
    # Beyond the time that was asked for: to start, and to read the inputs of earlier runs
    60
)
_RUNS = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_COVERED = re.compile(r"\bcov: (\d+)")


class Outcome(Struct, frozen=True):
    """The result of one target."""

    target: str
    runs: int
    covered: int
    fault: str = ""


def fuzz(name: str, seconds: int, folder: Path, repeat: Path | None = None) -> Outcome:
    """Run one target; ``repeat`` is an input to run alone."""
    folder = folder.absolute()
    inputs = folder / name
    inputs.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[name].seeds):
        (inputs / f"seed-{number}").write_bytes(seed)
    options = [
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
        "-timeout=10",
        "-rss_limit_mb=2048",
    ]
    options += (
        [str(repeat.absolute())]
        if repeat is not None
        else [f"-max_total_time={seconds}", "-max_len=4096", str(inputs)]
    )
    command = [sys.executable, "-m", "tests.fuzz.guided", name, *options]
    done = subprocess.run(
        command, capture_output=True, timeout=seconds + _GRACE_S, check=False, cwd=_PROJECT
    )
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    (folder / f"{name}.log").write_text(output)
    runs, covered = _RUNS.findall(output), _COVERED.findall(output)
    return Outcome(
        name,
        int((runs or [0])[-1]),
        int((covered or [0])[-1]),
        _fault(output) if done.returncode else "",
    )


def _fault(output: str) -> str:
    """The exception in a line, from what libFuzzer printed."""
    lines = [line.strip() for line in output.splitlines()]
    named = [
        line
        for line in lines
        if re.match(
            r"(?:[A-Za-z_.]+(?:Error|Exception|Record|Elf|Kallsyms|Map)\b|==\d+==|ALARM)", line
        )
    ]
    return (named or lines[-1:] or ["it ended without a word"])[0]


def main(words: Sequence[str] | None = None) -> int:
    """Run some targets or all; status 1 if one of them failed, 3 if atheris is not installed."""
    parser = argparse.ArgumentParser(
        prog="fuzz", formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__
    )
    parser.add_argument(
        "targets", metavar="TARGET", nargs="*", help=f"all, or of: {', '.join(TARGETS)}"
    )
    parser.add_argument("--seconds", type=int, default=10, help="for each target (10)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="where inputs are, and stay for the next run"
    )
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="run one target with this input alone"
    )
    options = parser.parse_args(words)
    unknown = sorted(set(options.targets) - set(TARGETS))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    if importlib.util.find_spec("atheris") is None:
        print(
            "fuzz: the Python package atheris is not installed; "
            "there is none for this machine or this Python",
            file=sys.stderr,
        )
        return 3
    folder = options.keep or Path(tempfile.mkdtemp(prefix="klogd-py-fuzz-"))
    print(f"{'target':<12} {'inputs':>9} {'branches':>9}  inputs are kept in {folder}", flush=True)
    outcomes = []
    for name in options.targets or TARGETS:
        outcome = fuzz(name, options.seconds, folder, options.again)
        print(
            f"{outcome.target:<12} {outcome.runs:>9} {outcome.covered:>9}  {outcome.fault or 'ok'}",
            flush=True,
        )
        outcomes.append(outcome)
    return 1 if any(outcome.fault for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
