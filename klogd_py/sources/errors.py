# SPDX-License-Identifier: GPL-2.0-or-later
"""The base of the exceptions of this package."""


class SourceError(Exception):
    """Kernel messages cannot be read, or have a form that no kernel writes."""


class InputFailed(SourceError):
    """An input is binary, or is damaged or cut off; says which one, and why."""
