# SPDX-License-Identifier: GPL-2.0-or-later
"""Show values of the configuration in messages, at limited length."""

from collections.abc import Sequence

MAX_VALUE_CHARS = 80
MAX_DIGITS = 20


def format_choices(values: Sequence[object]) -> str:
    """Return the values that a key may have: ``'wait' or 'drop'``."""
    *others, last = map(repr, values)
    return f"{', '.join(others)} or {last}" if others else last


def format_value(value: object) -> str:
    """Return a value for a message: shortened, and with control characters escaped."""
    if isinstance(value, int) and not -(10**MAX_DIGITS) < value < 10**MAX_DIGITS:
        # str() refuses integers of more than 4,300 digits, and takes quadratic time below that.
        return f"a number of more than {MAX_DIGITS} digits"
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
        return f"{value[:MAX_VALUE_CHARS]!r} and {len(value) - MAX_VALUE_CHARS} characters more"
    return repr(value)
