# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the times of a report that somebody else may have written. Pure."""

import re
from datetime import datetime

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")


def find_wrong_time(*moments: str) -> str | None:
    """Return the first that is neither empty nor an ISO 8601 time in UTC; ``None`` if none is.

    ``2026-11-27T18:04:05.231004Z`` is right. Such times can be compared as texts, and shown in any
    zone: those of the first and the last year cannot.
    """
    return next((one for one in moments if one and not _is_time(one)), None)


def _is_time(text: str) -> bool:
    if _TIME.fullmatch(text) is None:
        return False
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return False
    return datetime.min.year < found.year < datetime.max.year
