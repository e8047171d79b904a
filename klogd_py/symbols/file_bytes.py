# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a file at any offset as if its bytes were in memory, without mapping it.

A process that touches the part of a mapped file which was truncated meanwhile is killed by SIGBUS.
Here such bytes read as zeros. Blocks that a bisection comes back to are kept in memory; the rest is
left to the page cache.

Source of truth: pread(2); posix_fadvise(2).
"""

import os
import weakref
from pathlib import Path

from msgspec import Struct

from klogd_py.system.regular_file import open_regular

BLOCK_BYTES = 4096
MAX_BLOCKS = 512
# Read at once by a search that leaves its first block
_PIECE_BYTES = 1 << 18


class FileStamp(Struct, frozen=True):
    """The size of a file and its modification time in nanoseconds: another one, another file."""

    size_bytes: int = 0
    modified_ns: int = 0


class FileBytes:
    """The bytes of an open regular file, with the methods of `bytes` that a search needs.

    Closes the file when it is collected. Mutable only in its cache of blocks; several threads may
    read. ``stamp`` tells whether it has changed since.
    """

    def __init__(self, descriptor: int, stamp: FileStamp | None = None) -> None:
        """Take over a descriptor. The length stays what it is now, even if the file changes.

        ``stamp`` is that of the packed file whose content this is.
        """
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        self._length = status.st_size
        self.stamp = stamp or FileStamp(status.st_size, status.st_mtime_ns)
        self._blocks: dict[int, bytes] = {}
        # A bisection reads single blocks, so that readahead is waste.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    @property
    def is_cut(self) -> bool:
        """Whether the file has been truncated since it was opened."""
        return os.fstat(self._descriptor).st_size < self._length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, where: slice) -> bytes:
        """Return a copy of a range without a step; cut at the end of the file, as in `bytes`."""
        start, end, _ = where.indices(self._length)
        if start >= end:
            return b""
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if first == last:
            return self._block(first)[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES]
        # A line that crosses the border of two blocks
        if last == first + 1:
            return (
                self._block(first)[start - first * BLOCK_BYTES :]
                + self._block(last)[: end - last * BLOCK_BYTES]
            )
        return self._read(start, end - start)

    def find(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """Return the lowest offset of ``wanted`` from ``start`` to ``end``; -1 if there is none."""
        end = self._length if end is None or end > self._length else end
        if start >= end:
            return -1
        # Most matches are near, and the block will be needed again.
        first = start // BLOCK_BYTES * BLOCK_BYTES
        there = min(first + BLOCK_BYTES, end)
        found = self._block(first // BLOCK_BYTES).find(wanted, start - first, there - first)
        if found >= 0:
            return first + found
        while there < end:
            # A match may cross the border of two pieces
            here = max(there - len(wanted) + 1, start)
            there = min(there + _PIECE_BYTES, end)
            found = self._read(here, there - here).find(wanted)
            if found >= 0:
                return here + found
        return -1

    def rfind(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """Return the highest such offset; -1 if there is none."""
        end = self._length if end is None or end > self._length else end
        if start >= end:
            return -1
        first = (end - 1) // BLOCK_BYTES * BLOCK_BYTES
        here = first if first > start else start
        found = self._block(first // BLOCK_BYTES).rfind(wanted, here - first, end - first)
        if found >= 0:
            return first + found
        while here > start:
            there = min(here + len(wanted) - 1, end)
            here = max(here - _PIECE_BYTES, start)
            found = self._read(here, there - here).rfind(wanted)
            if found >= 0:
                return here + found
        return -1

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            block = self._read(number * BLOCK_BYTES, BLOCK_BYTES)
            if len(self._blocks) >= MAX_BLOCKS:
                self._blocks.clear()
            self._blocks[number] = block
        return block

    def _read(self, offset: int, count: int) -> bytes:
        """Return the bytes of the file, with zeros where it was truncated."""
        try:
            raw = os.pread(self._descriptor, count, offset)
            while 0 < len(raw) < count and (
                more := os.pread(self._descriptor, count - len(raw), offset + len(raw))
            ):
                raw += more
        # A failing disk, or a network file system that is gone
        except OSError:
            raw = b""
        return raw if len(raw) == count else raw.ljust(count, b"\0")


def open_file(path: Path) -> FileBytes:
    """Open a regular file.

    Raises:
        OSError: it cannot be opened; NotRegularFile if it is something else.
    """
    return FileBytes(open_regular(path))


Buffer = bytes | FileBytes


def bisect_lines(
    lines: Buffer, digits: int, value: int, low: int, high: int, near: int = 0
) -> range:
    """Bisect lines that begin with ascending addresses of ``digits`` hexadecimal digits.

    Returns the offsets from a line at or below ``value`` to a line above it, or to the end: at
    most ``near``, or with no line between them.
    """
    while high - low > near:
        middle = (low + high) // 2
        start = lines.rfind(b"\n", low, middle) + 1
        if start <= low:
            start = lines.find(b"\n", middle, high) + 1
            if start == 0 or start >= high:
                break
        try:
            below = int(lines[start : start + digits], 16) <= value
        except ValueError:
            below = False
        if below:
            low = start
        else:
            high = start
    return range(low, high)
