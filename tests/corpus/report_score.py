# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the reports found in a collection of logs with what others expect of them.

For each log with a title (syzkaller): whether a crash is found, whether the first report has that
title, and whether it blames that function; by kind, over logs that are not marked as corrupted.
Then for each other origin: whether a crash is found. A log in which none is expected must have
none. The logs are read as any capture is. The last table says what differs, and why.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from random import Random

from msgspec import Struct

from klogd_py.record.report import Confidence, Report
from klogd_py.reports.describe import describe
from tests.corpus.expectations import Expectation, Log, logs_of
from tests.corpus.mutations import damaged
from tests.corpus.reported import reports_in

# What a system call's wrapper adds to its name, and a compiler to a function's
_AFFIXES = re.compile(
    r"^(?:__(?:x64|ia32|arm64|riscv|s390x?|se|do)_(?:compat_)?sys_|(?:ksys|sys|SyS|compat_sys)_)"
    r"|\.(?:isra|constprop|part|cold|llvm)\b.*$"
)
# Why another report, or none, is right as well; by the end of the path.
EXPLAINED = {
    "abrt/examples/oops7.test": "a driver writes BUG: in the middle of a line",
    "lkml-old/200411-nokallsyms-x86_64.txt": "a stack without a header",
    "lkml-old/2006-fc5-brace-x86_64.txt": "the header is cut off",
    "post/ppc-20200523-49bceafea2.txt": "the header is cut off",
    "lkp-tests/stats/dmesg/74": "the header is cut off",
    "lkp-tests/stats/dmesg/lkp": "a WARNING: of free text, by a process",
    "ksymoops-decoded/mips-0654e1964c34.txt": "what ksymoops made of it, without a header",
    "ksymoops-decoded/mips-5a60b2605602.txt": "what ksymoops made of it, without a header",
    "ksymoops-decoded/mips-bd3cec3ba682.txt": "what ksymoops made of it, without a header",
    "ksymoops-decoded/mips-d52f733dc3a0.txt": "what ksymoops made of it, without a header",
    "linux/report/421": "two processors: the one that has found its own stall is blamed",
    "linux/report/493": "two stacks, line by line, without caller ids: flagged",
    "linux/report/545": "blamed is where the header says that it is",
    "linux/report/597": "blamed is where the header says that it is",
    "linux/report/657": "another oops cuts it before its stack: flagged",
}


class Result(Struct, frozen=True):
    """What was found in a log."""

    expected: Expectation
    reports: tuple[Report, ...]

    @property
    def first(self) -> Report | None:
        """The report of the first crash."""
        return self.reports[0] if self.reports else None

    @property
    def is_flagged(self) -> bool:
        """Whether the first report says that it may be wrong."""
        return self.first is not None and self.first.confidence is Confidence.LOW

    @property
    def has_title(self) -> bool:
        """Whether the first report has an expected title, of whatever copy of a system call."""
        titles = {_plain_title(title) for title in self.expected.titles}
        return self.first is not None and _plain_title(self.first.title) in titles

    @property
    def has_function(self) -> bool:
        """Whether the first report blames an expected function."""
        names = {_plain(name) for name in self.expected.functions}
        if self.first is None:
            return False
        # The two functions of a race are named in the title alone.
        named = self.first.title.rpartition(" in ")[2]
        return _plain(self.first.function) in names or _plain(named) in names

    @property
    def is_right(self) -> bool:
        """Whether title and function are expected ones."""
        return self.has_title and (self.has_function or not self.expected.functions)

    @property
    def kind(self) -> str:
        """The kind of the first report."""
        return self.first.kind if self.first is not None else "not found"


def _plain(function: str) -> str:
    return _AFFIXES.sub("", function)


def _plain_title(title: str) -> str:
    template, _, function = title.replace(" in corrupted", "").rpartition(" in ")
    return f"{template} in {_plain(function)}"


def results_of(logs: Iterable[Log], *, with_headers: bool = False) -> list[Result]:
    """Search the logs for reports; ``with_headers``: expectations are left before the log."""
    return [
        Result(
            log.expected, tuple(map(describe, reports_in(log.raw if with_headers else log.body)))
        )
        for log in logs
    ]


class Score(Struct, frozen=True):
    """The counts of all logs with titles, and of those without a crash."""

    crashes: int
    found: int
    silent: int
    false_alarms: int
    clean: int
    titles: int
    with_function: int
    functions: int
    wrong_and_unflagged: int
    clean_flagged: int
    corrupted: int
    corrupted_flagged: int


def score_of(results: Sequence[Result]) -> Score:
    """Count what was found in logs of syzkaller."""
    titled = [one for one in results if one.expected.titles]
    silent = [one for one in results if not one.expected.is_crash]
    clean = [one for one in titled if not one.expected.is_corrupted]
    corrupted = [one for one in titled if one.expected.is_corrupted]
    named = [one for one in clean if one.expected.functions]
    return Score(
        len(titled),
        sum(bool(one.reports) for one in titled),
        len(silent),
        sum(bool(one.reports) for one in silent),
        len(clean),
        sum(one.has_title for one in clean),
        len(named),
        sum(one.has_function for one in named),
        sum(not one.is_right and not one.is_flagged for one in clean),
        sum(one.is_flagged for one in clean),
        len(corrupted),
        sum(one.is_flagged for one in corrupted),
    )


