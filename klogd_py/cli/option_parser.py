# SPDX-License-Identifier: GPL-2.0-or-later
"""Make parsers of argparse from the tables of options, to parse a line or to format a help page."""

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable

from klogd_py.cli.options import OptionGroup

# Columns of a help page, and the column in which explanations begin
WIDTH = 80
_EXPLANATION = 28


def make_parser(
    name: str, usage: str | None = None, description: str | None = None, epilog: str | None = None
) -> ArgumentParser:
    """Return a parser without options. It raises `argparse.ArgumentError`, and never exits."""
    return ArgumentParser(
        name,
        usage,
        description,
        epilog,
        formatter_class=_make_formatter,
        argument_default=SUPPRESS,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
    )


def add_options(parser: ArgumentParser, groups: Iterable[OptionGroup]) -> None:
    """Add the options of all groups; of two with the same flag, the first one has it."""
    known: set[str] = set()
    for group in groups:
        titled = parser.add_argument_group(group.title)
        place = titled.add_mutually_exclusive_group() if group.is_exclusive else titled
        for option in group.options:
            flags = [flag for flag in option.flags if flag not in known]
            if not flags:
                continue
            known.update(flags)
            text = SUPPRESS if option.hidden else option.help
            if option.metavar is None:
                place.add_argument(
                    *flags,
                    dest=option.name,
                    action="store_const",
                    const=option.const,
                    help=text,
                )
            else:
                place.add_argument(
                    *flags,
                    dest=option.name,
                    action="append" if option.repeats else "store",
                    type=option.convert,
                    metavar=option.metavar,
                    help=text,
                )


def _make_formatter(prog: str) -> RawDescriptionHelpFormatter:
    # Without a width, a formatter asks for that of the terminal; one is made for each option.
    return RawDescriptionHelpFormatter(prog, max_help_position=_EXPLANATION, width=WIDTH)
