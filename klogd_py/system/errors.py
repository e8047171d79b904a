# SPDX-License-Identifier: GPL-2.0-or-later
"""An error that nobody foresaw, in words for an operator.

One short line, whatever its message holds.
"""

MAX_CHARACTERS = 200


def in_words(error: BaseException) -> str:
    """Kind and message of an error: ``ValueError('embedded null byte')``."""
    return " ".join(repr(error).split())[:MAX_CHARACTERS]
