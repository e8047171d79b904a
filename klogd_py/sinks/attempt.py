# SPDX-License-Identifier: GPL-2.0-or-later
"""Try to send entries to a sink, and turn whatever it raises into an outcome.

An entry that a sink cannot send because of an unexpected error would be retried without end and
block all entries after it. It is found by bisection and sent in a plain form: its text in ASCII,
without fields and symbols, with the present time.
"""

import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from klogd_py.record.types import USER, Entry, Record, Severity
from klogd_py.sinks import Sink, SinkDown, SinkError, SinkFailed

# Characters of the text in the plain form
MAX_PLAIN_CHARS = 8192
_MAX_NUMBER, _MAX_PREFIX = (1 << 63) - 1, 2047
# Facility 0 would claim that the kernel wrote it.
_UNKNOWN_PREFIX = USER << 3 | Severity.WARNING


class Outcome(Struct, frozen=True):
    """How many entries a sink accepted, and the error that ended it.

    Fewer than all without an error: the sink is full.
    """

    accepted: int
    error: SinkError | None = None


def try_send(sink: Sink, entries: Sequence[Entry], report: Callable[[Exception], None]) -> Outcome:
    """Send entries to a sink; ``report`` is called with unexpected errors.

    Only this function may run in a thread.
    """
    accepted = 0
    limit = len(entries)
    while accepted < len(entries):
        part = entries[accepted : accepted + limit]
        outcome = _send_once(sink, part)
        accepted += outcome.accepted
        rest = len(part) - outcome.accepted
        # The sink is full.
        if outcome.error is None and rest:
            return Outcome(accepted)
        if isinstance(outcome.error, SinkFailed):
            report(outcome.error.cause)
            if rest > 1:
                limit = rest // 2
                continue
            plain = _send_once(sink, [_plain_form(entries[accepted])])
            accepted += plain.accepted
            # The entry is not the cause.
            if not plain.accepted:
                return Outcome(accepted, plain.error or outcome.error)
        elif outcome.error is not None:
            return Outcome(accepted, outcome.error)
        limit = len(entries)
    return Outcome(accepted)


def _send_once(sink: Sink, entries: Sequence[Entry]) -> Outcome:
    try:
        return Outcome(sink.send(entries))
    except SinkError as error:
        return Outcome(error.accepted, error)
    except OSError as error:
        return Outcome(0, SinkDown(str(error)))
    # No error of a sink may end the daemon.
    except Exception as error:
        return Outcome(0, SinkFailed(error))


def _plain_form(entry: Entry) -> Entry:
    """Return the entry in the form that is easiest to send; numbers out of range are left out."""
    record = entry.record
    text = ascii(entry.text)[1:-1][:MAX_PLAIN_CHARS]
    seq, usec = _in_range(record.seq, _MAX_NUMBER), _in_range(record.usec, _MAX_NUMBER)
    prefix = (
        None if record.prefix is None else _in_range(record.prefix, _MAX_PREFIX, _UNKNOWN_PREFIX)
    )
    plain = Record(
        text, prefix, seq, usec, unparsed=True, parts=() if seq is None else record.parts
    )
    return Entry(plain, time.time_ns() // 1000, text, (), entry.gap, entry.is_own)


def _in_range(number: int | None, maximum: int, default: int | None = None) -> int | None:
    return number if number is not None and 0 <= number <= maximum else default
