# SPDX-License-Identifier: GPL-2.0-or-later
"""Split what was read into the messages of the kernel.

The text of a record is one message, or several lines of one. In a capture a line may hold more: a
console writes ``login: `` before the stamp of the kernel, or two messages into one line. There the
first stamp begins a message, and each other stamp another one.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from klogd_py.record.types import Entry
from klogd_py.reports.raw_report import ReportLine

_STAMP_PATTERN = re.compile(r"\[ {0,12}(\d{1,11})\.(\d{6})\](?:\[ {0,12}([TC]\d{1,10})\])? ?")


# A console waits for a user to log in
_PROMPT_PATTERN = re.compile(r"(?:\S{1,64} )?login: ")


class Message(Struct, frozen=True, gc=False):
    """The lines of one message, when it was printed, and by whom.

    ``usec`` and ``caller`` are those of `klogd_py.record.types.Record`; ``host`` is the machine.
    """

    lines: tuple[ReportLine, ...]
    usec: int | None
    caller: str
    host: str = ""

    @property
    def text(self) -> str:
        """The first line of the message."""
        return self.lines[0].text

    @property
    def whole_text(self) -> str:
        """All its lines."""
        return self.text if len(self.lines) == 1 else "\n".join(one.text for one in self.lines)


def messages_of(entry: Entry, *, may_be_joined: bool) -> Iterator[Message]:
    """Return the messages of an entry, each with at least one line.

    ``may_be_joined``: it is from a capture, whose lines may hold several messages.
    """
    record, text = entry.record, entry.text
    host = record.machine.host if record.machine is not None else ""
    usec, caller = record.usec, record.caller
    if may_be_joined and "[" in text:
        start = 0
        for found in _STAMP_PATTERN.finditer(text):
            if head := text[start : found.start()].strip():
                yield Message(_lines(entry, head), usec, caller, host)
            seconds, microseconds, stated_caller = found.groups()
            usec = int(seconds) * 1_000_000 + int(microseconds)
            caller = stated_caller or ""
            start = found.end()
        if start:
            if not text[start:].strip():
                return
            text = text[start:]
    if may_be_joined and (prompt := _PROMPT_PATTERN.match(text)) is not None:
        text = text[prompt.end() :]
    yield Message(_lines(entry, text), usec, caller, host)


def _lines(entry: Entry, text: str) -> tuple[ReportLine, ...]:
    lines = text.rstrip().split("\n") if "\n" in text else (text,)
    # Before Linux 4.14 a message may begin with a line feed.
    kept = [line.rstrip("\r") for line in lines if line.strip()] or [""]
    return tuple(ReportLine(entry.record, line, entry.wall_us) for line in kept)
