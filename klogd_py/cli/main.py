# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: ``klogd-py`` with its subcommands, and ``klogd``, the drop-in for the classic
daemon.

Exit status: 0 stopped as asked; 1 the system failed; 2 the command line is wrong; 69 there is no
kernel log here to read; 78 the configuration is wrong.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from klogd_py.cli.parser import parser
from klogd_py.config.loader import BadConfig
from klogd_py.config.run_options import BadOptions, RunOptions
from klogd_py.system.errors import describe_expected, describe_unexpected

if TYPE_CHECKING:
    from klogd_py.system.pidfile import PidFile

# The last two as in sysexits.h
FAILED, MISUSED, NO_LOG, MISCONFIGURED = 1, 2, 69, 78
_PATHS = ("config_path", "map", "kallsyms", "modules", "module_files", "root")
# What a subcommand may be given; everything else belongs to the main job.
_SHARED = frozenset(
    [
        "command",
        "map",
        "kallsyms",
        "modules",
        "module_files",
        "slide",
        "root",
        "release",
        "live",
        "config_path",
        "json",
        "style",
        "duplicate_raw",
        "resymbolize",
        "files",
        "addresses",
        "file_to_check",
        "socket",
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """``klogd-py``: in the foreground with the configuration, or one of the subcommands."""
    return _run(parser("klogd-py"), arguments, drop_in=False)


def klogd(arguments: Sequence[str] | None = None) -> int:
    """``klogd``: the classic daemon's flags and manners; in the background unless -n."""
    return _run(parser("klogd"), arguments, drop_in=True)


def _run(parsing: argparse.ArgumentParser, arguments: Sequence[str] | None, drop_in: bool) -> int:
    options = parsing.parse_args(arguments)
    if (
        hasattr(options, "command")
        and options.command
        and (foreign := set(vars(options)) - _SHARED)
    ):
        named = [action.option_strings[-1] for action in parsing._actions if action.dest in foreign]
        parsing.error(f"{options.command} does not take {', '.join(named)}")
    options.program = parsing.prog
    try:
        return _dispatch(options, drop_in)
    except BadConfig as error:
        return _misconfigured(options, error)
    except BrokenPipeError:
        # Or the interpreter complains when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except OSError as error:
        print(f"{parsing.prog}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"{parsing.prog}: unexpected error: {describe_unexpected(error)}", file=sys.stderr)
        if getattr(options, "debug", False):
            raise
        return FAILED


def _dispatch(options: argparse.Namespace, drop_in: bool) -> int:
    command = getattr(options, "command", None)
    if command is not None:
        from klogd_py.cli import commands

        invocation = _invocation(options, drop_in)
        if command == "translate":
            return commands.translate(invocation, options.files)
        if command == "lookup":
            return commands.lookup(invocation, options.addresses)
        if command == "maps":
            return commands.maps(invocation)
        if command == "doctor":
            return commands.doctor(invocation)
        if command == "status":
            return commands.status(invocation, getattr(options, "socket", ""))
        return commands.check_config(invocation, options.file_to_check)
    number = getattr(options, "reload", None)
    if number is not None:
        return _signal(options, number)
    return _serve(options, drop_in)


def _signal(options: argparse.Namespace, name: str) -> int:
    import signal

    from klogd_py.system.pidfile import PID_FILE, NotRunning, signal_daemon

    try:
        signal_daemon(Path(getattr(options, "pid_file", PID_FILE)), signal.Signals[name])
    except (NotRunning, OSError) as error:
        print(f"{options.program}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    return 0


def _serve(options: argparse.Namespace, drop_in: bool) -> int:
    from klogd_py.system import signals
    from klogd_py.system.pidfile import PID_FILE, daemonize

    signals.block_until_handled()
    invocation = _invocation(options, drop_in, _handed(options.program))
    config = invocation.load_config()
    level = config.log.level
    background = drop_in and not getattr(options, "foreground", False) and not invocation.once
    pid_file = (
        Path(options.pid_file).absolute()
        if hasattr(options, "pid_file")
        else PID_FILE
        if drop_in
        else None
    )
    if background:
        job = partial(_daemon, options, invocation, level, pid_file)
        kept = {0} if invocation.input == "-" else set()
        kept |= {1} if {"file:-", "console"} & set(config.sinks) else set()
        return daemonize(job, kept)
    return _daemon(options, invocation, level, pid_file, None)


def _daemon(
    options: argparse.Namespace,
    invocation: RunOptions,
    level: str,
    pid_file: Path | None,
    ready: Callable[[], None] | None,
) -> int:
    """Run until stopped; ``ready`` lets go of the terminal once records are about to flow."""
    import asyncio
    import faulthandler
    import gc

    from klogd_py.daemon import Daemon
    from klogd_py.sinks.cursor_file import CursorFileInUse
    from klogd_py.sources.kmsg_device import SourceUnavailable
    from klogd_py.system import logging_setup, signals
    from klogd_py.system.jobs import Jobs
    from klogd_py.system.pidfile import AlreadyRunning, PidFile

    program = options.program
    logging_setup.to_stderr(level)
    # The watchdog's SIGABRT then shows where the loop hung
    faulthandler.enable()
    jobs = Jobs()
    jobs.catch_threads()
    claimed: PidFile | None = None

    def in_service() -> None:
        # What is there now stays, and need not be looked through again and again
        gc.freeze()
        if ready is not None:
            ready()
            logging_setup.to_syslog(level)

    async def serve() -> int:
        try:
            return await Daemon(invocation, jobs=jobs).run(in_service)
        finally:
            signals.block_all()

    try:
        with signals.stop_signals_blocked():
            if pid_file:
                own = PidFile(pid_file)
                own.acquire()
                claimed = own
        return asyncio.run(serve())
    # Answered here, since in the background nobody else would
    except BadConfig as error:
        return _misconfigured(options, error)
    except SourceUnavailable as error:
        print(f"{program}: no kernel messages to read: {error}", file=sys.stderr)
        return FAILED if invocation.input else NO_LOG
    except (AlreadyRunning, CursorFileInUse, OSError) as error:
        print(f"{program}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    # In the background nobody else would say it
    except Exception as error:
        print(f"{program}: unexpected error: {describe_unexpected(error)}", file=sys.stderr)
        return FAILED
    finally:
        if claimed:
            _release(program, claimed)


def _release(program: str, claimed: "PidFile") -> None:
    """Let go of the pid file; whatever is wrong with it does not change how the daemon ended."""
    try:
        claimed.release()
    except Exception as error:
        print(f"{program}: {describe_expected(error)}", file=sys.stderr)


def _handed(program: str) -> dict[str, int]:
    """What the service manager has opened for us; nothing where it does not say so rightly."""
    from klogd_py.system import inherited_fds

    try:
        return inherited_fds.receive()
    except OSError as error:
        print(
            f"{program}: no files taken from the service manager: LISTEN_FDS: {error.strerror}",
            file=sys.stderr,
        )
        return {}


def _misconfigured(options: argparse.Namespace, error: BadConfig) -> int:
    """Say what is wrong and, in a second line, what to type; the status for it."""
    import shlex

    print(f"{options.program}: {error}", file=sys.stderr)
    if isinstance(error, BadOptions):
        print(f"{options.program}: see {options.program} --help", file=sys.stderr)
        return MISCONFIGURED
    named = getattr(options, "file_to_check", "") or getattr(options, "config_path", "")
    command = shlex.join(["klogd-py", "check-config", *([named] if named else [])])
    print(f"{options.program}: mend it, then type: {command}", file=sys.stderr)
    return MISCONFIGURED


def _invocation(
    options: argparse.Namespace, drop_in: bool, inherited_fds: Mapping[str, int] | None = None
) -> RunOptions:
    """What the options mean; paths become absolute, since a daemon changes its directory."""
    given = vars(options)
    sinks = tuple(given.get("sinks") or ())
    if "klogd_file" in given:
        path = given["klogd_file"]
        sinks += ("file:-" if path == "-" else f"file:{Path(path).absolute()}",)
    paths = {key: str(Path(given[key]).absolute()) for key in _PATHS if key in given}
    input_path = given.get("input", "")
    return RunOptions(
        **paths,
        slide=given.get("slide"),
        release=given.get("release", ""),
        live=given.get("live", False),
        sinks=sinks,
        input=input_path if input_path in ("", "-") else str(Path(input_path).absolute()),
        input_format=given.get("input_format", "auto"),
        source="syslog" if given.get("syscall") else "",
        once=given.get("once", False),
        style="off" if given.get("no_translate") else given.get("style", ""),
        resymbolize=given.get("resymbolize", True if drop_in else None),
        duplicate_raw=given.get("duplicate_raw", False),
        any_text=drop_in,
        reload_on_oops=given.get("reload_on_oops", False),
        json=given.get("json", False),
        file_format="klogd" if "klogd_file" in given else "",
        console_level=given.get("console_level", 0),
        log_level="debug" if given.get("debug") else given.get("log_level", ""),
        user=given.get("user", ""),
        inherited_fds=dict(inherited_fds or {}),
    )
