# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that each test can fail: it asserts something, on a path that is always taken.

A call counts as an assertion if a function of that name in tests/ asserts. An assertion inside a
loop counts if the loop runs at least once: over a display with elements, a ``range``, a constant in
capitals, or something about which the test asserts elsewhere. The examples of hypothesis may be
empty, because other examples are not. pytest itself refuses a parameter list that is empty
(``empty_parameter_set_mark`` in pyproject.toml).
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
ASSERTING = {"raises", "fail", "warns"}
MIN_WORDS, MAX_WORDS = 5, 8
SKIPPING = {"skip", "skipif", "importorskip"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(TESTS.rglob("*.py"))}


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def all_tests() -> Iterator[tuple[str, Function]]:
    """Every test with the words that name it in a failure."""
    for path, tree in trees().items():
        for function in functions(tree):
            if function.name.startswith("test_"):
                yield f"{path.relative_to(TESTS)}:{function.lineno} {function.name}", function


def called(node: ast.AST) -> set[str]:
    """The last part of the name of everything that is called, or given to `partial`."""
    names = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            for part in (call.func, *(call.args[:1] if last_name(call.func) == "partial" else [])):
                names.add(last_name(part))
    return names


def last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def asserting() -> frozenset[str]:
    """The names of the functions in tests/ that assert, themselves or through another one."""
    calls = {
        function.name: called(function) | ({"fail"} if has_assert(function) else set())
        for tree in trees().values()
        for function in functions(tree)
        if not function.name.startswith("test_")
    }
    found = set(ASSERTING)
    while more := {name for name, inner in calls.items() if inner & found} - found:
        found |= more
    return frozenset(found)


def has_assert(node: ast.AST) -> bool:
    """Whether there is an assert statement, or an AssertionError raised by hand."""
    return any(
        isinstance(inner, ast.Assert)
        or (isinstance(inner, ast.Name) and inner.id == "AssertionError")
        for inner in ast.walk(node)
    )


def asserts(node: ast.AST) -> bool:
    return has_assert(node) or bool(called(node) & asserting())


def always_asserts(statements: Iterable[ast.stmt], known: set[str]) -> bool:
    """Whether an assertion is reached in any case; ``known`` are names that hold something."""
    return any(statement_asserts(statement, known) for statement in statements)


def statement_asserts(statement: ast.stmt, known: set[str]) -> bool:
    if isinstance(statement, ast.For):
        return runs_once(statement.iter, known) and always_asserts(statement.body, known)
    if isinstance(statement, ast.If):
        return always_asserts(statement.body, known) and always_asserts(statement.orelse, known)
    return asserts(statement)


def runs_once(iterable: ast.expr, known: set[str]) -> bool:
    """Whether a loop over this certainly has a turn."""
    if isinstance(iterable, ast.Tuple | ast.List):
        return bool(iterable.elts)
    if isinstance(iterable, ast.Call):
        if last_name(iterable.func) == "range":
            return True
        parts = [iterable.func.value] if isinstance(iterable.func, ast.Attribute) else []
        return any(runs_once(part, known) for part in (*parts, *iterable.args))
    name = last_name(iterable)
    return name in known or name.isupper()


def filled_names(function: Function) -> set[str]:
    """The names that the test asserts something about, or binds to a display with elements."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            names |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(node.value, ast.Tuple | ast.List | ast.Dict | ast.Set):
                names |= {last_name(target) for target in targets}
    return names


def is_of_examples(function: Function) -> bool:
    return any("given" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_each_test_has_at_least_one_assertion() -> None:
    found = dict(all_tests())
    assert len(found) > 1000
    assert [words for words, function in found.items() if not asserts(function)] == []


def test_each_name_has_five_to_eight_words() -> None:
    names = [function.name.removeprefix("test_") for _, function in all_tests()]
    assert [name for name in names if not MIN_WORDS <= len(name.split("_")) <= MAX_WORDS] == []


def test_no_test_passes_on_an_empty_loop() -> None:
    vacuous = [
        words
        for words, function in all_tests()
        if not is_of_examples(function)
        and not always_asserts(function.body, filled_names(function))
    ]
    assert vacuous == []


def test_each_skip_says_what_it_needs() -> None:
    reasons = [
        (f"{path.relative_to(TESTS)}:{call.lineno}", reason_of(call))
        for path, tree in trees().items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and last_name(call.func) in SKIPPING
        and ast.unparse(call.func).startswith("pytest.")
    ]
    assert len(reasons) > 10
    assert [place for place, reason in reasons if not reason.startswith("needs ")] == []


def reason_of(call: ast.Call) -> str:
    """The reason of a skip, up to the first part that is computed."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
    reason = (given or call.args[:1] or [ast.Constant("")])[0]
    if isinstance(reason, ast.JoinedStr):
        reason = reason.values[0]
    return str(reason.value) if isinstance(reason, ast.Constant) else ""
