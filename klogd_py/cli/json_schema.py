# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py schema``: print the JSON Schema of the documents of sinks, or of reports."""

from pathlib import Path

import klogd_py


def print_schema(name: str) -> int:
    """Print the schema ``record`` or ``report`` of this version. Returns 0."""
    file = Path(klogd_py.__file__).with_name(f"{name}.schema.json")
    print(file.read_text(encoding="utf-8"), end="")
    return 0
