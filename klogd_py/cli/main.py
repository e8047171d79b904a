# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: ``klogd-py`` with its subcommands, and ``klogd``, the drop-in replacement.

Exit status: 0 stopped as asked; 1 the system failed; 2 the command line is wrong; 69 there is no
kernel log here to read; 78 the configuration is wrong; 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.exit_status import FAILED, INTERRUPTED, report_bad_config
from klogd_py.cli.parser import build_parser
from klogd_py.config.errors import ConfigError
from klogd_py.system.errors import describe_expected, describe_unexpected

# fmt: off
# Options that a subcommand accepts; all others belong to the daemon.
_SUBCOMMAND_OPTIONS = frozenset([
    "command", "map", "kallsyms", "modules", "module_files", "slide", "root", "release", "live",
    "config_path", "json", "style", "duplicate_raw", "resymbolize", "files", "addresses",
    "file_to_check", "socket",
])
# fmt: on


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``klogd-py``: the daemon in the foreground, or a subcommand. Returns the exit status."""
    return _run(build_parser("klogd-py"), arguments, drop_in=False)


def klogd(arguments: Sequence[str] | None = None) -> int:
    """Run ``klogd``: the daemon with the classic options, in the background unless -n is given.

    Returns the exit status.
    """
    return _run(build_parser("klogd"), arguments, drop_in=True)


def _run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, drop_in: bool) -> int:
    options = parser.parse_args(arguments)
    if getattr(options, "command", None):
        _refuse_daemon_options(parser, options)
    options.program = parser.prog
    try:
        return _dispatch(options, drop_in)
    except ConfigError as error:
        return report_bad_config(options, error)
    except BrokenPipeError:
        # The interpreter would print an error when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except OSError as error:
        print(f"{parser.prog}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        print(f"{parser.prog}: unexpected error: {describe_unexpected(error)}", file=sys.stderr)
        if getattr(options, "debug", False):
            raise
        return FAILED


def _refuse_daemon_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with status 2 if options of the daemon were given to a subcommand."""
    foreign = set(vars(options)) - _SUBCOMMAND_OPTIONS
    if foreign:
        named = [action.option_strings[-1] for action in parser._actions if action.dest in foreign]
        parser.error(f"{options.command} does not take {', '.join(named)}")


def _dispatch(options: argparse.Namespace, drop_in: bool) -> int:
    if getattr(options, "command", None) is not None:
        return _run_subcommand(options, drop_in)
    # Imported here, as each subcommand is: what is not used costs no time.
    from klogd_py.cli import run

    signal_name = getattr(options, "reload", None)
    if signal_name is not None:
        return run.signal_running_daemon(options, signal_name)
    return run.run(options, drop_in)


def _run_subcommand(options: argparse.Namespace, drop_in: bool) -> int:
    if getattr(options, "file_to_check", None):
        options.config_path = options.file_to_check
    run_options = to_run_options(options, drop_in)
    as_json = getattr(options, "json", False)
    match options.command:
        case "translate":
            from klogd_py.cli.translate import translate

            return translate(run_options, options.files)
        case "lookup":
            from klogd_py.cli.lookup import lookup

            return lookup(run_options, options.addresses, as_json=as_json)
        case "maps":
            from klogd_py.cli.maps import maps

            return maps(run_options, as_json=as_json)
        case "doctor":
            from klogd_py.cli.doctor import doctor

            return doctor(run_options, as_json=as_json)
        case "status":
            from klogd_py.cli.status import status

            return status(run_options, getattr(options, "socket", None), as_json=as_json)
        case _:
            from klogd_py.cli.check_config import check_config

            return check_config(run_options, as_json=as_json)
