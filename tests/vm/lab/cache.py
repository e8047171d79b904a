# SPDX-License-Identifier: GPL-2.0-or-later
"""Where does the laboratory keep what is slow to make, and is what lies there still what would be
made?

A product is a directory named after its recipe and the hash of the recipe's inputs, outside the
work tree. It is made beside its final place and renamed, so that a product is either whole or not
there; a lock lets two runs make one thing once.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PLACE = Path(
    os.environ.get("KLOGD_VM_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klogd-py" / "vm"
)


def product(name: str, inputs: Iterable[str | bytes | Path], make: Callable[[Path], None]) -> Path:
    """The directory that ``make`` fills from ``inputs`` (text, bytes, or files whose content
    counts), made if it is not there."""
    ready = PLACE / f"{name}-{digest(inputs)}"
    if ready.exists():
        return ready
    with _alone(name):
        if not ready.exists():
            started = time.monotonic()
            say(f"{name}: making it (kept in {ready})")
            partial = ready.with_name(f".{ready.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            make(partial)
            partial.rename(ready)
            say(f"{name}: made in {time.monotonic() - started:.0f} s")
    return ready


def digest(inputs: Iterable[str | bytes | Path]) -> str:
    """Twelve hexadecimal digits that stand for the inputs; of a path, the content counts."""
    total = hashlib.sha256()
    for part in inputs:
        content = (
            part.read_bytes()
            if isinstance(part, Path)
            else part.encode()
            if isinstance(part, str)
            else part
        )
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()[:12]


def say(line: str) -> None:
    """Tell the person who waits."""
    print(f"vm-lab: {line}", file=sys.stderr, flush=True)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
