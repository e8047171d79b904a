# SPDX-License-Identifier: GPL-2.0-or-later
"""The release script, in a copy of the tree with a repository of its own.

``make`` is replaced by a command that only writes down its target: the checks and tests that a
release runs are those that run this test.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from klogd_py import __version__

PROJECT = Path(__file__).parents[1]
# What setup, tests and builds make in the tree.
MADE = re.compile(r"^(\.venv.*|\.git|\..*_cache|\.hypothesis|__pycache__|dist|build|.*\.egg-info)$")
MADE_FILES = ("PKG-INFO", "setup.cfg")
DATE = "2026-11-25"
CHANGELOG = f"""# Changelog

## [Unreleased]

## [{__version__}] - {DATE}

- All of it.

[Unreleased]: https://example.org/compare/v{__version__}...main
[{__version__}]: https://example.org/releases/tag/v{__version__}
"""


def git(tree: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=tree, text=True)


def files_of_the_tree() -> list[str]:
    """Every file that is, or would be, in the repository.

    Without one, as in an unpacked source distribution, or where git refuses another user's: every
    file but those that are made here.
    """
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and (PROJECT / ".git").exists():
        return [name for name in done.stdout.splitlines() if (PROJECT / name).is_file()]
    found = []
    for folder, folders, names in os.walk(PROJECT):
        folders[:] = [name for name in folders if not MADE.search(name)]
        found += [os.path.relpath(os.path.join(folder, name), PROJECT) for name in names]
    return [name for name in found if name not in MADE_FILES]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree, committed, with a changelog that is ready for the release."""
    copy = tmp_path / "tree"
    for name in files_of_the_tree():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, target)
    (copy / "CHANGELOG.md").write_text(CHANGELOG)
    (copy / ".gitignore").write_text("/.venv\n/dist/\n")
    (copy / ".venv").symlink_to(sys.prefix)
    git(copy, "init", "--quiet", "--initial-branch", "main")
    for key, value in (("name", "Nobody"), ("email", "nobody@example.org"), ("signingkey", "")):
        git(copy, "config", f"user.{key}", value)
    git(copy, "config", "commit.gpgsign", "false")
    git(copy, "config", "tag.gpgsign", "false")
    git(copy, "add", "--all")
    git(copy, "commit", "--quiet", "--message", "a tree")
    return copy


def release(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    commands = tree.parent / "bin"
    commands.mkdir(exist_ok=True)
    (commands / "make").write_text(f'#!/bin/sh\necho "$@" >>"{tree.parent}/made"\n')
    (commands / "make").chmod(0o755)
    return subprocess.run(
        [tree / "scripts/release", *options],
        env=os.environ | {"VENV": ".venv", "PATH": f"{commands}:{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def commit(tree: Path, name: str, text: str) -> None:
    (tree / name).write_text(text)
    git(tree, "commit", "--quiet", "--all", "--message", "a change")


def test_dry_release_builds_and_prints_tag_command(tree: Path) -> None:
    done = release(tree, "--date", DATE)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tree.parent / "made").read_text().split() == ["check", "test", "deb"]
    command = f"git tag --annotate v{__version__} --message 'klogd-py {__version__}'"
    assert done.stdout.splitlines()[-1] == f"to tag it: {command}"
    assert git(tree, "tag") == ""
    with zipfile.ZipFile(tree / f"dist/klogd_py-{__version__}-py3-none-any.whl") as wheel:
        assert "klogd_py/cli/main.py" in wheel.namelist()


def test_source_distribution_holds_every_file_of_tree(tree: Path) -> None:
    assert release(tree, "--date", DATE).returncode == 0
    (built,) = (tree / "dist").glob(f"klogd?py-{__version__}.tar.gz")
    with tarfile.open(built) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert set(git(tree, "ls-files").splitlines()) <= held


def test_release_makes_annotated_tag_on_request(tree: Path) -> None:
    assert release(tree, "--date", DATE, "--tag").returncode == 0
    assert git(tree, "cat-file", "-t", f"v{__version__}") == "tag\n"
    again = release(tree, "--date", DATE)
    assert (again.returncode, again.stderr) == (
        1,
        f"release: the tag v{__version__} exists already\n",
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("CHANGELOG.md", f"## [{__version__}] - {DATE}", "## [0.0.9] - 2020-01-01", "has no line"),
        ("CHANGELOG.md", f"\n[{__version__}]: ", "\n[0.0.9]: ", "has no link for"),
        ("CHANGELOG.md", "[Unreleased]\n", "[Unreleased]\n\n- More.\n", "entries under"),
        ("klogd_py/__init__.py", "__version__ =", "version =", "has no version"),
    ],
)
def test_tree_that_is_not_ready_is_refused(
    tree: Path, name: str, old: str, new: str, reason: str
) -> None:
    text = (tree / name).read_text()
    assert old in text
    commit(tree, name, text.replace(old, new))
    done = release(tree, "--date", DATE)
    assert done.returncode == 1
    assert reason in done.stderr
    assert not (tree.parent / "made").exists()


def test_release_of_another_date_is_refused(tree: Path) -> None:
    done = release(tree)
    assert done.returncode == 1
    assert f"has no line '## [{__version__}] - " in done.stderr


def test_tree_with_uncommitted_changes_is_refused(tree: Path) -> None:
    (tree / "README.md").write_text("changed")
    done = release(tree, "--date", DATE)
    assert (done.returncode, (tree.parent / "made").exists()) == (1, False)
    assert "uncommitted changes" in done.stderr


def test_unknown_option_of_release_is_refused(tree: Path) -> None:
    assert release(tree, "--push").returncode == 2
