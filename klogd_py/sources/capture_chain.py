# SPDX-License-Identifier: GPL-2.0-or-later
"""Read several captures one after the other as one source, and open those that a user names.

The files of a log that was rotated are one stream: what a boot in one of them shows holds for the
rest of that boot in the next. All others are streams of their own.
"""

import os
from collections.abc import Sequence

from msgspec import Struct

from klogd_py.record.selection import Following
from klogd_py.record.types import Gap, Record
from klogd_py.sources.capture import Capture, open_capture
from klogd_py.sources.errors import InputFailed
from klogd_py.sources.rotation import group_rotated
from klogd_py.sources.source import Source, SourceUnavailable


class _Opened(Struct, frozen=True):
    """The captures of one stream that could be opened, and why others could not."""

    captures: list[Capture]
    failures: list[str]


class CaptureChain:
    """Captures as one source. Mutable: those that are left."""

    def __init__(self, captures: Sequence[Capture], failures: Sequence[str]) -> None:
        """``failures`` say why other inputs cannot be read. They are told before any record."""
        self.name = ", ".join(capture.name for capture in captures)
        self.exhausted = False
        self.remark: str | None = None
        self._left = list(captures)
        # Of those that have been read
        self._read_bytes = 0
        self._failures = list(failures)

    def fileno(self) -> int:
        """The descriptor of the capture that is being read."""
        return self._left[0].fileno() if self._left else -1

    @property
    def done_bytes(self) -> int:
        """How many bytes of all inputs have been read."""
        return self._read_bytes + sum(capture.content.position for capture in self._left[:1])

    @property
    def total_bytes(self) -> int | None:
        """The size of all inputs; ``None`` if it is not known."""
        sizes = [capture.content.size for capture in self._left]
        known = [size for size in sizes if size is not None]
        return self._read_bytes + sum(known) if len(known) == len(sizes) else None

    def read_batch(self) -> list[Record | Gap]:
        """Read the records of the next chunk; a chunk ends with its file.

        Raises:
            InputFailed: one of the inputs cannot be read, or not to its end.
        """
        if self._failures:
            raise InputFailed(self._failures.pop(0))
        while self._left:
            capture = self._left[0]
            items = capture.read_batch()
            if self.remark is None:
                self.remark, capture.remark = capture.remark, None
            if items or not capture.exhausted:
                return items
            self._read_bytes += capture.content.position
            capture.close()
            del self._left[0]
        self.exhausted = True
        return []

    def drain_pending(self) -> list[Record | Gap]:
        """Return what has come of an unfinished record."""
        return self._left[0].drain_pending() if self._left else []

    def seek(self, seq: int) -> bool:
        """Return False, as `Capture` does."""
        return False

    def close(self) -> None:
        """Close the captures that are left."""
        for capture in self._left:
            capture.close()
        self._left.clear()


def open_streams(
    paths: Sequence[str], form: str, following: Following = Following.NO
) -> list[Source]:
    """Open the inputs that a user names, one source for each stream.

    Of several inputs, those that cannot be opened are told by the first source.

    Raises:
        SourceUnavailable: none of them can be opened.
    """
    if len(paths) == 1:
        return [CaptureChain([open_capture(paths[0], form, following)], ())]
    grouped = group_rotated(paths, os.path.exists)
    groups = [_open_group(group, form, following) for group in grouped]
    failures = [failure for group in groups for failure in group.failures]
    streams = [group.captures for group in groups if group.captures]
    if not streams:
        raise SourceUnavailable("\n".join(failures))
    return [
        CaptureChain(captures, failures if number == 0 else ())
        for number, captures in enumerate(streams)
    ]


def _open_group(paths: Sequence[str], form: str, following: Following) -> _Opened:
    """Open the files of one log; only the last one can grow."""
    found = _Opened([], [])
    for path in paths:
        grows = following if path == paths[-1] else Following.NO
        if following is Following.NEW and path != paths[-1]:
            continue
        try:
            found.captures.append(open_capture(path, form, grows))
        except SourceUnavailable as error:
            found.failures.append(str(error))
    return found
