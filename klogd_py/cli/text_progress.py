# SPDX-License-Identifier: GPL-2.0-or-later
"""Show how far `translate` has come, while nothing is written on the same terminal."""

import sys
from collections.abc import Iterable, Iterator

from klogd_py.pipeline.frame_summary import FrameSummary
from klogd_py.sources.input_file import InputFile
from klogd_py.system.progress import Progress, ProgressLine


class TextProgress:
    """The progress of one text. Mutable: the lines that have been read."""

    def __init__(self, *, reads_twice: bool) -> None:
        """``reads_twice``: first nothing is written."""
        self._line = ProgressLine(sys.stderr)
        self._passes = 2 if reads_twice else 1
        self._lines = self._read_before = 0
        self._writes = not reads_twice

    def watch(
        self, content: InputFile, pieces: Iterable[bytes], frames: FrameSummary | None = None
    ) -> Iterator[bytes]:
        """Yield the pieces of a text, and show the progress between them."""
        if not sys.stderr.isatty() or (self._writes and sys.stdout.isatty()):
            yield from pieces
            return
        try:
            for piece in pieces:
                self._lines += piece.count(b"\n")
                if self._line.is_due:
                    size = content.size
                    self._line.show(
                        Progress(
                            self._read_before + content.position,
                            None if size is None else size * self._passes,
                            self._lines,
                            0 if frames is None else frames.named,
                        )
                    )
                yield piece
        finally:
            self._line.erase()

    def begin_again(self, content: InputFile) -> None:
        """Note that the text is read again, and written."""
        self._read_before, self._lines, self._writes = content.position, 0, True
