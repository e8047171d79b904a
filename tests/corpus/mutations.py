# SPDX-License-Identifier: GPL-2.0-or-later
"""Change in a log what differs from one occurrence of a crash to the next, and from one way of
reading it to another. What happened stays the same.
"""

import re
from collections.abc import Callable
from random import Random

_STAMP = re.compile(r"^(<\d{1,3}>)?\[ {0,12}(\d{1,10})\.(\d{6})\](\[ {0,12}[TC]\d{1,10}\])? ?")
_ANY_STAMP = re.compile(r"\[ {0,12}(\d{1,10})\.(\d{6})\]")
_TEXT_ADDRESS = re.compile(r"\bffffffff([89])([0-9a-f]{7})\b")
_PLACE = re.compile(r"\b([a-z_][\w]{2,60})\+0x([0-9a-f]{1,6})/0x([0-9a-f]{1,6})")
# arm: "(nic_poll) from [<c0101234>] (net_rx+0x1f/0x40)"
_CALLED = re.compile(r"\(([a-z_]\w{2,60})\) from")
_DOUBTFUL_FRAME = re.compile(r"^[^\n]*[\] ]\? [\w.]+\+0x[^\n]*\n", re.MULTILINE)
_MODULE = re.compile(r"(\+0x[0-9a-f]+/0x[0-9a-f]+ )\[([a-z][\w]+)\]")
_SLIDE = 0x1C00000
_LATER_S = 1000


def _shifted(found: re.Match[str]) -> str:
    return f"{int(found[0], 16) + _SLIDE:x}"


def _later(found: re.Match[str]) -> str:
    return f"[{int(found[1]) + _LATER_S:5d}.{found[2]}]"


def without_stamp(line: str) -> str:
    """A line without the stamp and the caller at its beginning."""
    return _STAMP.sub("", line)


def _behind(prefix: str) -> Callable[[str], str]:
    """Other text in the place of the stamp, as other programs write it."""

    def change(log: str) -> str:
        lines, stamp = [], next(iter(_ANY_STAMP.findall(log)), ("12", "000000"))
        for line in log.split("\n"):
            found = _STAMP.match(line)
            # What has no stamp of its own is printed as soon as the line before.
            stamp = stamp if found is None else (found[2], found[3])
            caller = found[4] if found is not None and found[4] else ""
            head = prefix.format(s=int(stamp[0]), us=stamp[1])
            lines.append(f"{head}{caller} {without_stamp(line)}")
        return "\n".join(lines)

    return change


MUTATIONS: dict[str, Callable[[str], str]] = {
    "another load address": lambda log: _TEXT_ADDRESS.sub(_shifted, log),
    "other stamps": lambda log: _ANY_STAMP.sub(_later, log),
    "other process": lambda log: re.sub(r"\bPID: \d{1,7}\b", "PID: 4242", log),
    "other processor": lambda log: re.sub(r"\bCPU: \d{1,3}\b", "CPU: 7", log),
    "no doubtful frames": lambda log: _DOUBTFUL_FRAME.sub("", log),
    "build ids": lambda log: _MODULE.sub(r"\1[\2 0123456789abcdef0123456789abcdef01234567]", log),
    "other offsets": lambda log: _PLACE.sub(r"\1+0x1\2/0x2\3", log),
    "other copies": lambda log: _CALLED.sub(
        r"(\1.isra.0) from", _PLACE.sub(r"\1.isra.0+0x\2/0x\3", log)
    ),
    "other line ends": lambda log: log.replace("\n", "\r\n"),
    "syslog": _behind("Nov 25 10:41:07 web kernel: [{s:5d}.{us}]"),
    "journal": _behind("2023-11-25T10:41:07.123456+0100 web kernel: [{s:5d}.{us}]"),
    "dmesg -x": _behind("kern  :warn  : [{s:5d}.{us}]"),
    "raw": _behind("<4>[{s:5d}.{us}]"),
}


def damaged(log: bytes, rng: Random) -> bytes:
    """Return a part of a log in which some bytes are others."""
    raw = bytearray(log)
    for _ in range(rng.randrange(20)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    start = rng.randrange(len(raw) // 2)
    return bytes(raw[start : rng.randrange(start, len(raw))])
