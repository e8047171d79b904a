# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py doctor``: check this machine and print what is wrong with it."""

import sys

from klogd_py.cli.output import print_json
from klogd_py.config.run_options import RunOptions
from klogd_py.doctor import runner
from klogd_py.system.terminal import is_coloured


def doctor(options: RunOptions, *, as_json: bool) -> int:
    """Run all checks and print their findings.

    Returns the exit status: 1 if one of them is an error.
    """
    findings = runner.run_checks(options)
    if as_json:
        print_json(findings)
    else:
        print(runner.format_report(findings, is_coloured(sys.stdout)), end="")
    return 0 if runner.has_no_errors(findings) else 1
