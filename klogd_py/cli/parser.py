# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse the command line with argparse: options anywhere, the first other word is the command.

One parser knows the options of all commands, so they may stand before, behind and between the
other words; subparsers accept them only behind the command. The table of commands then tells
whether each option belongs to the command, and checks the arguments. Behind ``--`` no word is an
option. A letter that means something else to another command is that of the command.
"""

import re
from argparse import ArgumentError, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from klogd_py.cli.command_line import Command, CommandLine, Program
from klogd_py.cli.option_parser import add_options, make_parser
from klogd_py.cli.options import HELP, JSON, VERSION
from klogd_py.cli.usage_error import UsageError, did_you_mean, find_nearest, quote
from klogd_py.config.renamed import RENAMED_OPTIONS

_NEGATIVE = re.compile(r"-\d", re.ASCII)
# What argparse says, and what it means here
_PLAIN_WORDS = {
    "expected one argument": "expected a value",
    "ignored explicit argument": "takes no value, got",
    "not allowed with argument": "cannot be combined with",
}


class Parsed(Struct, frozen=True):
    """A command line, and the command that it is for."""

    command: Command
    line: CommandLine


def parse(program: Program, words: Sequence[str]) -> Parsed:
    """Parse the words behind the name of the program.

    Where ``--help`` or ``--version`` is given, arguments are not checked, nor values behind it.

    Raises:
        UsageError: the line is wrong; it has a remedy.
    """
    try:
        return _parse(program, words)
    except UsageError as error:
        if error.remedy is None:
            page = program.invocation_of(_guess_command(program, words))
            error.remedy = f"{program.name}: see {page} --help"
        raise


def find_command(program: Program, words: Sequence[str], *before: str) -> Command:
    """Return the command of its name, one word or two; ``before`` is what was typed before it.

    Raises:
        UsageError: there is none.
    """
    known: Sequence[Command] = program.commands
    found = program.daemon
    for at, word in enumerate(words):
        name = " ".join(words[: at + 1])
        command = next((command for command in known if command.name == name), None)
        if command is None:
            subject = f"{found.name} has no" if at else "no"
            proposed = _propose(word, known)
            raise UsageError(
                f"{subject} command {quote(word)}",
                did_you_mean(program.name, *before, *words[:at], *proposed) if proposed else None,
            )
        found, known = command, command.commands
        if not known:
            break
    return found


def _propose(word: str, known: Sequence[Command]) -> list[str]:
    """Return the words that were probably meant by one that is no command; none if unknown."""
    for command in known:
        operands = command.operands
        if operands is not None and operands.looks_like is not None and operands.looks_like(word):
            return [str(command.name).rpartition(" ")[2], word]
        # "decode" is a command of "reports"
        if any(one.name == f"{command.name} {word}" for one in command.commands):
            return [str(command.name), word]
    nearest = find_nearest(word, [str(command.name).rpartition(" ")[2] for command in known])
    return [] if nearest is None else [nearest]


def _parse(program: Program, words: Sequence[str]) -> Parsed:
    # Versions of argparse differ in how they treat "--".
    end = words.index("--") if "--" in words else len(words)
    parser, given = make_parser(program.name), Namespace()
    likely = _guess_command(program, words[:end])
    commands = (likely, *program.all_commands)
    add_options(parser, (group for command in commands for group in command.groups))
    try:
        _, left = parser.parse_known_args(_with_negative_values(program, words[:end]), given)
    except ArgumentError as error:
        if _asks_for_help(vars(given)):
            line = CommandLine(program.name, vars(given))
            return Parsed(_guess_command(program, words), line)
        message = _in_plain_words(error.message)
        raise UsageError(f"option {error.argument_name}: {message}") from error
    # Some versions of argparse make an empty list of the value "--".
    if [] in vars(given).values():
        raise UsageError('no option can have the value "--"')
    for word in left:
        if word.startswith("-") and word != "-":
            raise _unknown_option(program, _guess_command(program, words), word)
    return _assign(program, vars(given), [*left, *words[end + 1 :]])


def _with_negative_values(program: Program, words: Sequence[str]) -> list[str]:
    """Join ``--since -1h`` to ``--since=-1h``, since argparse takes ``-1h`` for an option."""
    long_flags = {
        flag: option.flags[-1]
        for command in program.all_commands
        for flag, option in command.options_by_flag.items()
        if option.may_be_negative
    }
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in long_flags and _NEGATIVE.match(word):
            joined[-1] = f"{long_flags[joined[-1]]}={word}"
        else:
            joined.append(word)
    return joined


def _assign(program: Program, values: Mapping[str, object], words: Sequence[str]) -> Parsed:
    """Find the command in the words that are no options, and check what it was given."""
    command, operands = program.daemon, words
    if words and program.commands:
        command = find_command(program, words)
        operands = words[len(str(command.name).split()) :]
    taken = {option.name for option in command.options_by_flag.values()}
    for name in values:
        if name not in taken:
            raise _foreign_option(program, command, name)
    if _asks_for_help(values):
        return Parsed(command, CommandLine(program.name, values))
    checked = _check_operands(command, operands)
    if command.operands is not None and command.operands.option is not None and checked:
        values = {**values, command.operands.option: checked[0]}
    return Parsed(command, CommandLine(program.name, values, checked))


def _in_plain_words(message: str) -> str:
    """Return a message of argparse in the words of the other messages."""
    for words, plain in _PLAIN_WORDS.items():
        message = message.replace(words, plain)
    return message


def _asks_for_help(values: Mapping[str, object]) -> bool:
    """Tell whether the help page or the version was asked for."""
    return HELP.name in values or VERSION.name in values


def _check_operands(command: Command, operands: Sequence[str]) -> tuple[str, ...]:
    subject, taken = _subject(command), command.operands
    if taken is None:
        if operands:
            raise UsageError(f"{subject} takes no argument, got {quote(operands[0])}")
        return ()
    if len(operands) < taken.minimum:
        raise UsageError(f"{subject} needs an argument: {taken.usage}")
    if taken.maximum is not None and len(operands) > taken.maximum:
        raise UsageError(f"{subject} takes one {taken.metavar}, got {len(operands)}")
    try:
        return tuple(map(taken.convert, operands))
    except ArgumentTypeError as error:
        raise UsageError(f"{taken.metavar}: {error}") from error


def _unknown_option(program: Program, command: Command, word: str) -> UsageError:
    is_long = word.startswith("--")
    flag = word.partition("=")[0] if is_long else word[:2]
    if flag in RENAMED_OPTIONS:
        return UsageError(f"option {flag} is now {RENAMED_OPTIONS[flag]}")
    name = program.invocation_of(command)
    # A mistyped letter is as near to every other letter.
    long_flags = [known for known in command.options_by_flag if known.startswith("--")]
    nearest = find_nearest(flag, long_flags) if is_long else None
    return UsageError(
        f"{_subject(command)} has no option {quote(flag)}",
        None if nearest is None else did_you_mean(name, nearest),
    )


def _foreign_option(program: Program, command: Command, name: str) -> UsageError:
    """Return the error about an option that other commands take."""
    flags: dict[str, None] = {}
    takers: dict[str, None] = {}
    for other in program.all_commands:
        for flag, option in other.options_by_flag.items():
            if option.name == name:
                flags[flag] = takers[_subject(other)] = None
    if name == JSON.name and "--format" in command.options_by_flag:
        return UsageError(
            f"{_subject(command)} does not take --json",
            did_you_mean(program.invocation_of(command), "--format json"),
        )
    *some, last = takers
    which = f"{', '.join(some)} and {last}" if some else last
    return UsageError(f"{_subject(command)} does not take {'/'.join(flags)}, which is for {which}")


def _subject(command: Command) -> str:
    """Return what a message says of a command, behind the name of the program."""
    return command.name or "the daemon"


def _guess_command(program: Program, words: Sequence[str]) -> Command:
    """Return the command whose name is among the words; that of a wrong line may be none.

    A word behind an option that takes a value is the value.
    """
    with_value = {
        flag
        for command in program.all_commands
        for flag, option in command.options_by_flag.items()
        if option.metavar is not None
    }
    found, prefix = program.daemon, ""
    for before, word in pairwise(("", *words)):
        command = None if before in with_value else program.find_command(prefix + word)
        if command is not None:
            found, prefix = command, f"{command.name} "
            if not command.commands:
                break
    return found
