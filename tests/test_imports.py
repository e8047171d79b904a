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
    "translate": {"record", "gaps", "addresses"},
    "traces": {"record", "addresses"},
    "holdback": {"record", "addresses", "traces"},
    "boots": {"record", "traces"},
    "symbols": {"record", "traces", "holdback", OWN_ROOM},
    "sinks": {"record", "courier", OWN_ROOM},
    "watch": {OWN_ROOM},
    "text_device": {"record", "kmsg", "lines"},
    "device": {"record", "gaps", "kmsg", "text_device"},
    "replay": {"record", "kmsg", "lines", "device"},
    "position": {"position_text", "regular_file"},
    "position_text": set(),
    "continuations": {"record"},
    "flood": {"record"},
    "printk_clock": {"record"},
    "clock": {"record", "printk_clock"},
    "notify": {"record"},
    "toml_text": set(),
    "setting_types": {"loopback"},
    "settings": {"setting_types"},
    "setting_checks": {"setting_types", "settings"},
    "config": {"toml_text", "regular_file", "setting_checks", "settings"},
    "invocation": {"config", "settings", "handed", "privileges", "symbols"},
    "handed": set(),
    "privileges": set(),
    "regular_file": set(),
    "ownlog": set(),
    "options": {"config", "setting_types"},
    "classic": set(),
    "filtering": {"record", "boots", "holdback", "replay", "addresses", "traces", "translate", "symbols"},
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
    "naming": {"symbols", "courier"},
    "journald": set(),
    "outlets": {"settings", "journald", "bookkeeper", "privileges", "sinks"},
    "bookkeeper": {"position"},
    "courier": set(),
    "loopback": set(),
    "columns": set(),
    "counters": {"record"},
    "status": set(),
    "status_table": {"columns", "status"},
    "status_socket": {"status"},
    "snapshot": {"record", "device", "text_device", "clock", "counters", "carrier", "sinks", "symbols", "status"},
    "metrics": {"status"},
    "scrape": {"loopback"},
    "reporting": {"settings", "courier", "notify", "status", "status_socket", "metrics", "scrape"},
    "intake": {"record", "device"},
    "carrier": {
        "record",
        "boots",
        "continuations",
        "counters",
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
