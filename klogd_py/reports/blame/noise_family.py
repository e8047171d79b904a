# SPDX-License-Identifier: GPL-2.0-or-later
"""Define a family of functions that are never to blame."""

from msgspec import Struct


class NoiseFamily(Struct, frozen=True):
    """Functions that report, check or serve others, and why they are not to blame.

    ``names`` are whole plain names, ``stems`` regular expressions of their beginnings.
    """

    name: str
    reason: str
    names: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()


def family(name: str, reason: str, names: str = "", stems: str = "") -> NoiseFamily:
    """Make a row of a table: names and stems are separated by blanks."""
    return NoiseFamily(name, reason, frozenset(names.split()), tuple(stems.split()))
