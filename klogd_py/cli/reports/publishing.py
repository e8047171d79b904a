# SPDX-License-Identifier: GPL-2.0-or-later
"""Leave out of reports what ``--public`` and ``--no-hardware`` ask for."""

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.usage_error import UsageError
from klogd_py.record.report import Report
from klogd_py.reports.public.public import make_public, without_hardware


def check_publishing(line: CommandLine) -> None:
    """Raise `UsageError` for ``--no-hardware`` alone: it would leave in all the rest."""
    if line.has("no_hardware") and not line.has("public"):
        raise UsageError("--no-hardware needs --public", f"{line.program}: add --public")


def published(line: CommandLine, report: Report) -> Report:
    """Return the report as the options of the command line want it."""
    if not line.has("public"):
        return report
    public = make_public(report)
    return without_hardware(public) if line.has("no_hardware") else public
