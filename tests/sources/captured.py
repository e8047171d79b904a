# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a capture to its end."""

from pathlib import Path

from klogd_py.record.types import Gap, Record
from klogd_py.sources.capture import open_capture


def read(path: Path, content: bytes | None, form: str = "auto") -> list[Record | Gap]:
    if content is not None:
        path.write_bytes(content)
    capture = open_capture(str(path), form)
    found: list[Record | Gap] = []
    while not capture.exhausted:
        found += capture.read_batch()
    capture.close()
    return found
