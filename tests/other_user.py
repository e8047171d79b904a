# SPDX-License-Identifier: GPL-2.0-or-later
"""Run Python as another user, also from a clone that this user may not enter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import pytest
from msgspec import Struct

from tests.needs import NOBODY

# What those programs import.
LIBRARIES = ("msgspec",)
PROJECT = Path(__file__).parents[1]


class OtherPython(Struct, frozen=True):
    """A Python that user `NOBODY` can run, with klogd_py."""

    command: str
    environment: Mapping[str, str]


def provide(folder: Path) -> OtherPython:
    """Return this Python, or the system's with a copy of the packages in a folder.

    The folder is one that other users may enter. The test is skipped if user `NOBODY` cannot run
    the system's Python either.
    """
    here = OtherPython(sys.executable, os.environ | {"PYTHONPATH": str(PROJECT)})
    if _runs(here):
        return here
    _copy_packages(folder)
    base = os.path.realpath(sys.executable)
    there = OtherPython(base, os.environ | {"PYTHONPATH": str(folder)})
    if not _runs(there):
        pytest.skip(
            f"needs a Python that other users can run, {base} is private; "
            "make test PYTHON=/usr/bin/python3"
        )
    return there


def _runs(python: OtherPython) -> bool:
    command = [python.command, "-B", "-c", "import klogd_py, msgspec"]
    try:
        done = subprocess.run(
            command,
            user=NOBODY,
            group=NOBODY,
            extra_groups=(),
            cwd="/",
            env=python.environment,
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copy_packages(folder: Path) -> None:
    """Copy klogd_py and the libraries that it imports."""
    shutil.copytree(PROJECT / "klogd_py", folder / "klogd_py", dirs_exist_ok=True)
    for library in LIBRARIES:
        found = find_spec(library)
        if found is None or found.origin is None:
            continue
        shutil.copytree(Path(found.origin).parent, folder / library, dirs_exist_ok=True)
    # A clone that was made with umask 077 is its owner's alone
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
