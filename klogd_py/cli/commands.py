# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of the commands, one row each, and the programs ``klogd-py`` and ``klogd``.

What a command runs is imported when it runs: what is not used costs no time.
"""

from typing import TYPE_CHECKING

import msgspec

from klogd_py.cli.argument_types import file_name, one_of
from klogd_py.cli.command_line import Command, CommandLine, Operands, Program
from klogd_py.cli.help_page import format_page
from klogd_py.cli.options import (
    CONFIG,
    DAEMON_TRANSLATION,
    HELP,
    INPUT,
    JSON,
    OUTPUT,
    RELEASE,
    ROOT,
    SIGNALS,
    SOCKET,
    SYMBOLS,
    TRANSLATION,
    VERSION,
    Option,
    OptionGroup,
    running,
)
from klogd_py.cli.parser import find_command
from klogd_py.cli.report_commands import REPORTS
from klogd_py.cli.selection_options import SELECTION

if TYPE_CHECKING:
    from klogd_py.config.run_options import RunOptions


def _run_options(line: CommandLine) -> "RunOptions":
    from klogd_py.cli.conversion import to_run_options

    return to_run_options(line)


def _run_daemon(line: CommandLine) -> int:
    from klogd_py.cli import run

    signal_name = line.text("signal")
    if signal_name is not None:
        return run.signal_running_daemon(line, signal_name)
    return run.run(line)


def _run_translate(line: CommandLine) -> int:
    from klogd_py.cli.translate import translate

    return translate(_run_options(line), line.operands)


def _run_lookup(line: CommandLine) -> int:
    from klogd_py.cli.lookup import lookup

    return lookup(_run_options(line), line.operands, as_json=line.has("json"))


def _run_maps(line: CommandLine) -> int:
    from klogd_py.cli.maps import maps

    return maps(_run_options(line), as_json=line.has("json"))


def _run_status(line: CommandLine) -> int:
    from klogd_py.cli.status import status

    return status(_run_options(line), line.text("socket"), as_json=line.has("json"))


def _run_doctor(line: CommandLine) -> int:
    from klogd_py.cli.doctor import doctor

    return doctor(_run_options(line), as_json=line.has("json"))


def _run_schema(line: CommandLine) -> int:
    from klogd_py.cli.json_schema import print_schema

    return print_schema(line.operands[0] if line.operands else SCHEMAS[0])


def _run_check_config(line: CommandLine) -> int:
    from klogd_py.cli.check_config import check_config

    options = _run_options(line)
    # The result names the file as it was typed.
    if line.operands:
        options = msgspec.structs.replace(options, config_path=line.operands[0])
    return check_config(options, as_json=line.has("json"))


def _run_help(line: CommandLine) -> int:
    """Print the page of a command, or of the program without one."""
    named = [find_command(KLOGD_PY, line.operands, "help")] if line.operands else []
    print(format_page(KLOGD_PY, *named or [KLOGD_PY.daemon]), end="")
    return 0


def _options(*options: Option) -> OptionGroup:
    """Return the options of a command that need no title of their own."""
    return OptionGroup("Options", (*options, HELP, _HIDDEN_VERSION))


def _daemon(*, drop_in: bool) -> Command:
    return Command(
        None,
        "read kernel messages, replace the addresses in them by symbols, and deliver them to "
        "syslog, the journal, files or the terminal"
        + ("" if drop_in else ". Without a command this runs until it is stopped"),
        (
            INPUT,
            *(() if drop_in else (SELECTION,)),
            DAEMON_TRANSLATION,
            SYMBOLS,
            OUTPUT,
            running(drop_in=drop_in),
            SIGNALS,
        ),
        _run_daemon,
        "klogd -c 4 -x" if drop_in else "klogd-py --once --sink console",
    )


SCHEMAS = ("record", "report")
# Accepted where it is not needed
_HIDDEN_VERSION = Option(VERSION.flags, VERSION.name, VERSION.help, hidden=True)

_MACHINE = Option(
    ROOT.flags, ROOT.name, "check the files of another machine below DIR", metavar=ROOT.metavar
)

_COMMANDS = (
    Command(
        "translate",
        "copy text to standard output, with symbols for the addresses in it",
        (TRANSLATION, SYMBOLS, _options(CONFIG)),
        _run_translate,
        "klogd-py translate --map System.map-6.12.4 --release 6.12.4 oops.txt",
        # The name of a file may be any bytes.
        Operands("FILE", "any text (default: standard input)", convert=str),
    ),
    Command(
        "lookup",
        "print the symbol at an address, the address of a symbol, or why there is none",
        (SYMBOLS, _options(CONFIG, JSON)),
        _run_lookup,
        "klogd-py lookup ffffffff81078690 vfs_write+0x1d",
        Operands(
            "ADDRESS",
            "hexadecimal, with or without 0x; or a symbol: NAME[+OFFSET[/SIZE]]",
            minimum=1,
        ),
    ),
    Command(
        "maps",
        "print every candidate System.map and whether it belongs to the kernel",
        (SYMBOLS, _options(CONFIG, JSON)),
        _run_maps,
        "klogd-py maps --root /mnt/disk --release 6.12.4",
    ),
    Command(
        "status",
        "show the daemon's status",
        (_options(SOCKET, CONFIG, JSON),),
        _run_status,
        "klogd-py status --json",
    ),
    REPORTS,
    Command(
        "doctor",
        "check this machine, and print what is wrong and how to solve it",
        (_options(_MACHINE, RELEASE, CONFIG, JSON),),
        _run_doctor,
        "sudo klogd-py doctor",
    ),
    Command(
        "check-config",
        "check the configuration",
        (_options(CONFIG, JSON),),
        _run_check_config,
        "klogd-py check-config && systemctl reload klogd-py",
        Operands(
            "FILE",
            "the same as --config FILE",
            maximum=1,
            convert=file_name,
            option="config_path",
        ),
    ),
    Command(
        "schema",
        "print the JSON Schema of the documents of sinks, or of reports",
        (_options(),),
        _run_schema,
        "klogd-py schema report",
        Operands("NAME", "record or report (default: record)", maximum=1, convert=one_of(SCHEMAS)),
    ),
    Command(
        "help",
        "print the page of a command",
        (_options(),),
        _run_help,
        "klogd-py help translate",
        Operands("COMMAND", "the command (default: the page of klogd-py)"),
    ),
)
KLOGD_PY = Program("klogd-py", _daemon(drop_in=False), _COMMANDS, "klogd-py(8), klogd-py.toml(5)")
KLOGD = Program("klogd", _daemon(drop_in=True), (), "klogd(8), klogd-py.toml(5)")
