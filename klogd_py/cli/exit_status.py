# SPDX-License-Identifier: GPL-2.0-or-later
"""Exit statuses of ``klogd-py`` and ``klogd``, and the message about a wrong configuration.

Source: sysexits.h for `NO_LOG` (EX_UNAVAILABLE) and `BAD_CONFIG` (EX_CONFIG).
"""

import argparse
import sys

from klogd_py.config.errors import BadOptions, ConfigError

FAILED = 1
NO_LOG = 69
BAD_CONFIG = 78
# 128 and the number of SIGINT, as shells have it
INTERRUPTED = 130


def report_bad_config(options: argparse.Namespace, error: ConfigError) -> int:
    """Print what is wrong and, in a second line, the command that checks it.

    Returns the exit status.
    """
    import shlex

    print(f"{options.program}: {error}", file=sys.stderr)
    if isinstance(error, BadOptions):
        print(f"{options.program}: see {options.program} --help", file=sys.stderr)
        return BAD_CONFIG
    named = [options.config_path] if hasattr(options, "config_path") else []
    command = shlex.join(["klogd-py", "check-config", *named])
    print(f"{options.program}: correct it, then run: {command}", file=sys.stderr)
    return BAD_CONFIG
