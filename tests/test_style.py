# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the sizes and the form that CONTRIBUTING.md asks of the code.

In klogd_py a module has at most 300 lines and a function at most 45. Everywhere a comment stands
above the code, and a file names its licence. ruff holds the length of lines, tests/test_imports.py
which modules lie directly in klogd_py.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "klogd_py"
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 45
LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"

# What a comment behind code may say: a direction to a tool, not to a reader.
DIRECTION = re.compile(r"# (?:noqa|type:|fmt:|ruff:|pragma:)")
# Files that cannot hold a comment, are drawn by a program, or hold the licence itself.
UNMARKED_SUFFIXES = {".md", ".txt", ".log", ".svg"}
UNMARKED_NAMES = {"LICENSE", "copyright", "format", "control", "py.typed"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def python_files() -> list[Path]:
    folders = (PACKAGE, PROJECT / "tests", PROJECT / "bench", PROJECT / "scripts")
    found = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [*found, PROJECT / "scripts/torture"]


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file with its number of lines, decorators and docstring included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            yield f"{name_of(path)}:{node.name}", (node.end_lineno or first) - first + 1


def trailing_comments(path: Path) -> Iterator[str]:
    """The lines on which a comment for readers stands behind code."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        is_behind = token.line[: token.start[1]].strip() != ""
        if token.type == tokenize.COMMENT and is_behind and not DIRECTION.match(token.string):
            yield f"{name_of(path)}:{token.start[0]}"


def tracked_files() -> list[Path]:
    """Every file of the repository; without git, every source file that is there."""
    command = ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        return python_files()
    paths = [PROJECT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def test_no_module_is_longer_than_its_limit() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in modules()}
    assert len(lengths) > 50
    assert [name for name, lines in lengths.items() if lines > MAX_MODULE_LINES] == []


def test_no_function_is_longer_than_its_limit() -> None:
    lengths = [(name, lines) for path in modules() for name, lines in functions(path)]
    assert len(lengths) > 500
    assert [name for name, lines in lengths if lines > MAX_FUNCTION_LINES] == []


def test_comments_stand_above_the_code() -> None:
    files = python_files()
    assert len(files) > 100
    assert [place for path in files for place in trailing_comments(path)] == []


def test_every_file_names_its_licence_at_the_top() -> None:
    files = [
        path
        for path in tracked_files()
        if path.suffix not in UNMARKED_SUFFIXES
        and path.name not in UNMARKED_NAMES
        and "data" not in path.relative_to(PROJECT).parts
    ]
    assert len(files) > 100
    assert [name_of(path) for path in files if LICENCE not in "".join(top_of(path))] == []


def top_of(path: Path) -> list[str]:
    """The first three lines: the licence may stand behind the line that names an interpreter."""
    with path.open(errors="replace") as file:
        return [file.readline() for _ in range(3)]
