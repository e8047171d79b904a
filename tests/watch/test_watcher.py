# SPDX-License-Identifier: GPL-2.0-or-later
"""Importing parts of a large package, as the watch for modules does."""

import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.watch.watcher import import_parts_only

FULL = "import sys; print(*sorted(name for name in sys.modules if name.startswith('large')))"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A package whose __init__ imports all of its parts."""
    package = tmp_path / "large"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from large.wanted import X\nfrom large.unwanted import Y\n"
    )
    (package / "wanted.py").write_text("X = 1\n")
    (package / "unwanted.py").write_text("Y = 2\n")
    (package / "greedy.py").write_text("from large import Y\n")
    return tmp_path


def run(large: Path, code: str) -> list[str]:
    code = f"from klogd_py.watch.watcher import import_parts_only\n{code}\n{FULL}"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(large)}
    ).stdout.split()


def test_one_part_comes_without_the_others(large: Path) -> None:
    assert run(large, "with import_parts_only('large'):\n    from large.wanted import X") == [
        "large.wanted"
    ]


def test_later_import_gets_the_whole_package(large: Path) -> None:
    assert run(
        large, "with import_parts_only('large'):\n    import large.wanted\nfrom large import Y"
    ) == [
        "large",
        "large.unwanted",
        "large.wanted",
    ]


def test_part_needing_the_package_raises_import_error(large: Path) -> None:
    code = (
        "try:\n    with import_parts_only('large'):\n        import large.greedy\n"
        "except ImportError:\n    import large.greedy"
    )
    assert run(large, code) == ["large", "large.greedy", "large.unwanted", "large.wanted"]


def test_part_of_missing_package_raises_import_error() -> None:
    with pytest.raises(ImportError), import_parts_only("no_such_package"):
        __import__("no_such_package.part")


def test_module_watch_imports_little_of_pyroute2() -> None:
    code = (
        "import sys\nfrom klogd_py.watch.watcher import _open_module_watch\n"
        "watch = _open_module_watch()\nassert watch.fileno() >= 0\n"
        "watch.changed_modules()\nwatch.close()\n"
        "assert 'pyroute2.netlink.uevent' in sys.modules\n"
        "assert 'pyroute2.iproute' not in sys.modules\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
