# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the daemon in the foreground or the background, or send a signal to the running one."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.exit_status import FAILED, NO_LOG, report_bad_config
from klogd_py.config.errors import ConfigError
from klogd_py.config.run_options import RunOptions
from klogd_py.config.sink_config import writes_to_stdout
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.system import inherited_fds, logging_setup, signals, standard_streams
from klogd_py.system.daemonize import daemonize
from klogd_py.system.errors import describe_expected, describe_unexpected
from klogd_py.system.pidfile import (
    PID_FILE,
    PidFile,
    signal_daemon,
)


def signal_running_daemon(line: CommandLine, name: str) -> int:
    """Send a signal such as ``SIGUSR1`` to the daemon that holds the pid file.

    Returns the exit status: 1 if there is none.
    """
    try:
        signal_daemon(Path(line.text("pid_file") or PID_FILE), signal.Signals[name])
    except OSError as error:
        print(f"{line.program}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    return 0


def run(line: CommandLine) -> int:
    """Run the daemon until it is stopped; in the background return as soon as it is ready.

    Returns the exit status.

    Raises:
        ConfigError: the configuration is wrong.
    """
    signals.block_until_handled()
    run_options = to_run_options(line, _receive_fds(line.program))
    config = run_options.load_config()
    level = config.log.level
    prints = any(map(writes_to_stdout, parse_sinks(config)))
    if prints:
        standard_streams.check_output()
    background = line.is_drop_in and not line.has("foreground") and not run_options.once
    named = line.text("pid_file")
    pid_file = PID_FILE if line.is_drop_in else None
    if named is not None:
        pid_file = Path(named).absolute()
    if background:
        job = partial(_run_daemon, line, run_options, level, pid_file)
        capture = run_options.capture
        kept = {0} if capture is not None and "-" in capture.paths else set()
        kept |= {1} if prints else set()
        return daemonize(job, kept)
    return _run_daemon(line, run_options, level, pid_file, None)


def _run_daemon(
    line: CommandLine,
    run_options: RunOptions,
    level: str,
    pid_file: Path | None,
    detach: Callable[[], None] | None,
) -> int:
    """Run until stopped, and print why if the daemon cannot start.

    ``detach`` leaves the terminal; it is called once startup is complete. In the background nobody
    but this function would print an error.
    """
    import faulthandler

    # A stop that comes now is answered in _serve. Raised while modules are imported or the event
    # loop is made, SystemExit would be lost in a callback or leave a loop that is half made.
    signals.block_all()
    from klogd_py.sources.source import SourceUnavailable

    program = line.program
    logging_setup.to_stderr(level)
    # The watchdog's SIGABRT then shows where the loop hung.
    faulthandler.enable()
    try:
        return _serve(program, run_options, level, pid_file, detach)
    except ConfigError as error:
        return report_bad_config(line, error)
    except SourceUnavailable as error:
        print(f"{program}: no kernel messages to read: {error}", file=sys.stderr)
        return NO_LOG if run_options.capture is None else FAILED
    except OSError as error:
        print(f"{program}: {describe_expected(error)}", file=sys.stderr)
        return FAILED
    except Exception as error:
        print(f"{program}: unexpected error: {describe_unexpected(error)}", file=sys.stderr)
        return FAILED


def _serve(
    program: str,
    run_options: RunOptions,
    level: str,
    pid_file: Path | None,
    detach: Callable[[], None] | None,
) -> int:
    """Run the daemon on an event loop, under the pid file if there is one."""
    import asyncio
    import gc

    from klogd_py.daemon import Daemon
    from klogd_py.system.jobs import Jobs

    jobs = Jobs()
    jobs.catch_threads()

    def on_ready() -> None:
        # Objects of the startup live until the end: no collection needs to look at them again.
        gc.freeze()
        if detach is not None:
            detach()
            logging_setup.to_syslog(level)

    async def serve() -> int:
        try:
            signals.unblock_stop_signals()
            return await Daemon(run_options, jobs=jobs).run(on_ready)
        finally:
            signals.block_all()

    with _held(program, pid_file):
        return asyncio.run(serve())


@contextlib.contextmanager
def _held(program: str, path: Path | None) -> Iterator[None]:
    """Hold a pid file, if there is to be one.

    An error in its release is printed, but does not change the exit status.

    Raises:
        AlreadyRunning: another daemon holds it.
        OSError: it cannot be made or locked.
    """
    if path is None:
        yield
        return
    pid_file = PidFile(path)
    pid_file.acquire()
    try:
        yield
    finally:
        try:
            pid_file.release()
        except Exception as error:
            print(f"{program}: {describe_expected(error)}", file=sys.stderr)


def _receive_fds(program: str) -> dict[str, int]:
    """Return descriptors from the service manager by path; none if LISTEN_FDS is wrong."""
    try:
        return inherited_fds.receive()
    except OSError as error:
        print(
            f"{program}: ignoring the files of the service manager: LISTEN_FDS: {error.strerror}",
            file=sys.stderr,
        )
        return {}
