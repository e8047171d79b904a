# SPDX-License-Identifier: GPL-2.0-or-later
"""Open the cursor file when a sink first needs it, and log once why it cannot be used."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from klogd_py.record.sequence import Position
from klogd_py.sinks.cursor_file import CursorFile
from klogd_py.sinks.cursor_format import CursorError

logger = logging.getLogger(__name__)


class CursorStore:
    """The saved positions of one run. Mutable."""

    def __init__(
        self, path: Path | None, boot_id: str | None, newest_seq: Callable[[], int | None]
    ) -> None:
        """``path`` is the cursor file; ``None`` to save nothing.

        ``newest_seq`` returns the highest sequence number in the ring buffer, ``None`` if unknown.
        """
        self._path = path
        self._boot_id = boot_id
        self._newest_seq = newest_seq
        self._file: CursorFile | None = None
        # Why the last `save` failed; `None` if it did not
        self._save_error: str | None = None

    def open(self) -> None:
        """Lock and read the file, unless that is done; raises CursorFileInUse."""
        if self._path is None or self._file is not None:
            return
        self._file = cursor_file = CursorFile(self._path, self._boot_id, locked=True)
        newest = None if cursor_file.is_empty else self._newest_seq()
        if newest is not None:
            cursor_file.drop_beyond(newest)
        if cursor_file.remark is not None:
            logger.warning("%s", cursor_file.remark)

    def position(self, sink: str) -> Position | None:
        """Return what a sink has accepted; ``None`` if it is new."""
        return self._file.position(sink) if self._file else None

    def hand_over(self, old: str, new: str) -> None:
        """Give the position of a sink to the one that has taken its place under another name."""
        if self._file is not None:
            self._file.hand_over(old, new)

    def save(self, positions: Mapping[str, Position]) -> None:
        """Save the positions that changed; a failure is logged once."""
        if self._file is None:
            return
        try:
            self._file.save(positions)
        except CursorError as error:
            if str(error) != self._save_error:
                logger.warning("position not saved, a restart sends records again: %s", error)
            self._save_error = str(error)
        else:
            self._save_error = None

    def close(self) -> None:
        """Close and unlock the file."""
        if self._file is not None:
            self._file.close()
