# SPDX-License-Identifier: GPL-2.0-or-later
"""Check and convert the values of command line options.

Each function raises ArgumentTypeError, to which argparse adds the names of the option.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from pathlib import Path

from klogd_py.config.errors import WrongText
from klogd_py.config.sink_shorthand import make_absolute, parse_shorthand
from klogd_py.config.value_text import format_value

_HEX = re.compile(r"-?(0x)?[0-9a-f]{1,64}", re.IGNORECASE | re.ASCII)


def utf8_text(text: str) -> str:
    """Return the text unchanged; refuse bytes that are not UTF-8."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ArgumentTypeError(f"expected UTF-8, got {format_value(text)}")
    return text


def file_name(text: str) -> str:
    """Return the name of a file unchanged; an empty one would stand for the current directory."""
    if not text:
        raise ArgumentTypeError("expected the name of a file, got ''")
    return utf8_text(text)


def sink(text: str) -> str:
    """Return a sink such as ``file:/var/log/kern.log``, its path made absolute."""
    shorthand = make_absolute(text, Path.cwd())
    try:
        parse_shorthand(shorthand)
    except WrongText as error:
        raise ArgumentTypeError(f"expected {error}, got {format_value(text)}") from error
    return shorthand


def slide(text: str) -> int:
    """Return the number of a KASLR slide such as ``0x1a000000``."""
    if not _HEX.fullmatch(text):
        raise ArgumentTypeError(
            f"expected a hexadecimal number such as 0x1a000000, got {format_value(text)}"
        )
    return int(text, 16)


def console_level(text: str) -> int:
    """Return a console log level from 1 to 8."""
    if text not in tuple("12345678"):
        raise ArgumentTypeError(f"expected one digit from 1 to 8, got {format_value(text)}")
    return int(text)


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a function that returns its argument if it is one of ``choices``."""

    def check(text: str) -> str:
        if text not in choices:
            raise ArgumentTypeError(
                f"expected {', '.join(choices[:-1])} or {choices[-1]}, got {format_value(text)}"
            )
        return text

    return check
