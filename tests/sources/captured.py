# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a capture to its end."""

from pathlib import Path

from klogd_py.record.types import Gap, Record
from klogd_py.sources.capture import Capture, open_capture


def read(path: Path, content: bytes | None = None, form: str = "auto") -> list[Record | Gap]:
    if content is not None:
        path.write_bytes(content)
    capture = open_capture(str(path), form)
    found = read_to_end(capture)
    capture.close()
    return found


def read_records(path: Path, text: str) -> list[Record]:
    return [item for item in read(path, text.encode()) if isinstance(item, Record)]


def read_to_end(capture: Capture) -> list[Record | Gap]:
    found: list[Record | Gap] = []
    while not capture.exhausted:
        found += capture.read_batch()
    return found
