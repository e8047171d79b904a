# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of the command line: programs, their commands, and what was typed."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from klogd_py.cli.argument_types import utf8_text
from klogd_py.cli.options import Option, OptionGroup


class Operands(Struct, frozen=True):
    """The arguments of a command that are no options.

    ``maximum`` is ``None`` if there may be any number. ``convert`` checks one and raises
    ArgumentTypeError. ``option`` is the name of the option that has the same meaning, if there is
    one. ``looks_like`` tells whether a word that stands in the place of a command is one of them.
    """

    metavar: str
    help: str
    minimum: int = 0
    maximum: int | None = None
    convert: Callable[[str], str] = utf8_text
    option: str | None = None
    looks_like: Callable[[str], bool] | None = None

    @property
    def usage(self) -> str:
        """How they stand in the usage: ``FILE...``, ``[FILE]``, ``ADDRESS...``."""
        many = self.metavar if self.maximum == 1 else f"{self.metavar}..."
        return many if self.minimum else f"[{many}]"


class CommandLine(Struct, frozen=True):
    """A command line that was typed: values of options by name, and the other arguments."""

    program: str
    values: Mapping[str, object] = {}
    operands: tuple[str, ...] = ()

    @property
    def is_drop_in(self) -> bool:
        """Whether the program is ``klogd``, with the defaults of the classic one."""
        return self.program == "klogd"

    def has(self, name: str) -> bool:
        """Tell whether an option was given."""
        return name in self.values

    def text(self, name: str) -> str | None:
        """Return the text of an option; ``None`` if it was not given."""
        return str(self.values[name]) if name in self.values else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of an option that may be repeated."""
        found = self.values.get(name)
        return tuple(map(str, found)) if isinstance(found, list) else ()


class Command(Struct, frozen=True):
    """A command: what it takes, and the function that runs it and returns the exit status.

    ``name`` is ``None`` for the daemon, which runs without a command. ``summary`` says what the
    command does, without a capital and a full stop. ``example`` is a whole command line.
    ``commands`` are those that may stand behind it, each with both words in its name: ``reports
    show``; without one of them the command itself runs. ``manual_pages`` are its own, if it has
    any.
    """

    name: str | None
    summary: str
    groups: tuple[OptionGroup, ...]
    run: Callable[[CommandLine], int]
    example: str
    operands: Operands | None = None
    commands: "tuple[Command, ...]" = ()
    manual_pages: str = ""

    @property
    def options_by_flag(self) -> dict[str, Option]:
        """Each option under each of its spellings: ``-k`` and ``--map``."""
        return {
            flag: option
            for group in self.groups
            for option in group.options
            for flag in option.flags
        }


class Program(Struct, frozen=True):
    """A program: what it does without a command, and its commands."""

    name: str
    daemon: Command
    commands: tuple[Command, ...]
    manual_pages: str

    @property
    def all_commands(self) -> tuple[Command, ...]:
        """The daemon and all commands, those of a command behind it."""
        behind = (one for command in self.commands for one in (command, *command.commands))
        return (self.daemon, *behind)

    def find_command(self, name: str) -> Command | None:
        """Return the command of a name such as ``status`` or ``reports show``.

        ``None`` if there is none.
        """
        return next((command for command in self.all_commands if command.name == name), None)

    def invocation_of(self, command: Command) -> str:
        """Return what starts a command: ``klogd-py status``."""
        return self.name if command.name is None else f"{self.name} {command.name}"
