# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell from their names which files are one log that was rotated, and put them in order.

``kern.log``, ``kern.log.1`` and ``kern.log.2.gz`` are one, and so are ``kern.log-20261120.xz`` and
``kern.log``. The file without a number or a date is the newest.

Source of truth: logrotate(8); savelog(8); the option -b of busybox syslogd.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

_ROTATED = re.compile(
    r"(?P<log>.+?)(?:\.(?P<number>\d{1,4})|[.-](?P<date>\d{8}(?:[-_.]?\d{2,6})?))"
    r"(?:\.(?:gz|xz|zst|bz2))?",
    re.DOTALL,
)


class _Name(Struct, frozen=True):
    """The name of a log, and where a file stands among its rotated ones: the oldest is lowest."""

    log: str
    age: tuple[int, str | int]


def group_rotated(paths: Sequence[str], exists: Callable[[str], bool]) -> list[list[str]]:
    """Group the files that are one log, the oldest of each first.

    A name such as ``oops.1`` is that of a rotated log only if ``oops`` ``exists`` or is among the
    paths. The groups stand in the order of their first paths.
    """
    groups: dict[str, list[tuple[tuple[int, str | int], str]]] = {}
    for path in paths:
        name = _parse(path)
        if name.log != path and name.log not in paths and not exists(name.log):
            name = _Name(path, (2, 0))
        groups.setdefault(name.log, []).append((name.age, path))
    return [[path for _, path in sorted(group)] for group in groups.values()]


def _parse(path: str) -> _Name:
    found = _ROTATED.fullmatch(path)
    if found is None:
        return _Name(path, (2, 0))
    if found["number"] is not None:
        return _Name(found["log"], (1, -int(found["number"])))
    return _Name(found["log"], (0, found["date"]))
