# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a file at any offset as if its bytes were in memory, without mapping it.

Whoever touches what a mapped file has lost, since it was truncated in place, is ended by SIGBUS.
Here such bytes read as zeros. Blocks that a bisection comes back to are kept, the rest is left to
the page cache.

Source of truth: pread(2); posix_fadvise(2).
"""

import os
import weakref
from pathlib import Path

from klogd_py.system.regular_file import open_regular

BLOCK_BYTES = 4096
MAX_BLOCKS = 512
# Of a search that leaves its first block
_PIECE_BYTES = 1 << 18


class FileBytes:
    """The bytes of an open regular file, by the methods of `bytes` that searching needs.

    Closes the file when it goes. Mutable only in that blocks are kept; several threads may read.
    """

    def __init__(self, descriptor: int) -> None:
        """Take over a descriptor. The length stays what it is now, whatever becomes of the file."""
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        self._length = status.st_size
        self.stamp = (status.st_size, status.st_mtime_ns)
        self._blocks: dict[int, bytes] = {}
        # Bisection reads a block here and there: what the kernel reads ahead of it is all waste.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)

    @property
    def is_cut(self) -> bool:
        """Whether the file has been truncated since."""
        return os.fstat(self._descriptor).st_size < self._length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, where: slice) -> bytes:
        """A copy of a range without a step; as in `bytes`, what lies beyond the end is left out."""
        start, end, _ = where.indices(self._length)
        if start >= end:
            return b""
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if first == last:
            return self._block(first)[start - first * BLOCK_BYTES : end - first * BLOCK_BYTES]
        # A line over the edge of a block
        if last == first + 1:
            return (
                self._block(first)[start - first * BLOCK_BYTES :]
                + self._block(last)[: end - last * BLOCK_BYTES]
            )
        return self._read(start, end - start)

    def find(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """The lowest offset from ``start`` on at which ``wanted`` lies before ``end``.

        -1 if there is none.
        """
        end = self._length if end is None or end > self._length else end
        if start >= end:
            return -1
        # Mostly it is near, and the block will be asked for again.
        first = start // BLOCK_BYTES * BLOCK_BYTES
        there = min(first + BLOCK_BYTES, end)
        found = self._block(first // BLOCK_BYTES).find(wanted, start - first, there - first)
        if found >= 0:
            return first + found
        while there < end:
            # What lies over the edge is looked at again
            here = max(there - len(wanted) + 1, start)
            there = min(there + _PIECE_BYTES, end)
            found = self._read(here, there - here).find(wanted)
            if found >= 0:
                return here + found
        return -1

    def rfind(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """The highest such offset; -1 if there is none."""
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
        """What the file has there, and zeros for what it has lost."""
        try:
            raw = os.pread(self._descriptor, count, offset)
            while 0 < len(raw) < count and (
                more := os.pread(self._descriptor, count - len(raw), offset + len(raw))
            ):
                raw += more
        # A disk that fails, a file of another machine that has gone
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
