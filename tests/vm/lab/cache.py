# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep what is slow to build outside the work tree, and rebuild it when its inputs change.

A product is a directory whose name holds the name of its recipe and the hash of the recipe's
inputs. It is built beside its final place and renamed, so that it is either complete or missing. A
lock keeps two runs from building the same product.
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
    """Return the directory that ``make`` fills from ``inputs``, building it if it is missing.

    ``inputs`` are text, bytes, or files whose content counts.
    """
    ready = place_of(name, inputs)
    if ready.exists():
        return ready
    with _locked(name):
        if not ready.exists():
            started = time.monotonic()
            report(f"{name}: building (kept in {ready})")
            partial = ready.with_name(f".{ready.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            make(partial)
            partial.rename(ready)
            report(f"{name}: built in {time.monotonic() - started:.0f} s")
    return ready


def place_of(name: str, inputs: Iterable[str | bytes | Path]) -> Path:
    """Return the directory of a product, which need not be there."""
    return PLACE / f"{name}-{digest(inputs)}"


def digest(inputs: Iterable[str | bytes | Path]) -> str:
    """Return twelve hexadecimal digits of the hash of the inputs; of a path, the content counts."""
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


def report(line: str) -> None:
    """Print progress to standard error."""
    print(f"vm-lab: {line}", file=sys.stderr, flush=True)


@contextmanager
def _locked(name: str) -> Iterator[None]:
    PLACE.mkdir(parents=True, exist_ok=True)
    with (PLACE / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
