"""The command line: ``klogd-py`` with its subcommands, and ``klogd``, the drop-in for the classic daemon.

Exit status: 0 stopped as asked; 1 the system failed; 2 the command line is wrong; 69 there is no kernel log here to read;
78 the configuration is wrong.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from klogd_py import __version__
from klogd_py.config import LOG_LEVELS, BadConfig, check_sink
from klogd_py.invocation import Invocation

FAILED, MISUSED, NO_LOG, MISCONFIGURED = 1, 2, 69, 78  # the last two as in sysexits.h
_NOT_GIVEN = argparse.SUPPRESS
_PATHS = ("config_path", "map", "kallsyms", "modules", "module_files", "root")
_EPILOG = {
    "klogd-py": "Man pages: klogd-py(8), klogd-py.toml(5). With no COMMAND it reads the kernel's messages until stopped.",
    "klogd": "Man pages: klogd(8), klogd-py.toml(5).",
}
_JSON_HELP = "print for programs instead of people"
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
        "twice",
        "decoded",
        "files",
        "addresses",
        "file_to_check",
    ]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """``klogd-py``: in the foreground with the configuration, or one of the subcommands."""
    return _run(_parser("klogd-py"), arguments, drop_in=False)


def klogd(arguments: Sequence[str] | None = None) -> int:
    """``klogd``: the classic daemon's flags and manners; in the background unless -n."""
    return _run(_parser("klogd"), arguments, drop_in=True)


