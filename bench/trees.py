# SPDX-License-Identifier: GPL-2.0-or-later
"""Copy klogd-py, as it is here and as it was in another commit, so that both can be measured.

A copy has its own byte code, nothing is written into the clone, and an edit of the clone during the
measurement changes nothing.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bench import processes
from bench.packages import Unavailable
from bench.results import BEFORE, NOW

_CLONE = Path(__file__).parents[1]
_PACKAGE = "klogd_py"


class Tree(Struct, frozen=True):
    """A copy of the package klogd_py in a directory, with the name that the tables show."""

    name: str
    directory: Path
    bench: Path

    @property
    def program(self) -> list[str]:
        """The command that runs klogd-py of this tree."""
        # Without -P, the klogd_py of the current directory would be found first.
        return [sys.executable, "-P", "-m", _PACKAGE]

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes Python find this tree, and this bench behind it."""
        return {"PYTHONPATH": f"{self.directory}:{self.bench}"}


def prepare(folder: Path, before: str | None) -> list[Tree]:
    """Copy this tree into a directory, and that of a commit if one is named.

    Raises Unavailable.
    """
    bench = folder / "with-bench"
    _copy(_CLONE / "bench", bench / "bench")
    now = Tree(NOW, folder / "now", bench)
    _copy(_CLONE / _PACKAGE, now.directory / _PACKAGE)
    trees = [now]
    if before is not None:
        trees.append(Tree(BEFORE, folder / "before", bench))
        _unpack(before, trees[-1].directory)
    for tree in trees:
        processes.run([sys.executable, "-P", "-m", "compileall", "-q", tree.directory])
        processes.run([*tree.program, "--version"], tree.environment)
    return trees


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def _unpack(commit: str, directory: Path) -> None:
    directory.mkdir()
    # The clone may be another user's, whose repository git refuses to read.
    git = ["git", "-c", f"safe.directory={_CLONE}", "-C", str(_CLONE)]
    try:
        done = subprocess.run([*git, "archive", commit, _PACKAGE], capture_output=True, check=True)
    except FileNotFoundError as error:
        raise Unavailable("--before needs git\nas root, type: apt-get install git") from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise Unavailable(
            f"no {_PACKAGE} of {commit}: {reason}\nname a commit of this clone: git log --oneline"
        ) from error
    subprocess.run(["tar", "-x", "-C", directory], input=done.stdout, check=True)
