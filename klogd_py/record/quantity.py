# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a number with its noun."""


def quantity(number: int, noun: str, plural: str = "") -> str:
    """``1 boot``, ``2 boots``; ``plural`` is that of a noun that takes no ``s`` alone."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
