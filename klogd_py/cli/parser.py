# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse the command line: options anywhere, the first other word is the command.

Options may stand before and behind the command, single letters may be joined (``-nc4``), and a
value may be attached (``--map=FILE``, ``-kFILE``) or be the next word. A next word that begins with
``-`` is no value, except ``-`` alone. Long options cannot be abbreviated. Behind ``--`` no word is
an option.

argparse was considered. With it, an option before the command must be an option of every command,
no argument can follow an option that follows an argument, and messages and help pages differ from
one version of Python to the next.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from klogd_py.cli.command_line import Command, CommandLine, Program
from klogd_py.cli.options import HELP, SIGNALS, VERSION, Option
from klogd_py.cli.usage_error import UsageError, did_you_mean, find_nearest, quote
from klogd_py.config.renamed import RENAMED_OPTIONS


class Parsed(Struct, frozen=True):
    """A command line, and the command that it is for."""

    command: Command
    line: CommandLine


class _Given(Struct, frozen=True):
    """An option as it was typed; ``text`` is ``None`` where it has no value."""

    flag: str
    text: str | None


class _Words(Struct, frozen=True):
    """The words of a command line, sorted into options and other words."""

    options: list[_Given]
    operands: list[str]


def parse(program: Program, words: Sequence[str]) -> Parsed:
    """Parse the words behind the name of the program.

    Where ``--help`` or ``--version`` is given, nothing else is checked but the names.

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


def find_command(program: Program, name: str, *before: str) -> Command:
    """Return the command of a name; ``before`` is what was typed before it.

    Raises:
        UsageError: there is none.
    """
    found = program.find_command(name)
    if found is not None:
        return found
    nearest = find_nearest(name, [str(command.name) for command in program.commands])
    raise UsageError(
        f"no command {quote(name)}",
        None if nearest is None else did_you_mean(program.name, *before, nearest),
    )


def _parse(program: Program, words: Sequence[str]) -> Parsed:
    found = _sort(program, words)
    command, operands = program.daemon, tuple(found.operands)
    if operands and program.commands:
        command, operands = find_command(program, operands[0]), operands[1:]
    known = command.options_by_flag
    for given in found.options:
        if given.flag not in known:
            raise _foreign_option(program, command, given.flag)
    for option in (HELP, VERSION):
        if any(given.flag in option.flags for given in found.options):
            return Parsed(command, CommandLine(program.name, {option.name: True}))
    values = _values(found.options, known)
    operands = _check_operands(program, command, operands)
    if command.operands is not None and command.operands.option is not None and any(operands):
        values[command.operands.option] = operands[0]
    return Parsed(command, CommandLine(program.name, values, operands))


def _sort(program: Program, words: Sequence[str]) -> _Words:
    """Tell options and their values from other words. An option has the same form everywhere."""
    known: dict[str, Option] = {}
    for command in program.all_commands:
        known |= command.options_by_flag
    found = _Words([], [])
    left = deque(words)
    while left:
        word = left.popleft()
        if word == "--":
            found.operands.extend(left)
            break
        if word == "-" or not word.startswith("-"):
            found.operands.append(word)
            continue
        for given in _flags_of(word, known):
            if given.flag not in known:
                raise _unknown_option(program, _guess_command(program, words), given.flag)
            found.options.append(_with_text(given, known[given.flag], left))
    return found


def _flags_of(word: str, known: Mapping[str, Option]) -> Iterator[_Given]:
    """Yield the options of one word with the values attached to them: ``-nc4``, ``--map=FILE``."""
    if word.startswith("--"):
        flag, equals, text = word.partition("=")
        yield _Given(flag, text if equals else None)
        return
    letters = word[1:]
    while letters:
        flag, letters = f"-{letters[0]}", letters[1:]
        if flag in known and known[flag].metavar is not None:
            yield _Given(flag, letters.removeprefix("=") if letters else None)
            return
        yield _Given(flag, None)


def _with_text(given: _Given, option: Option, left: deque[str]) -> _Given:
    """Return an option with its value, attached or taken from the words that are left."""
    if option.metavar is None:
        if given.text is not None:
            raise UsageError(f"option {given.flag} takes no value")
        return given
    if given.text is not None:
        return given
    if not left or (left[0].startswith("-") and left[0] != "-"):
        raise UsageError(f"option {given.flag} needs a value: {given.flag} {option.metavar}")
    return _Given(given.flag, left.popleft())


def _values(options: Sequence[_Given], known: Mapping[str, Option]) -> dict[str, object]:
    """Return the values of options by name: of all that were given of one name, the last.

    The value of an option that may be repeated is the list of its values.
    """
    if {flag for option in SIGNALS.options for flag in option.flags} <= {o.flag for o in options}:
        raise UsageError("options -i and -I exclude each other")
    values: dict[str, object] = {}
    lists: dict[str, list[object]] = {}
    for given in options:
        option = known[given.flag]
        value = _convert(given, option)
        if option.repeats:
            lists.setdefault(option.name, []).append(value)
        else:
            values[option.name] = value
    return values | lists


def _convert(given: _Given, option: Option) -> object:
    if given.text is None:
        return option.const
    try:
        return option.convert(given.text)
    except UsageError as error:
        raise UsageError(f"option {given.flag}: {error}") from error


def _check_operands(program: Program, command: Command, operands: Sequence[str]) -> tuple[str, ...]:
    name, taken = program.invocation_of(command), command.operands
    if taken is None:
        if operands:
            raise UsageError(f"{name} takes no argument, got {quote(operands[0])}")
        return ()
    if len(operands) < taken.minimum:
        raise UsageError(f"{name} needs an argument: {taken.usage}")
    if taken.maximum is not None and len(operands) > taken.maximum:
        raise UsageError(f"{name} takes one {taken.metavar}, got {len(operands)}")
    try:
        return tuple(map(taken.convert, operands))
    except UsageError as error:
        raise UsageError(f"{taken.metavar}: {error}") from error


def _unknown_option(program: Program, command: Command, flag: str) -> UsageError:
    if flag in RENAMED_OPTIONS:
        return UsageError(f"option {flag} is now {RENAMED_OPTIONS[flag]}")
    name = program.invocation_of(command)
    # A mistyped letter is as near to every other letter.
    long_flags = [known for known in command.options_by_flag if known.startswith("--")]
    nearest = find_nearest(flag, long_flags) if flag.startswith("--") else None
    return UsageError(
        f"{name} has no option {quote(flag)}",
        None if nearest is None else did_you_mean(name, nearest),
    )


def _foreign_option(program: Program, command: Command, flag: str) -> UsageError:
    """Return the error about an option that other commands take."""
    takers = [
        other.name or "the daemon"
        for other in program.all_commands
        if flag in other.options_by_flag
    ]
    *some, last = takers
    which = f"{', '.join(some)} and {last}" if some else last
    return UsageError(f"{command.name or program.name} does not take {flag}, which is for {which}")


def _guess_command(program: Program, words: Sequence[str]) -> Command:
    """Return the command whose name is among the words, for messages about wrong lines."""
    found = (program.find_command(word) for word in words)
    return next((command for command in found if command is not None), program.daemon)
