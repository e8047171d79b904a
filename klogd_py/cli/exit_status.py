# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit statuses of ``klogd-py`` and ``klogd``, and what is printed about wrong input.

Source: sysexits.h for `NO_LOG` (EX_UNAVAILABLE) and `BAD_CONFIG` (EX_CONFIG).
"""

import sys

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.usage_error import UsageError
from klogd_py.config.errors import BadOptions, ConfigError

FAILED = 1
WRONG_USAGE = 2
NO_LOG = 69
BAD_CONFIG = 78
# 128 and the number of SIGINT, as shells have it
INTERRUPTED = 130


def report_wrong_usage(program: str, error: UsageError) -> int:
    """Print what is wrong with the command line and, in a second line, what to type.

    Returns the exit status.
    """
    print(
        f"{program}: {error}\n{error.remedy or f'{program}: see {program} --help'}", file=sys.stderr
    )
    return WRONG_USAGE


def report_bad_config(line: CommandLine, error: ConfigError) -> int:
    """Print what is wrong and, in a second line, the command that checks it.

    Returns the exit status.
    """
    import shlex

    print(f"{line.program}: {error}", file=sys.stderr)
    if isinstance(error, BadOptions):
        print(f"{line.program}: see {line.program} --help", file=sys.stderr)
        return BAD_CONFIG
    path = line.text("config_path")
    command = shlex.join(["klogd-py", "check-config", *([path] if path else [])])
    print(f"{line.program}: correct it, then run: {command}", file=sys.stderr)
    return BAD_CONFIG
