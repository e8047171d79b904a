# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell text from binary files by their first block.

A file of a known kind is named, with the command that prints its text. Any other is binary if many
of its bytes are control characters. Text of any encoding has next to none of them. Runs of NUL
bytes, as a file system leaves them after a crash, and the NUL bytes between records do not count.

Source of truth: the magic numbers of file(1); systemd's journal-def.h; diskdump_mod.h of
makedumpfile.
"""

import re
import shlex

from msgspec import Struct

# So much of a file is looked at
BLOCK_BYTES = 1 << 16
# Control bytes of random data: one in ten
_MAX_CONTROL_SHARE = 0.05
# Fewer are noise, on a serial line for example
_MIN_CONTROL_BYTES = 32
# What noise before the text of a serial line may have
_MIN_CONTROL_BYTES_OF_STREAM = 512
# Bell, backspace, tab, line feed, vertical tab, form feed, carriage return, escape
_TEXT_BYTES = b"\x07\x08\t\n\x0b\x0c\r\x1b" + bytes({*range(0x20, 0x100)} - {0x7F})
_HARMLESS_NULS = re.compile(rb"\0{16,}|(?<=\n)\0")


class _Kind(Struct, frozen=True):
    """A kind of binary file: its magic number, its name, and the command that prints its text.

    ``at`` is the offset of the magic number. The command may be empty.
    """

    magic: bytes
    name: str
    command: str = ""
    at: int = 0


_DUMP = "makedumpfile --dump-dmesg {file} dmesg.txt"
_KINDS = (
    _Kind(b"LPKSHHRH", "a journal file", "journalctl -k -o short-monotonic --file {file}"),
    _Kind(b"\x04\0", "a core dump", "vmcore-dmesg {file}", at=16),
    _Kind(b"\0\x04", "a core dump", "vmcore-dmesg {file}", at=16),
    _Kind(b"\x7fELF", "an ELF file"),
    _Kind(b"KDUMP   ", "a kernel crash dump", _DUMP),
    _Kind(b"DISKDUMP", "a kernel crash dump", _DUMP),
    _Kind(b"makedumpfile\0", "a kernel crash dump", _DUMP),
    _Kind(b"SQLite format 3\0", "an SQLite database"),
    _Kind(b"PK\x03\x04", "a zip archive", "unzip -p {file}"),
    _Kind(b"ustar", "a tar archive", "tar -xOf {file}", at=257),
    _Kind(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so {file}"),
    _Kind(b"Rar!\x1a\x07", "a rar archive", "unrar p -inul {file}"),
    _Kind(b"!<arch>\n", "an ar archive or a Debian package"),
    _Kind(b"\xed\xab\xee\xdb", "an rpm package"),
    _Kind(b"\x04\x22\x4d\x18", "packed with lz4", "lz4 -dc {file}"),
    _Kind(b"\x02\x21\x4c\x18", "packed with lz4", "lz4 -dc {file}"),
    _Kind(b"\x89LZO\0", "packed with lzop", "lzop -dc {file}"),
    _Kind(b"\x1f\x9d", "packed with compress", "zcat {file}"),
    _Kind(b"\x5d\0\0", "packed with lzma", "xz -dc --format=lzma {file}"),
    _Kind(b"\x1f\x8b\x08", "packed several times", "zcat {file}"),
    _Kind(b"\xfd7zXZ\0", "packed several times", "xzcat {file}"),
    _Kind(b"\x28\xb5\x2f\xfd", "packed several times", "zstdcat {file}"),
    _Kind(b"\x89PNG\r\n", "an image"),
    _Kind(b"\xff\xd8\xff", "an image"),
    _Kind(b"GIF8", "an image"),
    _Kind(b"%PDF-", "a PDF document"),
    _Kind(b"\xd4\xc3\xb2\xa1", "a capture of network packets"),
    _Kind(b"\xa1\xb2\xc3\xd4", "a capture of network packets"),
    _Kind(b"\x0a\x0d\x0d\x0a", "a capture of network packets"),
)


class NotText(Struct, frozen=True):
    """What a binary file is, ``a journal file``, and the command for its text.

    The command is empty where there is none.
    """

    kind: str
    command: str = ""

    def describe(self, name: str, *, is_path: bool) -> str:
        """Return what is wrong with the file of a name and, in a second line, what to type."""
        wrong = f"{name}: {self.kind}, not text"
        if not self.command:
            return wrong
        command = self.command.format(file=shlex.quote(name) if is_path else "FILE")
        return f"{wrong}\nklogd-py: for its text type: {command}"


def find_binary(block: bytes, *, is_stream: bool = False) -> NotText | None:
    """Return what a file is whose content begins with ``block``; ``None`` if it is text.

    ``is_stream``: it is a pipe or a terminal, which may begin with noise.
    """
    for kind in _KINDS:
        if block.startswith(kind.magic, kind.at) and (kind.at != 16 or block[:4] == b"\x7fELF"):
            return NotText(kind.name, kind.command)
    block = block[:BLOCK_BYTES]
    least = _MIN_CONTROL_BYTES_OF_STREAM if is_stream else _MIN_CONTROL_BYTES
    if _is_wide(block, least):
        return NotText("UTF-16 without a byte order mark", "iconv -f UTF-16LE -t UTF-8 {file}")
    counted = _HARMLESS_NULS.sub(b"", block)
    # Text may follow on the first few bytes of a stream.
    if block and not counted and (not is_stream or len(block) >= least):
        return NotText("nothing but NUL bytes")
    controls = len(counted.translate(None, _TEXT_BYTES))
    if controls >= least and controls > len(counted) * _MAX_CONTROL_SHARE:
        return NotText("binary")
    return None


def _is_wide(block: bytes, least: int) -> bool:
    """Whether nearly every second byte is NUL, at least so many, and the others are text."""
    low, high = block[0::2], block[1::2]
    return (
        len(high) >= least
        and high.count(0) > len(high) * 0.9
        and len(low.translate(None, _TEXT_BYTES)) < len(low) * _MAX_CONTROL_SHARE
    )