def _run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, drop_in: bool) -> int:
    options = parser.parse_args(arguments)
    if hasattr(options, "command") and options.command and (foreign := set(vars(options)) - _SHARED):
        named = [action.option_strings[-1] for action in parser._actions if action.dest in foreign]
        parser.error(f"{options.command} does not take {', '.join(named)}")
    options.program = parser.prog
    try:
        return _dispatch(options, drop_in)
    except BadConfig as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return MISCONFIGURED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains when it flushes
        return FAILED
    except OSError as error:
        print(f"{parser.prog}: {_in_words(error)}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130


def _dispatch(options: argparse.Namespace, drop_in: bool) -> int:
    command = getattr(options, "command", None)
    if command is not None:
        from klogd_py import commands

        invocation = _invocation(options, drop_in)
        if command == "translate":
            return commands.translate(invocation, options.files)
        if command == "lookup":
            return commands.lookup(invocation, options.addresses)
        if command == "maps":
            return commands.maps(invocation)
        return commands.check_config(invocation, options.file_to_check)
    number = getattr(options, "reload", None)
    if number is not None:
        return _signal(options, number)
    return _serve(options, drop_in)


def _signal(options: argparse.Namespace, name: str) -> int:
    import signal

    from klogd_py.classic import PID_FILE, NotRunning, signal_running

    try:
        signal_running(Path(getattr(options, "pid_file", PID_FILE)), signal.Signals[name])
    except (NotRunning, OSError) as error:
        print(f"{options.program}: {_in_words(error)}", file=sys.stderr)
        return FAILED
    return 0


def _serve(options: argparse.Namespace, drop_in: bool) -> int:
    from klogd_py import handed
    from klogd_py.classic import PID_FILE, in_background

    invocation = _invocation(options, drop_in, handed.descriptors())
    config = invocation.config()
    level = config.log.level
    background = drop_in and not getattr(options, "foreground", False) and not invocation.once
    pid_file = Path(options.pid_file).absolute() if hasattr(options, "pid_file") else PID_FILE if drop_in else None
    if background:
        job = partial(_daemon, options.program, invocation, level, pid_file)
        kept = {0} if invocation.input == "-" else set()
        kept |= {1} if {"file:-", "console"} & set(config.sinks) else set()
        return in_background(job, kept)
    return _daemon(options.program, invocation, level, pid_file, None)


def _daemon(program: str, invocation: Invocation, level: str, pid_file: Path | None, ready: Callable[[], None] | None) -> int:
    """Run until stopped; ``ready`` lets go of the terminal once records are about to flow."""
    import asyncio
    import faulthandler
    import gc

    from klogd_py import ownlog
    from klogd_py.classic import AlreadyRunning, PidFile
    from klogd_py.daemon import Daemon
    from klogd_py.device import SourceUnavailable
    from klogd_py.position import PositionInUse

    ownlog.to_stderr(level)
    faulthandler.enable()  # the watchdog's SIGABRT then shows where the loop hung
    claimed = PidFile(pid_file) if pid_file else None

    def in_service() -> None:
        gc.freeze()  # what is there now stays, and need not be looked through again and again
        if ready is not None:
            ready()
            ownlog.to_syslog(level)

    async def serve() -> int:
        return await Daemon(invocation).run(in_service)

    try:
        if claimed:
            claimed.claim()
    except (AlreadyRunning, OSError) as error:
        print(f"{program}: {_in_words(error)}", file=sys.stderr)
        return FAILED
    try:
        return asyncio.run(serve())
    except SourceUnavailable as error:
        print(f"{program}: no kernel messages to read: {error}", file=sys.stderr)
        return FAILED if invocation.input else NO_LOG
    except PositionInUse as error:
        print(f"{program}: {error}", file=sys.stderr)
        return FAILED
    finally:
        if claimed:
            claimed.release()


def _in_words(error: Exception) -> str:
    """The file and what is wrong with it, without Python's number in front."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _invocation(options: argparse.Namespace, drop_in: bool, handed: Mapping[str, int] | None = None) -> Invocation:
    """What the options mean; paths become absolute, since a daemon changes its directory."""
    given = vars(options)
    sinks = tuple(given.get("sinks") or ())
    if "klogd_file" in given:
        path = given["klogd_file"]
        sinks += ("file:-" if path == "-" else f"file:{Path(path).absolute()}",)
    paths = {key: str(Path(given[key]).absolute()) for key in _PATHS if key in given}
    input_path = given.get("input", "")
    return Invocation(
        **paths,
        slide=given.get("slide"),
        release=given.get("release", ""),
        live=given.get("live", False),
        sinks=sinks,
        input=input_path if input_path in ("", "-") else str(Path(input_path).absolute()),
        input_form=given.get("input_form", "auto"),
        source="syslog" if given.get("syscall") else "",
        once=given.get("once", False),
        style="off" if given.get("no_translate") else given.get("style", ""),
        decoded=given.get("decoded", "replace" if drop_in else ""),
        twice=given.get("twice", False),
        paranoid=given.get("paranoid", False),
        json=given.get("json", False),
        file_form="klogd" if "klogd_file" in given else "",
        console_level=given.get("console_level", 0),
        log_level="debug" if given.get("debug") else given.get("log_level", ""),
        user=given.get("user", ""),
        handed=dict(handed or {}),
    )


def _parser(program: str) -> argparse.ArgumentParser:
    shared = _shared_options()
    parser = argparse.ArgumentParser(
        prog=program,
        description="The kernel log daemon: reads the kernel's messages, puts names to the addresses in them, "
        "and hands them to syslog, the journal, files or the terminal.",
        epilog=_EPILOG[program],
        parents=[shared],
        argument_default=_NOT_GIVEN,
        allow_abbrev=False,
    )
    _main_options(parser, drop_in=program == "klogd")
    if program != "klogd":
        _subcommands(parser, shared)
    return parser


def _shared_options() -> argparse.ArgumentParser:
    """Options of the main job and of every subcommand."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=_NOT_GIVEN)
    names = shared.add_argument_group("where names come from")
    names.add_argument("-k", "--map", metavar="FILE", help="use this System.map unless it is proved to be another kernel's")
    names.add_argument("--kallsyms", metavar="FILE", help="the kernel's own symbols (default: /proc/kallsyms)")
    names.add_argument("--modules", metavar="FILE", help="the loaded modules (default: /proc/modules)")
    names.add_argument("--module-files", metavar="DIR", help="modules' own files (default: /lib/modules/RELEASE)")
    names.add_argument("--slide", type=_slide, metavar="0xN", help="what KASLR adds to the map's addresses, if you know it")
    names.add_argument("--root", metavar="DIR", help="take /boot, /proc and /lib/modules from under DIR")
    names.add_argument("--release", metavar="R", help="the kernel release, as uname -r prints it")
    names.add_argument("--live", action="store_true", help="use this machine's symbols for text that came from elsewhere")
    shared.add_argument("--config", dest="config_path", metavar="FILE", help="the configuration (default: /etc/klogd-py.toml)")
    shared.add_argument("--style", choices=("replace", "append", "off"), help="what becomes of an address that has a name")
    shared.add_argument("-2", "--twice", action="store_true", help="repeat a translated line, untranslated")
    shared.add_argument("--decoded", choices=("keep", "replace"), help="what becomes of a number that the kernel has named")
    return shared


def _main_options(parser: argparse.ArgumentParser, drop_in: bool) -> None:
    parser.add_argument(
        "--sink",
        dest="sinks",
        action="append",
        type=_sink,
        metavar="SINK",
        help="console, file:PATH, syslog[:SOCKET] or journal[:SOCKET]; may be repeated, replaces those configured",
    )
    parser.add_argument("-f", "--file", dest="klogd_file", metavar="FILE", help="append <N>text lines to FILE; - is stdout")
    parser.add_argument("--input", metavar="FILE", help="read FILE (- is stdin) instead of the running kernel")
    parser.add_argument(
        "--input-format",
        dest="input_form",
        choices=("auto", "kmsg", "dmesg", "klogd", "syslog"),
        help="what FILE holds (default: auto, by its first line)",
    )
    parser.add_argument("--json", action="store_true", help=_JSON_HELP)
    parser.add_argument("-s", "--syscall", action="store_true", help="read through syslog(2) instead of /dev/kmsg")
    parser.add_argument("-o", "--once", action="store_true", help="deliver what is there, then stop")
    parser.add_argument("-x", "--no-translate", action="store_true", help="load no symbols, translate nothing")
    parser.add_argument("-p", "--paranoid", action="store_true", help="read the symbols anew at every Oops")
    parser.add_argument("-c", "--console-level", type=_console_level, metavar="N", help="what the console shows, 1 to 8")
    parser.add_argument("-n", "--foreground", action="store_true", help="stay in the foreground" if drop_in else _NOT_GIVEN)
    parser.add_argument("--user", metavar="NAME", help="go on as this user once what needs root is open")
    parser.add_argument("--pid-file", metavar="FILE", help="keep a pid file here" + (" (/run/klogd.pid)" if drop_in else ""))
    parser.add_argument("-d", "--debug", action="store_true", help="the same as --log-level debug")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="how much to say of itself")
    reload = parser.add_mutually_exclusive_group()
    reload.add_argument(
        "-i", dest="reload", action="store_const", const="SIGUSR1", help="have the running daemon read module symbols anew"
    )
    reload.add_argument(
        "-I", dest="reload", action="store_const", const="SIGUSR2", help="have the running daemon read map and symbols anew"
    )
    parser.add_argument("-v", "--version", action="version", version=f"klogd-py {__version__}")


