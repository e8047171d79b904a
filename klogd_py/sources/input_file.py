# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the content of a file, a pipe or a terminal, packed or not.

What is packed with gzip, xz, bzip2 or zstd is unpacked, whatever its name is; text in UTF-16 with a
byte order mark becomes UTF-8. All other text comes unchanged. A binary file is refused. Of a file
that is damaged or cut off, all that can be read comes first; then `InputFile.failure` says why it
ended.
"""

import codecs
import contextlib
import os
import select
import stat
import sys

from klogd_py.record.selection import Following
from klogd_py.sources.binary_content import find_binary
from klogd_py.sources.source import SourceUnavailable
from klogd_py.system.nested_unpacking import NestedUnpacker
from klogd_py.system.unpacking import HEAD_BYTES, UnpackingFailed, may_be_packed, packed_form

CHUNK_BYTES = 1 << 18
STANDARD_INPUT = "standard input"
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def is_readable(descriptor: int, wait_s: float) -> bool:
    """Whether a read returns within ``wait_s`` seconds, even if only with the end of the input.

    poll(2), since select(2) cannot wait for descriptors above 1023.
    """
    asked = select.poll()
    asked.register(descriptor, select.POLLIN)
    return bool(asked.poll(wait_s * 1000))


def has_news(path: str, descriptor: int, position: int) -> bool:
    """Whether a file that is followed has grown, was truncated, or was replaced."""
    return os.fstat(descriptor).st_size != position or is_replaced(path, descriptor)


def is_replaced(path: str, descriptor: int) -> bool:
    """Whether a path leads to another file than the one that is open."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(descriptor))
    # The next file has not been made yet.
    except OSError:
        return False


