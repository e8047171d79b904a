# SPDX-License-Identifier: GPL-2.0-or-later
"""Read text in pieces of whole lines, and write it."""

from collections.abc import Callable, Iterator

from klogd_py.sources.input_file import CHUNK_BYTES, InputFile
from klogd_py.system.standard_streams import write_output

# A longer line comes in several pieces
MAX_PIECE_BYTES = 1 << 20


def read_pieces(
    content: InputFile, due_in_s: Callable[[], float | None] = lambda: None
) -> Iterator[bytes]:
    """Read an input in pieces that end with a line feed, except for the last.

    ``due_in_s`` limits each wait in seconds; an empty piece means that this time has passed. A
    line that is longer than MAX_PIECE_BYTES comes in several pieces, so that memory and time have
    a bound.
    """
    tail = b""
    while True:
        wait_s = due_in_s()
        if wait_s is not None and not content.is_readable(wait_s):
            yield b""
            continue
        chunk = content.read(CHUNK_BYTES)
        if not chunk:
            if content.ended:
                break
            continue
        head, line_feed, rest = chunk.rpartition(b"\n")
        if line_feed:
            yield tail + head + line_feed
            tail = rest
        else:
            tail += chunk
            if len(tail) > MAX_PIECE_BYTES:
                yield tail
                tail = b""
    if tail:
        yield tail


def write_all(data: bytes) -> None:
    """Write all of ``data`` to standard output; an OSError has its name."""
    rest = memoryview(data)
    while rest:
        rest = rest[write_output(rest) :]