def _subcommands(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def add(name: str, help_line: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=help_line,
            description=f"{help_line[0].upper()}{help_line[1:]}.",
            parents=[shared],
            argument_default=_NOT_GIVEN,
            allow_abbrev=False,
        )

    filtering = add("translate", "copy text to standard output with names for the addresses in it")
    filtering.add_argument("files", nargs="*", default=[], metavar="FILE", help="text of any kind (default: standard input)")
    looking = add("lookup", "print which symbol contains an address, where a symbol is, or why there is none")
    looking.add_argument(
        "addresses", nargs="+", metavar="ADDRESS", help="hexadecimal, with or without 0x; or a symbol: NAME[+OFFSET[/SIZE]]"
    )
    mapping = add("maps", "print every candidate System.map and whether it belongs to the kernel")
    checking = add("check-config", "read the configuration and say whether it is right")
    for answering in (looking, mapping, checking):
        answering.add_argument("--json", action="store_true", help=_JSON_HELP)
    checking.add_argument("file_to_check", nargs="?", default="", metavar="FILE", help="default: /etc/klogd-py.toml")


def _sink(text: str) -> str:
    wrong = check_sink(text)
    if wrong:
        raise argparse.ArgumentTypeError(wrong)
    kind, _, path = text.partition(":")
    return f"{kind}:{Path(path).absolute()}" if path and path != "-" else text


def _slide(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a hexadecimal number such as 0x1a000000, got {text!r}") from None


def _console_level(text: str) -> int:
    if text not in tuple("12345678"):
        raise argparse.ArgumentTypeError(f"expected one digit from 1 to 8, got {text!r}")
    return int(text)
