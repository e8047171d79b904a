# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the parsers of ``klogd-py`` with its subcommands, and of ``klogd``, the drop-in.

An option that is not given is absent from the result. So it differs from an option that was given
with its default value.
"""

import argparse
from functools import partial

from klogd_py import __version__
from klogd_py.cli.argument_types import RenamedOption, console_level, sink, slide, utf8_text
from klogd_py.config.loader import LOG_LEVELS
from klogd_py.sources import INPUT_FORMATS

_EPILOG = {
    "klogd-py": "Man pages: klogd-py(8), klogd-py.toml(5). "
    "Without COMMAND it reads kernel messages until it is stopped.",
    "klogd": "Man pages: klogd(8), klogd-py.toml(5).",
}
_JSON_HELP = "print JSON"


def build_parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of ``klogd-py`` or ``klogd``."""
    shared = _shared_options()
    parser = argparse.ArgumentParser(
        prog=program,
        description="The kernel log daemon: reads kernel messages, translates the addresses in "
        "them to symbols, and delivers them to syslog, the journal, files or the terminal.",
        epilog=_EPILOG[program],
        parents=[shared],
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    drop_in = program == "klogd"
    _add_sink_options(parser)
    _add_input_options(parser)
    _add_run_options(parser, drop_in=drop_in)
    _add_reload_options(parser)
    parser.add_argument("-v", "--version", action="version", version=f"klogd-py {__version__}")
    if not drop_in:
        _add_subcommands(parser, shared)
    return parser


def _shared_options() -> argparse.ArgumentParser:
    """Return a parser of the options that the daemon and every subcommand take."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_symbol_options(shared)
    shared.add_argument(
        "--config",
        dest="config_path",
        type=utf8_text,
        metavar="FILE",
        help="configuration file (default: /etc/klogd-py.toml)",
    )
    shared.add_argument(
        "--style",
        choices=("replace", "append", "off"),
        help="replace an address by its symbol, append the symbol, or translate nothing",
    )
    shared.add_argument(
        "-2",
        "--duplicate-raw",
        action="store_true",
        help="repeat each changed line as the kernel printed it",
    )
    shared.add_argument(
        "--resymbolize",
        action=argparse.BooleanOptionalAction,
        help="replace [<address>] even where the kernel has printed its symbol",
    )
    _add_renamed(shared, "--twice", "--decoded")
    return shared


def _add_symbol_options(shared: argparse.ArgumentParser) -> None:
    group = shared.add_argument_group("symbol sources")
    group.add_argument(
        "-k",
        "--map",
        type=utf8_text,
        metavar="FILE",
        help="use this System.map, unless it is proven to belong to another kernel",
    )
    group.add_argument(
        "--kallsyms",
        type=utf8_text,
        metavar="FILE",
        help="symbols of the running kernel (default: /proc/kallsyms)",
    )
    group.add_argument(
        "--modules",
        type=utf8_text,
        metavar="FILE",
        help="list of loaded modules (default: /proc/modules)",
    )
    group.add_argument(
        "--module-files",
        type=utf8_text,
        metavar="DIR",
        help="directory of module files (default: /lib/modules/RELEASE)",
    )
    group.add_argument(
        "--slide", type=slide, metavar="0xN", help="KASLR offset of the kernel, if it is known"
    )
    group.add_argument(
        "--root", type=utf8_text, metavar="DIR", help="use /boot, /proc and /lib/modules below DIR"
    )
    group.add_argument(
        "--release", type=utf8_text, metavar="R", help="kernel release, as uname -r prints it"
    )
    group.add_argument(
        "--live",
        action="store_true",
        help="use the running kernel's symbols, for a log of this machine",
    )


def _add_sink_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sink",
        dest="sinks",
        action="append",
        type=sink,
        metavar="SINK",
        help="console, file:PATH, syslog[:SOCKET] or journal[:SOCKET]; may be repeated, "
        "replaces the configured sinks",
    )
    parser.add_argument(
        "-f",
        "--file",
        dest="klogd_file",
        type=utf8_text,
        metavar="FILE",
        help="append <N>text lines to FILE; - is standard output",
    )


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input",
        type=utf8_text,
        metavar="FILE",
        help="read FILE (- is standard input) instead of the running kernel",
    )
    parser.add_argument(
        "--input-format",
        dest="input_format",
        choices=INPUT_FORMATS,
        help="format of FILE (default: auto, by its first line)",
    )
    parser.add_argument("--json", action="store_true", help=_JSON_HELP)
    parser.add_argument(
        "-s", "--syscall", action="store_true", help="read through syslog(2) instead of /dev/kmsg"
    )
    parser.add_argument(
        "-o", "--once", action="store_true", help="deliver the messages in the buffer, then stop"
    )
    parser.add_argument(
        "-x", "--no-translate", action="store_true", help="load no symbols, translate nothing"
    )
    parser.add_argument(
        "-p", "--reload-on-oops", action="store_true", help="reload the symbols at every Oops"
    )
    _add_renamed(parser, "--paranoid")


def _add_run_options(parser: argparse.ArgumentParser, *, drop_in: bool) -> None:
    parser.add_argument(
        "-c",
        "--console-level",
        type=console_level,
        metavar="N",
        help="set the kernel's console log level, 1 to 8",
    )
    parser.add_argument(
        "-n",
        "--foreground",
        action="store_true",
        help="stay in the foreground" if drop_in else argparse.SUPPRESS,
    )
    parser.add_argument(
        "--user", type=utf8_text, metavar="NAME", help="drop privileges to NAME after startup"
    )
    parser.add_argument(
        "--pid-file",
        type=utf8_text,
        metavar="FILE",
        help="write a pid file" + (" (default: /run/klogd.pid)" if drop_in else ""),
    )
    parser.add_argument("-d", "--debug", action="store_true", help="same as --log-level debug")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="level of the daemon's own log")


def _add_reload_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "-i",
        dest="reload",
        action="store_const",
        const="SIGUSR1",
        help="reload the module symbols of the running daemon",
    )
    group.add_argument(
        "-I",
        dest="reload",
        action="store_const",
        const="SIGUSR2",
        help="reload the map and all symbols of the running daemon",
    )


def _add_subcommands(parser: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    add = partial(_add_subcommand, commands, shared)
    add(
        "translate",
        "copy text to standard output, with symbols for the addresses in it",
        has_json=False,
    ).add_argument(
        "files", nargs="*", default=[], metavar="FILE", help="any text (default: standard input)"
    )
    add(
        "lookup", "print the symbol at an address, the address of a symbol, or why there is none"
    ).add_argument(
        "addresses",
        type=utf8_text,
        nargs="+",
        metavar="ADDRESS",
        help="hexadecimal, with or without 0x; or a symbol: NAME[+OFFSET[/SIZE]]",
    )
    add("maps", "print every candidate System.map and whether it belongs to the kernel")
    add("status", "show the daemon's status").add_argument(
        "--socket",
        type=utf8_text,
        metavar="FILE",
        help="status socket (default: status.socket of the configuration)",
    )
    add("doctor", "check this machine, and print what is wrong and how to solve it")
    add("check-config", "check the configuration").add_argument(
        "file_to_check",
        type=utf8_text,
        nargs="?",
        default="",
        metavar="FILE",
        help="default: /etc/klogd-py.toml",
    )


def _add_subcommand(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    shared: argparse.ArgumentParser,
    name: str,
    help_line: str,
    *,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name,
        help=help_line,
        description=f"{help_line[0].upper()}{help_line[1:]}.",
        parents=[shared],
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    if has_json:
        added.add_argument("--json", action="store_true", help=_JSON_HELP)
    return added


def _add_renamed(parser: argparse.ArgumentParser, *options: str) -> None:
    for option in options:
        parser.add_argument(option, nargs="?", action=RenamedOption, help=argparse.SUPPRESS)
