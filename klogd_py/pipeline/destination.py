# SPDX-License-Identifier: GPL-2.0-or-later
"""Define where a pipeline delivers: to the sinks, or to what merges several pipelines."""

from collections.abc import Callable, Sequence
from typing import Protocol

from klogd_py.record.types import Entry


class Destination(Protocol):
    """What takes the entries of a pipeline; `klogd_py.sinks.manager.SinkManager` is one."""

    def enqueue(self, entries: Sequence[Entry]) -> None:
        """Take a batch."""

    async def wait_for_room(self) -> None:
        """Wait until more may be read."""

    async def wait_until_drained(self) -> None:
        """Wait until what was taken has been sent."""

    def on_reread(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` when `reread_at_s` may be another time, and not ``None``."""

    @property
    def reread_at_s(self) -> float | None:
        """From which time of the event loop on the source should be read again.

        ``None`` if it need not be, or not before something else happens.
        """

    @property
    def reread_from(self) -> int | None:
        """The sequence number from which on it is to be read again now; ``None`` if it is not."""

    def resume(self, seq: int) -> None:
        """Take entries again, because the source is read from this number on."""

    def any_sink_between(self, seq: int, other: int) -> bool:
        """Whether some sink has one of two records but not the other."""

    @property
    def all_gone(self) -> bool:
        """Whether nothing will ever be taken again."""
