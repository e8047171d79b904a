# SPDX-License-Identifier: GPL-2.0-or-later
"""Check which packages import which, against the table below and in docs/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGE = PROJECT / "klogd_py"
# Each package may import those in its row and itself; a new entry is a design decision.
ALLOWED = {
    "record": set[str](),
    "system": set[str](),
    "watch": {"system"},
    "line_prefix": {"record"},
    "oops": {"record", "line_prefix"},
    "reports": {"record", "oops"},
    "spool": {"record", "system", "reports"},
    "sources": {"record", "system", "line_prefix"},
    "symbols": {"record", "system", "oops"},
    "config": {"record", "system", "symbols"},
    "sinks": {"record", "system", "reports", "config"},
    "pipeline": {"record", "system", "line_prefix", "oops", "reports", "sources", "symbols"},
    "monitoring": {
        "record",
        "reports",
        "system",
        "sources",
        "symbols",
        "config",
        "sinks",
        "pipeline",
    },
    "lifecycle": {
        "system",
        "watch",
        "oops",
        "record",
        "reports",
        "spool",
        "sources",
        "symbols",
        "config",
        "sinks",
        "pipeline",
        "monitoring",
    },
    "daemon": {"system", "sources", "symbols", "config", "pipeline", "lifecycle"},
    "doctor": {
        "record",
        "reports",
        "system",
        "sources",
        "symbols",
        "config",
        "sinks",
        "pipeline",
        "monitoring",
    },
    "cli": {
        "record",
        "system",
        "oops",
        "sources",
        "symbols",
        "config",
        "pipeline",
        "monitoring",
        "doctor",
        "daemon",
        "reports",
        "spool",
        "watch",
    },
    "__main__": {"cli"},
    "__init__": set[str](),
}
# Pure: values in, values out. Whole packages, and modules of others.
PURE = [
    *sorted((PACKAGE / "record").glob("*.py")),
    *sorted((PACKAGE / "oops").glob("*.py")),
    *sorted((PACKAGE / "line_prefix").glob("*.py")),
    *sorted((PACKAGE / "reports").rglob("*.py")),
    *(
        PACKAGE / "sources" / f"{name}.py"
        for name in (
            *("capture_records", "form_names", "framings", "journal_format", "klogd_format"),
            *("kmsg_format", "netconsole", "record_assembler", "sequence_holes"),
        )
    ),
    *(
        PACKAGE / "pipeline" / f"{name}.py"
        for name in ("continuation", "ratelimit", "symbolize", "printk_clock", "stats")
    ),
    *(PACKAGE / "config" / f"{name}.py" for name in ("sink_config", "sink_merge", "sink_tables")),
    *(
        PACKAGE / "sinks" / f"{name}.py"
        for name in (
            "sequence_tracker",
            "cursor_format",
            "backlog",
            "drop_policy",
            "entry_filter",
            "file_format",
            "json_document",
            "json_lines",
            "left_out",
            "machine_identity",
            "report_block",
            "report_fields",
        )
    ),
]
IO_MODULES = {"asyncio", "logging", "os", "socket", "time", "sys", "pathlib"}
# What the rest of the program may know of the sinks: their queues, never a concrete sink.
SINK_INTERFACE = {
    f"klogd_py.sinks.{name}"
    for name in (
        "manager",
        "queue",
        "cursor_file",
        "cursor_store",
        "factory",
        "journald_routing",
        "machine_identity",
    )
}


def package_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, at the top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


def identify(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=identify)
def test_packages_import_only_what_the_table_allows(path: Path) -> None:
    package = package_of(path)
    known = {name.split(".")[1] for name in imported(path) if name.startswith("klogd_py.")}
    assert known - {package, "__version__"} <= ALLOWED[package]


def test_every_row_of_the_table_is_in_use() -> None:
    used: dict[str, set[str]] = {package: set() for package in ALLOWED}
    for path in FILES:
        package = package_of(path)
        used[package] |= {
            name.split(".")[1] for name in imported(path) if name.startswith("klogd_py.")
        }
    assert {package: names - {package, "__version__"} for package, names in used.items()} == ALLOWED


def test_the_table_is_in_order_of_knowledge() -> None:
    packages = list(ALLOWED)
    early = {
        (package, imports)
        for place, package in enumerate(packages)
        for imports in ALLOWED[package] - set(packages[:place])
    }
    assert early == set()


@pytest.mark.parametrize("path", PURE, ids=identify)
def test_pure_modules_import_nothing_that_does_io(path: Path) -> None:
    assert not imported(path) & IO_MODULES


def test_only_the_factory_names_concrete_sinks() -> None:
    used = {
        ".".join(name.split(".")[:3])
        for path in FILES
        if package_of(path) != "sinks"
        for name in imported(path)
        if name.startswith("klogd_py.sinks.")
    }
    assert used == SINK_INTERFACE


def test_few_modules_lie_beside_the_packages() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", "daemon"}


def test_architecture_page_shows_the_same_table() -> None:
    """A cell of the page is ``-``, names, ``all above``, or ``all above but`` names."""
    page = (PROJECT / "docs/architecture.md").read_text()
    shown: dict[str, set[str]] = {}
    for package, cell in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE):
        named = set(re.findall(r"\w+", cell.removeprefix("all above").removeprefix(" but")))
        shown[package] = set(shown) - named if cell.startswith("all above") else named
    assert shown == {name: row for name, row in ALLOWED.items() if not name.startswith("__")}
