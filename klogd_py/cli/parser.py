# SPDX-License-Identifier: GPL-2.0-or-later
"""Which options are there? The parsers of ``klogd-py`` with its subcommands, and of ``klogd``, the
drop-in.

An option that is not given leaves no trace, so that it is told from one that was given with its
default.
"""

import argparse
import re
from pathlib import Path

from klogd_py import __version__
from klogd_py.config import value_types
from klogd_py.config.loader import LOG_LEVELS
from klogd_py.config.renamed import RENAMED_OPTIONS

_HEX = re.compile(r"-?(0x)?[0-9a-f]{1,64}", re.IGNORECASE | re.ASCII)
_NOT_GIVEN = argparse.SUPPRESS
_EPILOG = {
    "klogd-py": "Man pages: klogd-py(8), klogd-py.toml(5). With no COMMAND it reads the kernel's messages until stopped.",
    "klogd": "Man pages: klogd(8), klogd-py.toml(5).",
}
_JSON_HELP = "print for programs instead of people"


def build_parser(program: str) -> argparse.ArgumentParser:
    """The parser of ``klogd-py`` or ``klogd``; what is not given is absent from its result."""
    shared = _shared_options()
    made = argparse.ArgumentParser(
        prog=program,
        description="The kernel log daemon: reads the kernel's messages, puts names to the addresses in them, "
        "and hands them to syslog, the journal, files or the terminal.",
        epilog=_EPILOG[program],
        parents=[shared],
        argument_default=_NOT_GIVEN,
        allow_abbrev=False,
    )
    _main_options(made, drop_in=program == "klogd")
    if program != "klogd":
        _subcommands(made, shared)
    return made


