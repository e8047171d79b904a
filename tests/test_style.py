# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the sizes and the form that CONTRIBUTING.md asks of the code.

In klogd_py a module has at most 300 lines, a function at most 45 lines and a complexity of 20, a
class at most 15 methods and 12 attributes. Everywhere a comment stands above the code, and a file
names its licence. ruff holds the length of lines, tests/test_imports.py
which modules lie directly in klogd_py.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from msgspec import Struct

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "klogd_py"
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 45
MAX_COMPLEXITY = 20
MAX_METHODS = 15
MAX_ATTRIBUTES = 12
# How the line of a docstring begins that says why a class is larger
SIZE_REASON = "Size: "
LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"

# What a comment behind code may say: a direction to a tool, not to a reader.
DIRECTION = re.compile(r"# (?:noqa|type:|fmt:|ruff:|pragma:)")
# Files that cannot hold a comment, are drawn by a program, or hold the licence itself.
UNMARKED_SUFFIXES = {".md", ".txt", ".log", ".svg"}
UNMARKED_NAMES = {
    "LICENSE",
    "copyright",
    "copyright.vendored",
    "format",
    "control",
    "py.typed",
}


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class ClassSize(Struct, frozen=True):
    """A class by file and name, its numbers of methods and attributes, its docstring."""

    name: str
    methods: int
    attributes: int
    docstring: str

    @property
    def is_large(self) -> bool:
        return self.methods > MAX_METHODS or self.attributes > MAX_ATTRIBUTES

    @property
    def says_why(self) -> bool:
        lines = (line.strip() for line in self.docstring.splitlines())
        return any(line.startswith(SIZE_REASON) for line in lines)


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


def classes(source: str, file: str) -> Iterator[ClassSize]:
    """Each class of a file; attributes are its annotated fields and what is assigned to self."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            fields = {
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
            }
            assigned = {item.attr for item in ast.walk(node) if is_assigned_to_self(item)}
            methods = sum(isinstance(item, FunctionNode) for item in node.body)
            docstring = ast.get_docstring(node) or ""
            yield ClassSize(f"{file}:{node.name}", methods, len(fields | assigned), docstring)


def is_assigned_to_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def complexities(source: str) -> Iterator[tuple[str, int]]:
    """Each function of a file with its cyclomatic complexity, counted as radon 6 does.

    One more than the decisions in its body; functions inside it count by themselves.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FunctionNode):
            yield node.name, 1 + sum(map(decisions, own_nodes(node.body)))


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, without those of functions inside it."""
    for node in body:
        if not isinstance(node, FunctionNode):
            yield node
            yield from own_nodes(ast.iter_child_nodes(node))


def decisions(node: ast.AST) -> int:
    match node:
        case ast.If() | ast.IfExp() | ast.Assert():
            return 1
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + bool(node.orelse)
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.Try() | ast.TryStar():
            return len(node.handlers) + bool(node.orelse)
        case ast.Match():
            return sum(ast.unparse(case.pattern) != "_" for case in node.cases)
        case _:
            return 0


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


def test_no_function_is_too_complex() -> None:
    found = [
        (f"{name_of(path)}:{name}", complexity)
        for path in modules()
        for name, complexity in complexities(path.read_text())
    ]
    assert len(found) > 500
    assert [entry for entry in found if entry[1] > MAX_COMPLEXITY] == []


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("return 1", 1),
        ("return a if b and c or d else e", 4),
        ("for i in a:\n        pass\n    else:\n        pass", 3),
        ("return [i for i in a if b for j in c]", 4),
        ("try:\n        pass\n    except A:\n        pass\n    except B:\n        pass", 3),
        ("match a:\n        case 1:\n            pass\n        case _:\n            pass", 2),
        ("def inner():\n        return a if b else c\n    return inner", 1),
    ],
)
def test_complexity_is_one_above_the_decisions(body: str, complexity: int) -> None:
    assert dict(complexities(f"def asked():\n    {body}\n"))["asked"] == complexity


def test_large_classes_say_why_they_are() -> None:
    found = [size for path in modules() for size in classes(path.read_text(), name_of(path))]
    assert len(found) > 150
    assert [size.name for size in found if size.is_large and not size.says_why] == []


def test_size_of_class_counts_fields_and_assignments() -> None:
    source = (
        "class Large:\n"
        '    """Many.\n\n    Size: because.\n    """\n'
        "    field: int\n"
        "    def read(self):\n"
        "        self.a = self.b, other.c = self.field = 1\n"
        "        for self.d in self.e:\n"
        "            pass\n"
    )
    (size,) = classes(source, "x")
    assert (size.name, size.methods, size.attributes) == ("x:Large", 1, 4)
    assert size.says_why
    assert not size.is_large


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
