# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the positions of all sinks in their file, and tells the operator once what is wrong with
it.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from klogd_py.sinks.cursor_file import CursorFile, CursorFileInUse, CursorsNotSaved

logger = logging.getLogger(__name__)


class CursorStore:
    """The ledger of one run, opened when a sink first needs it. Mutable."""

    def __init__(self, path: str, boot_id: str, newest: Callable[[], int | None]) -> None:
        """``path`` may be empty, for a run that remembers nothing.

        ``newest`` reads the highest number in the ring.
        """
        self._path = path
        self._boot_id = boot_id
        self._newest = newest
        self._file: CursorFile | None = None
        # Why the position could not be saved the last time
        self._complaint = ""

    def open(self) -> None:
        """Lock and read the file, if there is to be one; raises CursorFileInUse."""
        if not self._path or self._file is not None:
            return
        self._file = cursor_file = CursorFile(Path(self._path), self._boot_id, locked=True)
        newest = None if cursor_file.is_empty else self._newest()
        if newest is not None:
            cursor_file.drop_beyond(newest)
        if cursor_file.remark:
            logger.warning("%s", cursor_file.remark)

    def next_seq(self, sink: str) -> int | None:
        """The sequence number that a sink wants next; ``None`` if it is new."""
        return self._file.next_seq(sink) if self._file else None

    def ahead(self, sink: str) -> tuple[int, ...]:
        """The numbers beyond that one which the sink has had already."""
        return self._file.ahead(sink) if self._file else ()

    def save(
        self, positions: Mapping[str, int], ahead: Mapping[str, Collection[int]] | None = None
    ) -> None:
        """Write down what moved; a failure is told once and stops nothing."""
        if self._file is None:
            return
        try:
            self._file.save(positions, ahead)
        except (CursorsNotSaved, CursorFileInUse) as error:
            if str(error) != self._complaint:
                logger.warning("position not saved, a restart sends records again: %s", error)
            self._complaint = str(error)
        else:
            self._complaint = ""

    def close(self) -> None:
        """Let another daemon have the file."""
        if self._file is not None:
            self._file.close()