class InputFile:
    """The content of one open input. Mutable: how far it has been read.

    ``position`` counts the bytes that have been read of the file itself, packed as it is.
    ``is_followed``: the file may grow.
    ``ended``: nothing more will come; ``failure`` says why, where that is not the end of the file.
    """

    def __init__(self, descriptor: int, name: str, following: Following = Following.NO) -> None:
        """Take over a descriptor, unless it is standard input.

        A regular file that is followed has the path ``name``: another file that takes its place is
        opened, and one that was truncated is read from its start.

        The first block of a regular file is read at once, so that `failure` refuses a binary one.
        """
        self.name = name
        self.is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._descriptor = descriptor
        self._begin()
        self.is_followed = self.is_regular and following is not Following.NO
        if self.is_regular and following is Following.NEW:
            self.position = os.lseek(descriptor, 0, os.SEEK_END)
        # /proc/kmsg calls itself regular, and has no content yet.
        if self.is_regular and is_readable(descriptor, 0):
            self._first = self._read_first()

    def _begin(self) -> None:
        self.position = 0
        self.ended = False
        self.failure: str | None = None
        # Content that was read and not returned
        self._first = b""
        self._content_begun = False
        # Too few bytes to know whether the input is packed
        self._head = b""
        self._unpacker: NestedUnpacker | None = None
        self._decoder: codecs.IncrementalDecoder | None = None

    def fileno(self) -> int:
        """The descriptor, to wait until it is readable; -1 for a file that is followed."""
        return -1 if self.is_followed else self._descriptor

    @property
    def has_content(self) -> bool:
        """Whether some content has been read that `read` has not returned."""
        return bool(self._first)

    @property
    def size(self) -> int | None:
        """The size of the file itself; ``None`` if it is not a regular one."""
        return os.fstat(self._descriptor).st_size if self.is_regular else None

    @property
    def modified_s(self) -> float | None:
        """When a regular file was changed last, in seconds since the Unix epoch."""
        return os.fstat(self._descriptor).st_mtime if self.is_regular else None

    def is_readable(self, wait_s: float) -> bool:
        """Whether `read` returns within ``wait_s`` seconds."""
        has_more = self._unpacker is not None and self._unpacker.has_more
        if self._first or has_more or self.ended:
            return True
        if self.is_followed:
            return has_news(self.name, self._descriptor, self.position)
        return is_readable(self._descriptor, wait_s)

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """Return about ``size`` bytes of content.

        Empty at the end, which `ended` tells, and where a pipe has given too few packed bytes.
        """
        if self._first:
            first, self._first = self._first, b""
            return first
        while not self.ended:
            content = self._read_content(size)
            if content and not self._content_begun:
                content = self._begin_content(content)
            if self._decoder is not None:
                content = self._decoder.decode(content, self.ended).encode("utf-8", "replace")
            if content or not self.is_regular or self.is_followed:
                return content
        return b""

    def rewind(self) -> None:
        """Begin again with the first byte of a regular file."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._begin()

    def close(self) -> None:
        """Close the input unless it is standard input."""
        if self._descriptor != 0:
            os.close(self._descriptor)

    def _read_first(self) -> bytes:
        """Read the first block, so that a binary file is refused before anything is written."""
        try:
            return self.read()
        # A read says so again.
        except OSError:
            return b""

    def _read_content(self, size: int) -> bytes:
        """Return the next bytes, unpacked; empty at the end, or if more packed ones are needed."""
        try:
            if self._unpacker is not None and self._unpacker.has_more:
                piece = self._unpacker.take(size)
                # A pipe may have no more bytes now.
                if piece or not self.is_regular:
                    return piece
            raw = os.read(self._descriptor, size)
            self.position += len(raw)
            if self.position == len(self._head) + len(raw):
                is_short = bool(raw) and self.position < HEAD_BYTES
                raw, self._head = self._head + raw, b""
                # A pipe may give one byte at a time.
                if is_short and may_be_packed(raw):
                    self._head = raw
                    return b""
                if (form := packed_form(raw[:HEAD_BYTES])) is not None:
                    self._unpacker = NestedUnpacker(form)
            if not raw and self.is_followed and self._unpacker is None:
                self._take_up_new_file()
                return b""
            if self._unpacker is None:
                self.ended = not raw
                return raw
            self._unpacker.feed(raw)
            piece = self._unpacker.take(size)
            if not raw and not piece:
                self.ended = True
                self._unpacker.finish()
            return piece
        except UnpackingFailed as error:
            self._fail(f"{self.name}: {error}")
            return b""

    def _begin_content(self, content: bytes) -> bytes:
        """Look at the first block of the content; a binary one is not returned."""
        self._content_begun = True
        for mark, encoding in _ENCODINGS:
            if content.startswith(mark):
                self._decoder = codecs.getincrementaldecoder(encoding)("replace")
                return content
        found = find_binary(content, is_stream=not self.is_regular)
        if found is None:
            return content
        self._fail(found.describe(self.name, is_path=self.is_regular))
        return b""

    def _take_up_new_file(self) -> None:
        """Go on with the file that has taken the place of this one, or with a truncated file."""
        if is_replaced(self.name, self._descriptor):
            with contextlib.suppress(OSError):
                descriptor = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
                os.close(self._descriptor)
                self._descriptor, self.position = descriptor, 0
        elif os.fstat(self._descriptor).st_size < self.position:
            self.position = os.lseek(self._descriptor, 0, os.SEEK_SET)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.ended = True


def open_input(path: str, following: Following = Following.NO) -> InputFile:
    """Open a path, or standard input for ``-``.

    Raises:
        SourceUnavailable: it cannot be opened, or is a binary file; the message says which.
    """
    if path == "-":
        return InputFile(sys.stdin.fileno(), STANDARD_INPUT)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(21, "Is a directory")
    except OSError as error:
        raise SourceUnavailable(f"{path}: {error.strerror}") from error
    found = InputFile(descriptor, path, following)
    if found.failure is not None and not found.has_content:
        found.close()
        raise SourceUnavailable(found.failure)
    return found
