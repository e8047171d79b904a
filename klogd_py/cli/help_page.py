# SPDX-License-Identifier: GPL-2.0-or-later
"""Format the help pages, with argparse, for a terminal of 80 columns.

Versions of argparse differ in details: before Python 3.13, ``-k FILE, --map FILE`` stands where
later ones have ``-k, --map FILE``.
"""

import textwrap

from klogd_py.cli.command_line import Command, Program
from klogd_py.cli.option_parser import WIDTH, add_options, make_parser


def format_page(program: Program, command: Command) -> str:
    """Return the help page of a command or of the daemon."""
    summary = f"{command.summary[0].upper()}{command.summary[1:]}."
    parser = make_parser(
        program.invocation_of(command),
        _usage(program, command),
        textwrap.fill(summary, WIDTH),
        f"Example:\n  {command.example}\n\n"
        f"Manual pages: {command.manual_pages or program.manual_pages}",
    )
    listed = program.commands if command is program.daemon else command.commands
    if listed:
        rows = parser.add_argument_group("Commands")
        for other in listed:
            rows.add_argument(str(other.name), help=other.summary)
    if command.operands is not None:
        rows = parser.add_argument_group("Arguments")
        rows.add_argument(command.operands.metavar, help=command.operands.help)
    add_options(parser, command.groups)
    return parser.format_help()


def _usage(program: Program, command: Command) -> str:
    words = [program.invocation_of(command), "[OPTION]..."]
    if command.operands is not None:
        words.append(command.operands.usage)
    lines = [" ".join(words)]
    if command is program.daemon and program.commands:
        lines.append(f"       {program.name} COMMAND [OPTION]... [ARGUMENT]...")
    if command.commands:
        lines.append(f"       {program.invocation_of(command)} COMMAND [OPTION]... [ARGUMENT]...")
    return "\n".join(lines)
