"""Reads a file at any offset as if its bytes were in memory, without mapping it.

Whoever touches what a mapped file has lost, since it was truncated in place, is ended by SIGBUS. Here such bytes read as
zeros. Blocks that a bisection comes back to are kept, the rest is left to the page cache.

Source of truth: pread(2); posix_fadvise(2).
"""

import os
import weakref
from collections.abc import Iterator
from pathlib import Path

from klogd_py.regular_file import open_regular

BLOCK_BYTES = 4096
MOST_BLOCKS = 512
_PIECE_BYTES = 1 << 18  # of a search that leaves its first block


class FileBytes:
    """The bytes of an open regular file, by the methods of `bytes` that searching needs. Closes the file when it goes.

    Mutable only in that blocks are kept; several threads may read.
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
        return self._bytes(start, end) if start < end else b""

    def find(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """The lowest offset from ``start`` on at which ``wanted`` lies whole before ``end``; -1 if there is none."""
        end = self._length if end is None else min(end, self._length)
        for here, there in _pieces(start, end, len(wanted)):
            found = self._bytes(here, there).find(wanted)
            if found >= 0:
                return here + found
        return -1

    def rfind(self, wanted: bytes, start: int = 0, end: int | None = None) -> int:
        """The highest such offset; -1 if there is none."""
        end = self._length if end is None else min(end, self._length)
        for here, there in _pieces_backwards(start, end, len(wanted)):
            found = self._bytes(here, there).rfind(wanted)
            if found >= 0:
                return here + found
        return -1

    def _bytes(self, start: int, end: int) -> bytes:
        first, last = start // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        if first == last:
            return self._block(first)[start % BLOCK_BYTES : end - first * BLOCK_BYTES]
        if last == first + 1:  # a line over the edge of a block
            return self._block(first)[start % BLOCK_BYTES :] + self._block(last)[: end - last * BLOCK_BYTES]
        return self._read(start, end - start)

    def _block(self, number: int) -> bytes:
        block = self._blocks.get(number)
        if block is None:
            block = self._read(number * BLOCK_BYTES, BLOCK_BYTES)
            if len(self._blocks) >= MOST_BLOCKS:
                self._blocks.clear()
            self._blocks[number] = block
        return block

    def _read(self, offset: int, count: int) -> bytes:
        """What the file has there, and zeros for what it has lost."""
        try:
            raw = os.pread(self._descriptor, count, offset)
            while 0 < len(raw) < count and (more := os.pread(self._descriptor, count - len(raw), offset + len(raw))):
                raw += more
        except OSError:  # a disk that fails, a file of another machine that has gone
            raw = b""
        return raw if len(raw) == count else raw.ljust(count, b"\0")


def opened(path: Path) -> FileBytes:
    """A regular file; raises OSError, of which NotRegularFile is one."""
    return FileBytes(open_regular(path))


Buffer = bytes | FileBytes


def _pieces(start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover all from ``start`` to ``end``, overlapping so that nothing of ``width`` bytes is parted."""
    here, there = start, min((start // BLOCK_BYTES + 1) * BLOCK_BYTES, end)
    while here < there:
        yield here, there
        if there == end:
            return
        here, there = max(there - width + 1, start), min(there + _PIECE_BYTES, end)


def _pieces_backwards(start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """The same from the end on."""
    here, there = max((end - 1) // BLOCK_BYTES * BLOCK_BYTES, start), end
    while here < there:
        yield here, there
        if here == start:
            return
        here, there = max(here - _PIECE_BYTES, start), min(here + width - 1, end)
