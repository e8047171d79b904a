# SPDX-License-Identifier: GPL-2.0-or-later
"""One attempt to have a sink take entries: whatever it raises becomes an outcome, and no single
entry can block it for ever.

An entry that a sink cannot take for an unexpected reason would be tried again and again, and hold
up all that come after it. It is found by halves, and sent in a plain form: its text in ASCII,
without fields and names, at the time of now.
"""

import time
from collections.abc import Callable, Sequence

from klogd_py.record.types import USER, Entry, Record, Severity
from klogd_py.sinks import Sink, SinkDown, SinkFailed

MAX_PLAIN = 8192
_LAST_NUMBER, _LAST_PREFIX = (1 << 63) - 1, 2047
# Facility 0 would claim that the kernel wrote it
_UNKNOWN_PREFIX = USER << 3 | Severity.WARNING


def attempt(
    sink: Sink, entries: Sequence[Entry], tell: Callable[[Exception], None]
) -> tuple[int, SinkDown | None]:
    """How many entries a sink took, and why not more if it is down; the only part that may run in a
    thread.

    ``tell`` hears of what nobody foresaw.
    """
    taken = 0
    most = len(entries)
    while taken < len(entries):
        part = entries[taken : taken + most]
        count, error = _once(sink, part)
        taken += count
        if error is None and count < len(part):
            # It is full
            return taken, None
        if isinstance(error, SinkFailed):
            tell(error.cause)
            if len(part) - count > 1:
                most = (len(part) - count) // 2
                continue
            count, again = _once(sink, [_plainly(entries[taken])])
            taken += count
            # So it is not the entry
            if not count:
                return taken, again or error
        elif error is not None:
            return taken, error
        most = len(entries)
    return taken, None


def _once(sink: Sink, entries: Sequence[Entry]) -> tuple[int, SinkDown | None]:
    try:
        return sink.send(entries), None
    except SinkDown as error:
        return error.accepted, error
    # Nothing that a sink runs into may end the daemon
    except OSError as error:
        return 0, SinkDown(str(error))
    except Exception as error:
        return 0, SinkFailed(error)


def _plainly(entry: Entry) -> Entry:
    """The entry in the form that is the easiest to send.

    What can be relied on of its numbers stays.
    """
    record = entry.record
    text = ascii(entry.text)[1:-1][:MAX_PLAIN]
    seq, usec = _sane(record.seq, _LAST_NUMBER), _sane(record.usec, _LAST_NUMBER)
    prefix = None if record.prefix is None else _sane(record.prefix, _LAST_PREFIX, _UNKNOWN_PREFIX)
    plain = Record(
        text, prefix, seq, usec, unparsed=True, parts=() if seq is None else record.parts
    )
    return Entry(plain, time.time_ns() // 1000, text, (), entry.gap, entry.is_own)


def _sane(number: int | None, last: int, otherwise: int | None = None) -> int | None:
    return number if number is not None and 0 <= number <= last else otherwise
