# SPDX-License-Identifier: GPL-2.0-or-later
"""The base of this package's exceptions, and an exception in one line for an operator.

`describe_expected` is for errors whose message says what is wrong. `describe_unexpected` is for
errors that no code answers: it shows the kind of the exception as well.
"""

MAX_CHARACTERS = 200


class SystemOperationError(OSError):
    """An operation on files, processes or threads that is refused or impossible; says why."""


def describe_unexpected(error: BaseException) -> str:
    """Return kind and message of an error: ``ValueError('embedded null byte')``.

    At most `MAX_CHARACTERS` characters, in one line.
    """
    return " ".join(repr(error).split())[:MAX_CHARACTERS]


def describe_expected(error: Exception) -> str:
    """Return the message of an error, without the number of an OSError.

    ``/run/klogd.pid: Permission denied`` for an OSError with a file name.
    """
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
