# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py schema``: print the JSON Schema of the documents that sinks write."""

from pathlib import Path

import klogd_py

FILE = Path(klogd_py.__file__).with_name("record.schema.json")


def print_schema() -> int:
    """Print the schema that belongs to this version. Returns 0."""
    print(FILE.read_text(encoding="utf-8"), end="")
    return 0
