# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what a source of records is, and wait for one to become readable."""

import asyncio
from typing import Protocol

from klogd_py.record.types import Gap, Record
from klogd_py.sources.errors import SourceError

# Pause between two reads of syslog(2), which cannot be waited for
POLL_S = 0.1


class SourceUnavailable(SourceError, OSError):
    """A kernel log interface cannot be used; the message names it, the reason and the remedy."""


class Source(Protocol):
    """Anything that records are read from.

    ``exhausted``: no more records will ever come. ``remark``: what the operator should be told
    once; ``None`` if there is nothing to tell.
    """

    name: str

    exhausted: bool

    remark: str | None

    def fileno(self) -> int:
        """The descriptor that becomes readable when records are there, or -1 if there is none."""

    def read_batch(self) -> list[Record | Gap]:
        """Read all records that are there now, up to a limit; empty if there are none."""

    def drain_pending(self) -> list[Record | Gap]:
        """Return what has been read but not returned, at the end; usually nothing."""

    def seek(self, seq: int) -> bool:
        """Make the next batch begin at sequence number ``seq``, or at the oldest record after it.

        Returns False if that is not possible.
        """

    def close(self) -> None:
        """Close the descriptor."""


async def wait_readable(source: Source, woken: asyncio.Event) -> None:
    """Wait until a source has something to read, or ``woken`` is set; a regular file always has.

    A poll of the device does not notice a seek in the ring, so whoever seeks sets ``woken``.
    """
    woken.clear()
    if source.fileno() < 0:
        await asyncio.sleep(POLL_S)
        return
    loop = asyncio.get_running_loop()
    try:
        loop.add_reader(source.fileno(), woken.set)
    # epoll(7) refuses regular files.
    except PermissionError:
        return
    try:
        await woken.wait()
    finally:
        loop.remove_reader(source.fileno())
