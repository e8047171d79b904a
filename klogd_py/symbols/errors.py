# SPDX-License-Identifier: GPL-2.0-or-later
"""The base of the exceptions of this package."""


class SymbolsError(ValueError):
    """A file cannot be used as a source of symbols; says why."""
