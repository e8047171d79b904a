# SPDX-License-Identifier: GPL-2.0-or-later
"""Wait for reports that are stored from now on."""

import select
from collections.abc import Iterator, Sequence
from pathlib import Path

from klogd_py.cli.output import print_error
from klogd_py.spool.errors import BrokenReport, NoSuchReport, SpoolNotUsable
from klogd_py.spool.issues import ReportSummary
from klogd_py.spool.reader import Spool
from klogd_py.watch.files import CannotWatch, FileWatch


def new_reports(spool: Spool, known: Sequence[ReportSummary]) -> Iterator[ReportSummary]:
    """Yield reports that are not known as they are stored. Ends if the directory goes away.

    A report is yielded again if it has got another title: its end was not seen at first.
    """
    titles = {summary.id: summary.title for summary in known}
    try:
        watch = FileWatch([spool.path], lambda path: path.suffix == ".json" or path == spool.path)
    except CannotWatch as error:
        print_error(f"--follow: {error}")
        return
    try:
        # What was stored before the watch began
        changed: list[Path] | None = None
        while changed is None or spool.path not in changed:
            for summary in _load(spool, changed):
                if titles.get(summary.id) != summary.title:
                    titles[summary.id] = summary.title
                    yield summary
            select.select([watch], [], [])
            changed = watch.changed_files()
        print_error(f"{spool.path} has gone")
    finally:
        watch.close()


def _load(spool: Spool, changed: Sequence[Path] | None) -> Iterator[ReportSummary]:
    """Return the reports in files that have changed; ``None`` may be any."""
    if changed is None:
        try:
            yield from spool.list().summaries
        except SpoolNotUsable as error:
            print_error(str(error))
        return
    for path in changed:
        try:
            yield spool.load_summary(path.stem)
        # The counts of the issues, or a report that was removed
        except (BrokenReport, NoSuchReport):
            continue
