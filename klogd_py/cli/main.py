# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: ``klogd-py`` with its commands, and ``klogd``, the drop-in replacement.

Exit status: 0 stopped as asked; 1 the system failed; 2 the command line is wrong; 69 there is no
kernel log here to read; 78 the configuration is wrong; 130 interrupted.
"""

import sys
from collections.abc import Sequence

from klogd_py import __version__
from klogd_py.cli.command_line import CommandLine, Program
from klogd_py.cli.commands import KLOGD, KLOGD_PY
from klogd_py.cli.exit_status import FAILED, INTERRUPTED, report_bad_config, report_wrong_usage
from klogd_py.cli.help_page import format_page
from klogd_py.cli.parser import Parsed, parse
from klogd_py.cli.usage_error import UsageError
from klogd_py.config.errors import ConfigError
from klogd_py.system import standard_streams
from klogd_py.system.errors import describe_expected, describe_unexpected


def main(words: Sequence[str] | None = None) -> int:
    """Run ``klogd-py``: the daemon in the foreground, or a command. Returns the exit status."""
    return _run(KLOGD_PY, sys.argv[1:] if words is None else words)


def klogd(words: Sequence[str] | None = None) -> int:
    """Run ``klogd``: the daemon with the classic options, in the background unless -n is given.

    Returns the exit status.
    """
    return _run(KLOGD, sys.argv[1:] if words is None else words)


def _run(program: Program, words: Sequence[str]) -> int:
    standard_streams.set_up()
    status = _answer(program, words)
    try:
        sys.stdout.flush()
    except OSError as error:
        return _report_failed_output(program.name, error)
    return status


def _answer(program: Program, words: Sequence[str]) -> int:
    """Do what the command line says and return the exit status; print what is wrong."""
    line = CommandLine(program.name)
    try:
        parsed = parse(program, words)
        line = parsed.line
        return _dispatch(program, parsed)
    except UsageError as error:
        return report_wrong_usage(program.name, error)
    except ConfigError as error:
        return report_bad_config(line, error)
    except OSError as error:
        if error.filename == standard_streams.STDOUT:
            return _report_failed_output(program.name, error)
        print(f"{program.name}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        print(f"{program.name}: unexpected error: {describe_unexpected(error)}", file=sys.stderr)
        if line.has("debug"):
            raise
        return FAILED


def _report_failed_output(program: str, error: OSError) -> int:
    """Print why standard output cannot be written, unless its reader has left (``| head``)."""
    standard_streams.discard_output()
    if not isinstance(error, BrokenPipeError):
        print(f"{program}: {describe_expected(error)}", file=sys.stderr)
    return FAILED


def _dispatch(program: Program, parsed: Parsed) -> int:
    if parsed.line.has("help"):
        print(format_page(program, parsed.command), end="")
        return 0
    if parsed.line.has("version"):
        print(f"klogd-py {__version__}")
        return 0
    return parsed.command.run(parsed.line)
