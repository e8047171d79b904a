# SPDX-License-Identifier: GPL-2.0-or-later
"""Read what others expect to be found in the logs of a collection.

``index.json`` in its folder lists the logs. The lines before the first empty line of a log of
syzkaller are headers (``TITLE: ``), and the part behind ``REPORT:`` repeats the report. Other
origins have files beside their logs.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

# What a fuzzer says of its machines, or of programs, is no crash of a kernel.
_HOUSE_TITLE = re.compile(
    r"SYZ|go runtime|trusty:|unexpected kernel reboot|no output|panic: |WARNING: (?:foo|ath10k)"
)
_CORRUPTED = " in corrupted"
_HEADER_LINE = re.compile(r"([A-Z]+): (.*)")
_REPEATED = re.compile(rb"\n\s*\nREPORT:\n.*", re.DOTALL)
_TITLE_DIRECTORIES = ("syzkaller/linux/report/",)
_SILENT = ("loghub-negative", "syzkaller-otheros")
_LOGSPEC_CRASH = re.compile(r"linux\.kernel\.(?:bug|panic|ubsan|null_pointer)")
# Words in the expectations of lkp-tests for crashes; it lists every other error as well.
_LKP_CRASH = re.compile(
    r"^(?:BUG:|kernel_BUG|WARNING:|WARNING_at|INFO:(?:task|rcu|possible|inconsistent|suspicious)|"
    r"Kernel_panic|Oops|general_protection|RIP:|possible_|inconsistent_|UBSAN|Slab_corruption)",
    re.MULTILINE,
)


class Expectation(Struct, frozen=True):
    """What is expected of one log: ``titles`` are those of its first crash, the main one first.

    ``is_crash``: it holds a crash. ``is_corrupted``: cut or mixed, so that its function need not be
    found, but doubt is expected. ``count`` is the number of crashes, where it is known.
    """

    path: str
    origin: str
    is_crash: bool
    titles: tuple[str, ...] = ()
    is_corrupted: bool = False
    count: int | None = None

    @property
    def title(self) -> str:
        """The main title, without a function that is none."""
        return self.titles[0].replace(_CORRUPTED, "") if self.titles else ""

    @property
    def functions(self) -> frozenset[str]:
        """The functions that may be blamed; empty if the title has none."""
        named = (title.rpartition(" in ")[2] for title in self.titles if " in " in title)
        return frozenset(name for name in named if name != "corrupted")


class Log(Struct, frozen=True):
    """A log and what is expected of it. ``body`` has no headers of an expectation."""

    expected: Expectation
    raw: bytes
    body: bytes


def logs_of(folder: Path) -> Iterator[Log]:
    """The logs of a collection that say something about crashes, in order."""
    for entry in json.loads((folder / "index.json").read_text()):
        if entry["role"] != "log":
            continue
        path, origin = entry["path"], entry["origin"]
        raw = (folder / path).read_bytes()
        if origin == "syzkaller":
            if path.startswith(_TITLE_DIRECTORIES):
                yield from _titled(path, raw)
        elif origin == "abrt":
            yield _plain(path, origin, raw, *_abrt(path))
        elif origin == "lkp-tests":
            expected = folder / f"{path}.yaml"
            calltrace = "calltrace" in path
            text = expected.read_text() if expected.exists() else ""
            yield _plain(path, origin, raw, calltrace or bool(_LKP_CRASH.search(text)), None)
        elif origin == "logspec":
            expected = folder / origin / "expected" / f"{path.rpartition('/')[2]}.json"
            if expected.exists():
                is_crash = bool(_LOGSPEC_CRASH.search(expected.read_text()))
                yield _plain(path, origin, raw, is_crash, None)
        elif origin == "mailinglists":
            yield _plain(path, "/".join(path.split("/")[:2]), raw, is_crash=True, count=None)
        else:
            yield _plain(path, origin, raw, origin not in _SILENT, None)


def _plain(path: str, origin: str, raw: bytes, is_crash: bool, count: int | None) -> Log:
    return Log(Expectation(path, origin, is_crash, count=count), raw, raw)


def _titled(path: str, raw: bytes) -> Iterator[Log]:
    head, _, body = raw.partition(b"\n\n")
    if raw.startswith(b"\n"):
        yield _plain(path, "syzkaller", raw, is_crash=False, count=None)
        return
    found = [_HEADER_LINE.match(line) for line in head.decode("latin-1").split("\n")]
    values = [(one[1], one[2]) for one in found if one is not None]
    titles = [value for key, value in values if key == "TITLE"]
    if not titles or _HOUSE_TITLE.match(titles[0]):
        return
    titles += [value for key, value in values if key == "ALT"]
    corrupted = ("CORRUPTED", "Y") in values
    expected = Expectation(path, "syzkaller", True, tuple(titles), corrupted)
    yield Log(expected, raw, _REPEATED.sub(b"", body))


def _abrt(path: str) -> tuple[bool, int | None]:
    """Return whether a log of abrt holds a crash, and how many."""
    name = path.rpartition("/")[2]
    if name.startswith(("no_oops", "not_oops", "xorg")):
        return False, None
    return True, 10 if name.startswith("10_") else None
