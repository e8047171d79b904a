# SPDX-License-Identifier: GPL-2.0-or-later
"""Forms in which programs write the lines of a kernel log."""

import json
from collections.abc import Callable


def stamped(at: int, text: str) -> str:
    """As dmesg does: ``[    5.000100] text``."""
    return f"[    5.{at * 100:06d}] {text}\n"


def _journal(at: int, text: str) -> str:
    fields = {
        "MESSAGE": text,
        "PRIORITY": "4",
        "SYSLOG_FACILITY": "0",
        "_TRANSPORT": "kernel",
        "_SOURCE_MONOTONIC_TIMESTAMP": str(5_000_000 + at * 100),
    }
    return json.dumps(fields) + "\n"


FORMS: dict[str, Callable[[int, str], str]] = {
    "plain": lambda at, text: f"{text}\n",
    "dmesg": stamped,
    "raw": lambda at, text: f"<4>[    5.{at * 100:06d}] {text}\n",
    "kmsg": lambda at, text: f"4,{at + 7},{5_000_000 + at * 100},-;{text}\n",
    "caller": lambda at, text: f"[    5.{at * 100:06d}][   T77] {text}\n",
    "syslog": lambda at, text: f"Nov 27 18:00:01 host kernel: [    5.{at * 100:06d}] {text}\n",
    "unstamped": lambda at, text: f"Nov 27 18:00:01 host kernel: {text}\n",
    "iso": lambda at, text: f"2026-11-27T18:00:01.{at * 100:06d}+00:00 host kernel: {text}\n",
    "rfc5424": lambda at, text: f"<4>1 2026-11-27T18:00:01Z host kernel - - - {text}\n",
    "json": _journal,
    "console": lambda at, text: f"host login: [    5.{at * 100:06d}] {text}\n",
}
