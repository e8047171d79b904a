# SPDX-License-Identifier: GPL-2.0-or-later
"""Format the help pages for a terminal of 80 columns."""

import textwrap
from collections.abc import Iterable, Sequence

from klogd_py.cli.command_line import Command, Program
from klogd_py.cli.options import Option

WIDTH = 80
# The column in which the explanations begin
_INDENT = 28


def format_page(program: Program, command: Command) -> str:
    """Return the help page of a command or of the daemon."""
    summary = f"{command.summary[0].upper()}{command.summary[1:]}."
    blocks = [_usage(program, command), textwrap.fill(summary, WIDTH)]
    if command is program.daemon and program.commands:
        rows = [_row(f"  {other.name}", other.summary) for other in program.commands]
        blocks.append(_block("Commands", rows))
    if command.operands is not None:
        blocks.append(
            _block("Arguments", [_row(f"  {command.operands.metavar}", command.operands.help)])
        )
    for group in command.groups:
        shown = [option for option in group.options if not option.hidden]
        if shown:
            blocks.append(_block(group.title, [_row(_spelling(o), o.help) for o in shown]))
    blocks.append(_block("Example", [f"  {command.example}"]))
    blocks.append(f"Manual pages: {program.manual_pages}")
    return "\n\n".join(blocks) + "\n"


def _usage(program: Program, command: Command) -> str:
    words = [program.invocation_of(command)]
    if any(not option.hidden for group in command.groups for option in group.options):
        words.append("[OPTION]...")
    if command.operands is not None:
        words.append(command.operands.usage)
    lines = [f"Usage: {' '.join(words)}"]
    if command is program.daemon and program.commands:
        lines.append(f"       {program.name} COMMAND [OPTION]... [ARGUMENT]...")
    return "\n".join(lines)


def _block(title: str, rows: Iterable[str]) -> str:
    return "\n".join([f"{title}:", *rows])


def _spelling(option: Option) -> str:
    """Return the spellings in columns: ``  -k, --map FILE``, ``      --live``."""
    long_only = option.flags[0].startswith("--")
    return (
        ("      " if long_only else "  ")
        + ", ".join(option.flags)
        + (f" {option.metavar}" if option.metavar else "")
    )


def _row(head: str, text: str) -> str:
    """Return an entry and its explanation, which begins in a line of its own if it must."""
    lines: Sequence[str] = textwrap.wrap(
        text, WIDTH - _INDENT, break_on_hyphens=False, break_long_words=False
    )
    first, *others = lines if len(head) + 2 <= _INDENT else ["", *lines]
    below = [" " * _INDENT + line for line in others]
    return "\n".join([f"{head:{_INDENT}}{first}".rstrip(), *below])
