# SPDX-License-Identifier: GPL-2.0-or-later
"""List, find, load and forget reports in the spool.

Whoever may read the directory can do this, also while the daemon writes, and without one. A file
that is broken is named and skipped.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from klogd_py.record.report import Report
from klogd_py.reports.document import NotReport, decode
from klogd_py.reports.report_time import find_wrong_time
from klogd_py.spool.errors import AmbiguousName, BrokenReport, NoSuchReport, SpoolNotUsable
from klogd_py.spool.issues import (
    LIMIT_BYTES,
    IssueCounts,
    IssueTable,
    NotIssues,
    ReportSummary,
    parse,
)
from klogd_py.spool.report_directory import ISSUES, ReportDirectory, is_id
from klogd_py.system.errors import describe_expected

DEFAULT_PATH = Path("/var/lib/klogd-py/reports")
LAST = "last"
NO_REPORTS = "no crash has been reported"
# That a message about an ambiguous name lists
MAX_LISTED = 5
Found = TypeVar("Found", Report, ReportSummary)

_SUMMARY = msgspec.json.Decoder(ReportSummary)


class BrokenFile(Struct, frozen=True):
    """A file that is no report, or cannot be read, and why.

    ``is_denied``: the caller may not read it.
    """

    name: str
    reason: str
    is_denied: bool = False


class Listing(Struct, frozen=True):
    """All reports of the spool, the oldest first, and the files that are none."""

    summaries: tuple[ReportSummary, ...]
    broken: tuple[BrokenFile, ...] = ()


class Spool:
    """The reports in a directory. Immutable; every method may block."""

    def __init__(self, path: Path = DEFAULT_PATH) -> None:
        self.path = path
        self._directory = ReportDirectory(path)

    def list(self) -> Listing:
        """Return the head of every report.

        Raises:
            SpoolNotUsable: the directory is missing, or it or all of its reports may not be read.
        """
        summaries, broken = [], []
        denied: BrokenReport | None = None
        try:
            files = self._directory.files()
            broken += [BrokenFile(name, "not a report") for name in self._directory.foreign_names()]
        except OSError as error:
            raise SpoolNotUsable(describe_expected(error)) from error
        for file in files:
            try:
                summaries.append(self.load_summary(file.id))
            except BrokenReport as error:
                is_denied = isinstance(error.__cause__, PermissionError)
                broken.append(BrokenFile(f"{file.id}.json", str(error), is_denied))
                denied = error if is_denied else denied
            except NoSuchReport:
                # Removed meanwhile
                continue
        if denied is not None and not summaries:
            raise SpoolNotUsable(str(denied)) from denied.__cause__
        summaries.sort(key=lambda report: (report.first_seen, report.id))
        return Listing(tuple(summaries), tuple(broken))

    def load(self, report_id: str) -> Report:
        """Return a report by its whole id.

        Raises:
            NoSuchReport: there is none, or not any more.
            BrokenReport: its file is not a report, or cannot be read.
        """
        raw = self._read(report_id)
        try:
            report = decode(raw)
        except NotReport as error:
            raise BrokenReport(f"not a report: {error}") from error
        return _checked(report, report_id)

    def load_summary(self, report_id: str) -> ReportSummary:
        """Return the head of a report; raises as `load` does."""
        raw = self._read(report_id)
        try:
            report = _SUMMARY.decode(raw)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise BrokenReport(f"not a report: {error}") from error
        return _checked(report, report_id)

    def find(self, name: str) -> str:
        """Return the id of the report that is meant by a name.

        ``last``, an id or its beginning, the id of a public report, or the fingerprint of an issue
        or its beginning, which means the newest report of that issue.

        Raises:
            NoSuchReport: none has such a name.
            AmbiguousName: several ids, or several issues, begin with it.
            SpoolNotUsable: the directory is missing or may not be read.
        """
        summaries = self.list().summaries
        if name == LAST:
            if not summaries:
                raise NoSuchReport(NO_REPORTS)
            return max(summaries, key=lambda report: (report.last_seen, report.id)).id
        ids = [report.id for report in summaries if _is_named(report.id, name)]
        if name in ids:
            return name
        issues = {
            report.fingerprint.issue: report.id
            for report in summaries
            if name
            and (
                report.fingerprint.issue.startswith(name)
                or report.fingerprint.issue.partition(":")[2].startswith(name)
            )
        }
        found = ids or list(issues.values())
        if not found:
            raise NoSuchReport(f"no report has the name {name!r}")
        if len(found) > 1:
            more = "" if len(found) <= MAX_LISTED else f" and {len(found) - MAX_LISTED} more"
            listed = ", ".join((ids or list(issues))[:MAX_LISTED])
            several = "reports" if ids else "issues"
            raise AmbiguousName(f"several {several} begin with {name!r}: {listed}{more}")
        return found[0]

    def find_all(self, name: str) -> Sequence[str]:
        """Return the id of the report that is meant by a name, or all ids of the issue.

        Raises what `find` does.
        """
        found = self.find(name)
        if name == LAST or _is_named(found, name):
            return [found]
        summaries = self.list().summaries
        issue = next((one.fingerprint.issue for one in summaries if one.id == found), None)
        return [one.id for one in summaries if one.fingerprint.issue == issue]

    def issues(self) -> IssueCounts:
        """Return the counts of the issues; empty if there are none yet, or they are broken."""
        try:
            return parse(self._directory.read(ISSUES, LIMIT_BYTES))
        except (OSError, NotIssues):
            return IssueCounts()

    def forget(self, ids: Collection[str]) -> int:
        """Remove reports, and their issues once none is left; returns how many there were.

        Raises:
            SpoolNotUsable: the directory may not be written, or another process uses it.
        """
        wanted = frozenset(filter(is_id, ids))
        try:
            with self._directory.locked():
                known = {file.id for file in self._directory.files()}
                for report_id in sorted(wanted & known):
                    self._directory.remove_report(report_id)
                counts = self.issues()
                table = IssueTable(counts, counts.boot_id)
                table.remove(wanted, forget=True)
                if counts != IssueCounts():
                    self._directory.write(ISSUES, msgspec.json.encode(table.counts()))
        except OSError as error:
            raise SpoolNotUsable(describe_expected(error)) from error
        return len(wanted & known)

    def forget_before(self, moment: datetime) -> int:
        """Remove all reports that were last seen before a time; raises as `forget` does."""
        limit = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        summaries = self.list().summaries
        return self.forget(
            [one.id for one in summaries if (one.last_seen or one.first_seen) < limit]
        )

    def _read(self, report_id: str) -> bytes:
        if not is_id(report_id):
            raise NoSuchReport(f"no report has the name {report_id!r}")
        try:
            return self._directory.read_report(report_id)
        except FileNotFoundError as error:
            raise NoSuchReport(f"no report has the name {report_id!r}") from error
        except OSError as error:
            raise BrokenReport(error.strerror or str(error)) from error


def _checked(report: Found, report_id: str) -> Found:
    if report.id != report_id:
        raise BrokenReport(f"holds the report {report.id[:64]!r}")
    wrong = find_wrong_time(report.first_seen, report.last_seen)
    if wrong is not None:
        raise BrokenReport(f"not a report: {wrong[:64]!r} is not a time")
    return report


def _is_named(report_id: str, name: str) -> bool:
    """Whether a name is an id, its beginning, or what a public report shows of it."""
    if not name:
        return False
    return report_id.startswith(name) or report_id.partition("-")[2] == name
