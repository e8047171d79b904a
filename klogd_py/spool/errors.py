# SPDX-License-Identifier: GPL-2.0-or-later
"""The exceptions of this package."""


class SpoolError(Exception):
    """The spool cannot be used as asked; the message says why."""


class SpoolNotUsable(SpoolError):
    """The directory of the reports is missing, or cannot be read, written or locked."""


class BrokenReport(SpoolError):
    """A file of the spool is no report; the message has its name and the reason."""


class NoSuchReport(SpoolError):
    """No report has this name."""


class AmbiguousName(SpoolError):
    """Several reports or issues begin with this name; the message lists some of them."""
