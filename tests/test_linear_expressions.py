# SPDX-License-Identifier: GPL-2.0-or-later
"""Every regular expression of the package takes linear time."""

import ast
import importlib
import re
from collections.abc import Iterator

import msgspec
import pytest

from klogd_py.oops import print_sites
from klogd_py.record.lazy_pattern import LazyPattern
from tests.test_linear import MB, PACKAGE, RUNS, assert_linear


def patterns() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    """Every regular expression of the package by its place: in modules, in their tables, and those
    that are made of a table when they are needed."""
    found: dict[str, re.Pattern[str] | re.Pattern[bytes]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        )
        if name.endswith("__main__"):
            continue
        for key, value in vars(importlib.import_module(name)).items():
            for at, pattern in enumerate(_patterns_in(value, 4)):
                found[f"{name}.{key}.{at}"] = pattern
    for number, site in enumerate(print_sites.PRINT_SITES):
        found[f"klogd_py.oops.print_sites.PRINT_SITES.{number}"] = print_sites.expression(site)
    unique = {(pattern.pattern, pattern.flags): (key, pattern) for key, pattern in found.items()}
    return dict(unique.values())


def _patterns_in(value: object, depth: int) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, LazyPattern):
        yield re.compile(*value.arguments)
    elif depth and isinstance(value, dict):
        yield from (one for item in value.items() for one in _patterns_in(item, depth - 1))
    elif depth and isinstance(value, list | tuple | set | frozenset):
        yield from (one for item in value for one in _patterns_in(item, depth - 1))
    elif depth and isinstance(value, msgspec.Struct):
        yield from _patterns_in(
            [getattr(value, field) for field in value.__struct_fields__], depth - 1
        )


PATTERNS = patterns()


def sought() -> set[str]:
    """The names of the expressions that are searched for anywhere in a text."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in (
                "search",
                "sub",
                "subn",
                "findall",
                "finditer",
                "split",
            ):
                names.add(ast.unparse(node.value).rpartition(".")[2])
    return names


SOUGHT = sought()


# Those of the configuration are for what root wrote, or are root's own and searched within a limit
# of time. Those of the evidence are for tables of ours and names of a map. Those of names that are
# searched are names, none longer than 128 bytes. Those of the selection are typed by the user of
# the run. Those that are compiled late are found where they are used.
TRUSTED = {
    PACKAGE / name
    for name in (
        "cli/selection_values.py",
        "config/filter_types.py",
        "config/loader.py",
        "config/listen_address.py",
        "config/validation.py",
        "config/value_types.py",
        "line_prefix/grammar.py",
        "oops/print_sites.py",
        "pipeline/selector.py",
        "record/lazy_pattern.py",
        "symbols/kaslr/call_pairs.py",
        "symbols/name_places.py",
    )
}


def test_no_expression_is_inside_function() -> None:
    hidden = []
    for path in sorted(set(PACKAGE.rglob("*.py")) - TRUSTED):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                calls = (
                    ast.unparse(node.func)
                    for node in ast.walk(function)
                    if isinstance(node, ast.Call)
                )
                hidden += [
                    f"{path.name}: {call}"
                    for call in calls
                    if call.startswith("re.") and call != "re.escape"
                ]
    assert hidden == []


@pytest.mark.parametrize("key", PATTERNS)
def test_no_group_is_repeated_possessively(key: str) -> None:
    """Before Python 3.11.5 such a repetition leaves what its last attempt has passed: gh-106052."""
    pattern = PATTERNS[key].pattern
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    assert not re.search(r"(?<!\\)\)(?:\{[\d,]+\}|[*+?])\+", text)


@pytest.mark.parametrize("key", PATTERNS)
def test_each_expression_takes_linear_time(key: str) -> None:
    """For runs of all that the forms hold, and of the expression's own words, in front of what does
    not match."""
    pattern = PATTERNS[key]
    anywhere = key.split(".")[-2] in SOUGHT
    text = (
        pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    )
    words = {word for word in re.split(r"[^\w ,;:=+/-]+", text) if 0 < len(word) < 30}
    for run in [*RUNS, *sorted(words)]:
        for head in ("", *sorted(words, key=len)[-1:]):

            def job(size: int, run: str = run, head: str = head) -> None:
                given = head + run * (size // len(run)) + "\0"
                subject = (
                    given.encode("utf-8", "surrogateescape")
                    if isinstance(pattern.pattern, bytes)
                    else given
                )
                pattern.match(subject)  # type: ignore[arg-type]
                if anywhere:
                    for _ in pattern.finditer(subject):  # type: ignore[arg-type]
                        pass

            assert_linear(job, MB // 128)