def table_of(results: Sequence[Result]) -> Iterator[str]:
    """The results by kind, in lines, and the sums."""
    form = "{:<20} {:>5} {:>6} {:>12} {:>6} {:>6} {:>9} {:>7}"
    yield form.format(
        "kind", "logs", "found", "false alarms", "clean", "title", "function", "splits"
    )
    titled = [one for one in results if one.expected.titles]
    alarms = Counter(one.kind for one in results if not one.expected.is_crash and one.reports)
    kinds = Counter(one.kind for one in titled)
    for kind in [*(kind for kind, _ in kinds.most_common()), *sorted(set(alarms) - set(kinds))]:
        of_kind = [one for one in titled if one.kind == kind]
        clean = [one for one in of_kind if not one.expected.is_corrupted]
        named = [one for one in clean if one.expected.functions]
        yield form.format(
            kind,
            len(of_kind),
            sum(bool(one.reports) for one in of_kind),
            alarms[kind],
            len(clean),
            sum(one.has_title for one in clean),
            f"{sum(one.has_function for one in named)}/{len(named)}",
            sum(max(0, len(one.reports) - 1) for one in of_kind),
        )
    score = score_of(results)
    yield ""
    yield _share("crashes found", score.found, score.crashes)
    yield _share("false alarms", score.false_alarms, score.silent)
    yield _share("title equal, clean logs", score.titles, score.clean)
    yield _share("function equal, clean logs", score.functions, score.with_function)
    yield _share("wrong and unflagged", score.wrong_and_unflagged, score.clean)
    yield _share("clean logs flagged", score.clean_flagged, score.clean)
    yield _share("corrupted logs flagged", score.corrupted_flagged, score.corrupted)


def origins_of(results: Sequence[Result]) -> Iterator[str]:
    """The results by origin, in lines, for logs without titles."""
    form = "{:<28} {:>5} {:>6} {:>8} {:>12}"
    yield form.format("origin", "logs", "found", "reports", "false alarms")
    others = [one for one in results if not one.expected.titles]
    for origin in sorted({one.expected.origin for one in others}):
        of_origin = [one for one in others if one.expected.origin == origin]
        crashes = [one for one in of_origin if one.expected.is_crash]
        yield form.format(
            origin,
            len(of_origin),
            f"{sum(bool(one.reports) for one in crashes)}/{len(crashes)}",
            sum(len(one.reports) for one in of_origin),
            sum(bool(one.reports) for one in of_origin if not one.expected.is_crash),
        )


def misses_of(results: Sequence[Result]) -> Iterator[str]:
    """Each log with another result than expected, in lines."""
    for one in results:
        expected, first = one.expected, one.first
        problem = ""
        if not expected.is_crash:
            problem = "false alarm" if first is not None else ""
        elif first is None:
            problem = "not found"
        elif expected.titles and not expected.is_corrupted:
            problem = "" if one.has_title else "title"
            if expected.functions and not one.has_function:
                problem = "function"
            if not problem and one.is_flagged:
                problem = "flagged"
        elif expected.is_corrupted and not one.is_flagged:
            problem = "corrupted, not flagged"
        if expected.count is not None and len(one.reports) != expected.count:
            problem = f"{len(one.reports)} reports for {expected.count}"
        if problem:
            got = "" if first is None else f" | {first.title} | {', '.join(first.doubts)}"
            reason = _reason(expected.path)
            yield f"{problem}: {expected.path} | {expected.title}{got}{reason}"


def errors_in_damaged(logs: Sequence[Log], count: int) -> Iterator[str]:
    """The unexpected errors while so many cut and flipped logs are read, in lines."""
    titled = [log for log in logs if log.expected.titles]
    for at, log in enumerate(islice(cycle(titled), count)):
        try:
            for raw in reports_in(damaged(log.body, Random(at))):
                describe(raw)
        except Exception as error:
            yield f"damaged log {at}: {log.expected.path} | {error!r}"


def _reason(path: str) -> str:
    return next((f" | {why}" for end, why in EXPLAINED.items() if path.endswith(end)), "")


def _share(label: str, count: int, whole: int) -> str:
    return f"{label:<28} {count:>4} of {whole:<4} {100 * count / max(1, whole):6.1f} %"


def main(words: Sequence[str] | None = None) -> int:
    """Compare, and print the tables; status 1 if a crash was not found or a false one was."""
    parser = argparse.ArgumentParser(
        prog="reports-score",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__,
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="logs with their index.json")
    parser.add_argument(
        "--damaged", metavar="N", type=int, default=0, help="read N cut and flipped logs as well"
    )
    parser.add_argument(
        "--with-headers",
        action="store_true",
        help="leave the lines with the expectation before the logs, as they are in the files",
    )
    given = parser.parse_args(words)
    if not (given.folder / "index.json").is_file():
        parser.error(f"{given.folder} has no index.json")
    logs = list(logs_of(given.folder))
    results = results_of(logs, with_headers=given.with_headers)
    print("\n".join([*table_of(results), "", *origins_of(results), "", *misses_of(results)]))
    errors = list(errors_in_damaged(logs, given.damaged))
    if given.damaged:
        print("\n".join(["", *errors]))
        print(_share("damaged logs without error", given.damaged - len(errors), given.damaged))
    score = score_of(results)
    return 1 if errors or score.false_alarms or score.found < score.crashes else 0


if __name__ == "__main__":
    sys.exit(main())
