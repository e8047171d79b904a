# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the value types of the filters of sinks: severities, subsystems, regular expressions.

Source of truth: dmesg(1) and journalctl(1) for the names of severities.
"""

import re
import warnings
from collections.abc import Sequence
from typing import Annotated

from klogd_py.config.errors import WrongText
from klogd_py.config.value_types import MAX_ENTRIES, Length, Range, TextCheck

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
LEAST_SEVERE = len(SEVERITIES) - 1
MAX_EXPRESSION_CHARS = 1000
# dmesg has other names for some.
_ALIASES = {"warn": "warning", "error": "err", "panic": "emerg"}
_WORD = re.compile(r"[!-~]{1,64}")


def severity_number(value: str | int) -> int:
    """Return the number of a severity that is given by name or number; raises WrongText."""
    text = str(value)
    text = _ALIASES.get(text, text)
    if text in SEVERITIES:
        return SEVERITIES.index(text)
    if text in map(str, range(len(SEVERITIES))):
        return int(text)
    raise WrongText(f"{', '.join(SEVERITIES)}, or 0 to {LEAST_SEVERE}")


def check_severity(text: str) -> None:
    """Check for the name or the number of a severity."""
    severity_number(text)


def check_word(text: str) -> None:
    """Check for the name of a subsystem."""
    if not _WORD.fullmatch(text):
        raise WrongText("the name of a subsystem such as 'usb', up to 64 characters")


def check_expression(text: str) -> None:
    """Check for a regular expression of Python.

    An empty one is a mistake: it is found in every text.
    """
    if not 0 < len(text) <= MAX_EXPRESSION_CHARS or not text.isprintable():
        raise WrongText(f"a regular expression of 1 to {MAX_EXPRESSION_CHARS} printable characters")
    try:
        compile_expression(text)
    except re.error as error:
        at = "" if error.pos is None else f" at character {error.pos + 1}"
        raise WrongText(f"a regular expression ({error.msg}{at})") from error
    except (OverflowError, RecursionError, MemoryError) as error:
        raise WrongText(f"a simpler regular expression ({error})") from error


def compile_expression(text: str) -> re.Pattern[str]:
    """Compile an expression that `check_expression` accepts."""
    with warnings.catch_warnings():
        # `re` warns of what a later version may read in another way.
        warnings.simplefilter("ignore")
        return re.compile(text)


def as_tuple(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the strings of a key that has one string or a list of them; none without a value."""
    return (value,) if isinstance(value, str) else tuple(value or ())


_Word = Annotated[str, TextCheck(check_word, "a name or a list of names")]
_Expression = Annotated[str, TextCheck(check_expression, "a regular expression or a list of them")]
Words = _Word | Annotated[tuple[_Word, ...], Length(0, MAX_ENTRIES, "name")]
Expressions = _Expression | Annotated[tuple[_Expression, ...], Length(0, MAX_ENTRIES, "expression")]
SeverityLimit = (
    Annotated[str, TextCheck(check_severity, "the name or the number of a severity")]
    | Annotated[int, Range(0, LEAST_SEVERE)]
)