def _shared_options() -> argparse.ArgumentParser:
    """Options of the main job and of every subcommand."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=_NOT_GIVEN)
    names = shared.add_argument_group("where names come from")
    names.add_argument(
        "-k",
        "--map",
        type=_text,
        metavar="FILE",
        help="use this System.map unless it is proved to be another kernel's",
    )
    names.add_argument(
        "--kallsyms",
        type=_text,
        metavar="FILE",
        help="the kernel's own symbols (default: /proc/kallsyms)",
    )
    names.add_argument(
        "--modules", type=_text, metavar="FILE", help="the loaded modules (default: /proc/modules)"
    )
    names.add_argument(
        "--module-files",
        type=_text,
        metavar="DIR",
        help="modules' own files (default: /lib/modules/RELEASE)",
    )
    names.add_argument(
        "--slide",
        type=_slide,
        metavar="0xN",
        help="what KASLR adds to the map's addresses, if you know it",
    )
    names.add_argument(
        "--root",
        type=_text,
        metavar="DIR",
        help="take /boot, /proc and /lib/modules from under DIR",
    )
    names.add_argument(
        "--release", type=_text, metavar="R", help="the kernel release, as uname -r prints it"
    )
    names.add_argument(
        "--live",
        action="store_true",
        help="use this machine's symbols for text that came from elsewhere",
    )
    shared.add_argument(
        "--config",
        dest="config_path",
        type=_text,
        metavar="FILE",
        help="the configuration (default: /etc/klogd-py.toml)",
    )
    shared.add_argument(
        "--style",
        choices=("replace", "append", "off"),
        help="what becomes of an address that has a name",
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


def _main_options(parser: argparse.ArgumentParser, drop_in: bool) -> None:
    parser.add_argument(
        "--sink",
        dest="sinks",
        action="append",
        type=_sink,
        metavar="SINK",
        help="console, file:PATH, syslog[:SOCKET] or journal[:SOCKET]; may be repeated, replaces those configured",
    )
    parser.add_argument(
        "-f",
        "--file",
        dest="klogd_file",
        type=_text,
        metavar="FILE",
        help="append <N>text lines to FILE; - is stdout",
    )
    parser.add_argument(
        "--input",
        type=_text,
        metavar="FILE",
        help="read FILE (- is stdin) instead of the running kernel",
    )
    parser.add_argument(
        "--input-format",
        dest="input_format",
        choices=("auto", "kmsg", "dmesg", "klogd", "syslog"),
        help="what FILE holds (default: auto, by its first line)",
    )
    parser.add_argument("--json", action="store_true", help=_JSON_HELP)
    parser.add_argument(
        "-s", "--syscall", action="store_true", help="read through syslog(2) instead of /dev/kmsg"
    )
    parser.add_argument(
        "-o", "--once", action="store_true", help="deliver what is there, then stop"
    )
    parser.add_argument(
        "-x", "--no-translate", action="store_true", help="load no symbols, translate nothing"
    )
    parser.add_argument(
        "-p",
        "--reload-on-oops",
        action="store_true",
        help="reload the symbols at every Oops",
    )
    _add_renamed(parser, "--paranoid")
    parser.add_argument(
        "-c",
        "--console-level",
        type=_console_level,
        metavar="N",
        help="what the console shows, 1 to 8",
    )
    parser.add_argument(
        "-n",
        "--foreground",
        action="store_true",
        help="stay in the foreground" if drop_in else _NOT_GIVEN,
    )
    parser.add_argument(
        "--user", type=_text, metavar="NAME", help="go on as this user once what needs root is open"
    )
    parser.add_argument(
        "--pid-file",
        type=_text,
        metavar="FILE",
        help="keep a pid file here" + (" (/run/klogd.pid)" if drop_in else ""),
    )
    parser.add_argument("-d", "--debug", action="store_true", help="the same as --log-level debug")
    parser.add_argument("--log-level", choices=LOG_LEVELS, help="how much to say of itself")
    reload = parser.add_mutually_exclusive_group()
    reload.add_argument(
        "-i",
        dest="reload",
        action="store_const",
        const="SIGUSR1",
        help="have the running daemon read module symbols anew",
    )
    reload.add_argument(
        "-I",
        dest="reload",
        action="store_const",
        const="SIGUSR2",
        help="have the running daemon read map and symbols anew",
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
    filtering.add_argument(
        "files",
        nargs="*",
        default=[],
        metavar="FILE",
        help="text of any kind (default: standard input)",
    )
    looking = add(
        "lookup", "print which symbol contains an address, where a symbol is, or why there is none"
    )
    looking.add_argument(
        "addresses",
        type=_text,
        nargs="+",
        metavar="ADDRESS",
        help="hexadecimal, with or without 0x; or a symbol: NAME[+OFFSET[/SIZE]]",
    )
    mapping = add("maps", "print every candidate System.map and whether it belongs to the kernel")
    asking = add("status", "show the daemon's status")
    asking.add_argument(
        "--socket",
        type=_text,
        metavar="FILE",
        help="where the daemon listens (default: status.socket of the configuration)",
    )
    examining = add("doctor", "check this machine, and print what is wrong and how to solve it")
    checking = add("check-config", "read the configuration and say whether it is right")
    for answering in (looking, mapping, asking, examining, checking):
        answering.add_argument("--json", action="store_true", help=_JSON_HELP)
    checking.add_argument(
        "file_to_check",
        type=_text,
        nargs="?",
        default="",
        metavar="FILE",
        help="default: /etc/klogd-py.toml",
    )


class _Renamed(argparse.Action):
    """An option that was renamed: an error that names the new one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        assert option_string is not None
        parser.error(f"option {option_string} is now {RENAMED_OPTIONS[option_string]}")


def _add_renamed(parser: argparse.ArgumentParser, *options: str) -> None:
    for option in options:
        parser.add_argument(option, nargs="?", action=_Renamed, help=argparse.SUPPRESS)


def _text(text: str) -> str:
    """A text that can stand in messages and documents, which bytes that are not UTF-8 cannot."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise argparse.ArgumentTypeError(f"expected UTF-8, got {text!r}")
    return text


def _sink(text: str) -> str:
    kind, _, path = text.partition(":")
    spec = f"{kind}:{Path(path).absolute()}" if path and path != "-" and "\0" not in path else text
    wrong = value_types.check_sink(spec)
    if wrong:
        raise argparse.ArgumentTypeError(f"expected {wrong}, got {text!r}")
    return spec


def _slide(text: str) -> int:
    if not _HEX.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"expected a hexadecimal number such as 0x1a000000, got {text!r}"
        )
    return int(text, 16)


def _console_level(text: str) -> int:
    if text not in tuple("12345678"):
        raise argparse.ArgumentTypeError(f"expected one digit from 1 to 8, got {text!r}")
    return int(text)
