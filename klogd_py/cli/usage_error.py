# SPDX-License-Identifier: GPL-2.0-or-later
"""Say what is wrong with a command line, and what to type instead."""

from collections.abc import Sequence

from klogd_py.config.value_text import MAX_VALUE_CHARS

# As difflib measures it: 1 is equal
_MIN_SIMILARITY = 0.6


class UsageError(ValueError):
    """The command line is wrong.

    ``remedy`` is a second line for people, such as ``Did you mean: klogd-py status``; ``None``
    refers to the help page of the command.
    """

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


def did_you_mean(*words: str) -> str:
    """Return the line that proposes a command line."""
    return f"Did you mean: {' '.join(words)}"


def find_nearest(word: str, names: Sequence[str]) -> str | None:
    """Return the name that was probably meant by a mistyped word; ``None`` if none is similar.

    The beginning of a name counts, and so do letters that are missing, doubled or in wrong order.
    """
    # Imported here, as only a mistake needs it
    import difflib

    bare = word.lstrip("-")
    begun = [name for name in names if bare and name.lstrip("-").startswith(bare)]
    if len(begun) == 1:
        return begun[0]
    by_bare_name = {name.lstrip("-"): name for name in names}
    found = difflib.get_close_matches(bare, by_bare_name, n=1, cutoff=_MIN_SIMILARITY)
    return by_bare_name[found[0]] if found else None


def quote(word: str) -> str:
    """Return a word in quotation marks: shortened, with escapes for what cannot be printed."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in word[:MAX_VALUE_CHARS])
    return f'"{shown}"' if len(word) <= MAX_VALUE_CHARS else f'"{shown}..."'
