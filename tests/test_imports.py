"""Who may know whom: the table of docs/architecture.md, checked against the sources."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "klogd_py"
SPINE = {
    "record",
    "gaps",
    "printk_clock",
    "continuations",
    "flood",
    "kmsg",
    "lines",
    "forms",
    "addresses",
    "oops_lines",
    "testimony",
    "translate",
    "traces",
    "holdback",
    "boots",
}
FORBIDDEN_IN_SPINE = {"asyncio", "logging", "os", "socket", "time", "sys", "pathlib"}
OWN_ROOM = object()  # everything in the same folder
EVERYBODY = object()

ALLOWED: dict[str, set[object]] = {
    "record": set(),
    "forms": set(),
    "addresses": {"forms"},
    "kmsg": {"record"},
    "lines": {"record"},
    "gaps": {"record"},
    "oops_lines": set(),
    "testimony": {"record", "addresses", "oops_lines"},
    "translate": {"record", "gaps", "addresses", "testimony"},
    "traces": {"record", "addresses"},
    "holdback": {"record", "addresses", "testimony", "traces"},
    "boots": {"record", "traces"},
    "symbols": {"holdback", "record", "regular_file", "testimony", "traces", OWN_ROOM},
    "sinks": {"courier", "errors", "jobs", "record", "trusted_directory", OWN_ROOM},
    "watch": {"courier", "jobs", OWN_ROOM},
    "text_device": {"record", "kmsg", "lines"},
    "device": {"record", "gaps", "kmsg", "text_device"},
    "replay": {"record", "kmsg", "lines", "device"},
    "position": {"position_text", "record", "regular_file", "trusted_directory"},
    "position_text": set(),
    "continuations": {"record"},
    "flood": {"record"},
    "printk_clock": {"record"},
    "clock": {"record", "printk_clock"},
    "notify": {"record"},
    "settings": {"setting_types"},
    "config": {"loopback", "record", "regular_file", "setting_checks", "settings", "toml_text"},
    "invocation": {"config", "errors", "handed", "privileges", "regular_file", "settings", "symbols"},
    "handed": {"regular_file"},
    "toml_text": set(),
    "setting_types": {"loopback"},
    "setting_checks": {"setting_types", "settings"},
    "privileges": set(),
    "regular_file": set(),
    "trusted_directory": {"regular_file"},
    "ownlog": set(),
    "options": {"config", "setting_types"},
    "classic": {"trusted_directory"},
    "filtering": {"addresses", "boots", "holdback", "record", "replay", "symbols", "testimony", "traces", "translate"},
    "doctor": {
        "kmsg",
        "printk_clock",
        "columns",
        "regular_file",
        "journald",
        "config",
        "settings",
        "invocation",
        "status",
        "status_socket",
        "symbols",
        OWN_ROOM,
    },
    "commands": {
        "columns",
        "doctor",
        "status",
        "status_socket",
        "status_table",
        "record",
        "addresses",
        "filtering",
        "translate",
        "config",
        "settings",
        "invocation",
        "symbols",
    },
    "naming": {"courier", "errors", "jobs", "symbols"},
    "journald": {"regular_file"},
    "outlets": {"bookkeeper", "journald", "privileges", "settings", "sinks", "trusted_directory"},
    "bookkeeper": {"position"},
    "courier": set(),
    "errors": set(),
    "jobs": {"errors"},
    "signals": set(),
    "loopback": set(),
    "columns": set(),
    "counters": {"record", "testimony"},
    "status": set(),
    "status_table": {"columns", "status"},
    "local_socket": {"trusted_directory"},
    "status_socket": {"jobs", "local_socket", "status"},
    "snapshot": {"carrier", "clock", "counters", "device", "jobs", "record", "sinks", "status", "symbols", "text_device"},
    "metrics": {"status", "trusted_directory"},
    "scrape": {"jobs", "local_socket", "loopback"},
    "reporting": {
        "courier",
        "jobs",
        "metrics",
        "notify",
        "scrape",
        "settings",
        "status",
        "status_socket",
        "trusted_directory",
    },
    "intake": {"device", "jobs", "record"},
    "preparation": {"clock", "gaps", "record", "translate"},
    "carrier": {
        "jobs",
        "preparation",
        "record",
        "addresses",
        "boots",
        "continuations",
        "counters",
        "testimony",
        "flood",
        "holdback",
        "intake",
        "translate",
        "device",
        "clock",
        "naming",
        "symbols",
        "sinks",
    },
    "daemon": {EVERYBODY},
    "cli": {EVERYBODY},
    "__init__": set(),
    "__main__": {"cli"},
}


def room_of(path: Path) -> str:
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_knows_only_whom_it_may(path: Path) -> None:
    room = room_of(path)
    allowed = ALLOWED[room]
    if EVERYBODY in allowed:
        return
    known = {name.split(".")[1] for name in imported(path) if name.startswith("klogd_py.")}
    known -= {"__version__"} | ({room} if OWN_ROOM in allowed else set())
    assert known <= allowed


@pytest.mark.parametrize("module", sorted(SPINE))
def test_the_spine_touches_nothing_outside(module: str) -> None:
    assert not imported(PACKAGE / f"{module}.py") & FORBIDDEN_IN_SPINE


def test_only_the_outlets_name_concrete_sinks() -> None:
    of_all = {f"klogd_py.sinks.{name}" for name in ("mailroom", "mailroom.Mailroom", "outbox", "outbox.Outbox")}
    for path in FILES:
        if room_of(path) not in ("outlets", "sinks"):
            named = {name for name in imported(path) if name.startswith("klogd_py.sinks")}
            assert not named - (of_all if room_of(path) in ("carrier", "daemon", "snapshot") else set()), path
