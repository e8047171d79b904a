# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert parsed command line options into `RunOptions`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import msgspec

from klogd_py.config.run_options import Capture, RunOptions
from klogd_py.config.symbol_options import SymbolOptions

_SYMBOL_PATHS = ("map", "kallsyms", "modules", "module_files", "root")
_SYMBOL_VALUES = ("slide", "release", "live")
# The options that replace one configuration key each, and that key.
_KEYS = {
    "style": "translate.style",
    "resymbolize": "translate.resymbolize",
    "duplicate_raw": "translate.duplicate_raw",
    "reload_on_oops": "translate.reload_on_oops",
    "console_level": "console_level",
    "user": "user",
    "log_level": "log.level",
}


def to_run_options(
    options: argparse.Namespace, drop_in: bool, inherited_fds: Mapping[str, int] | None = None
) -> RunOptions:
    """Convert the options; ``drop_in`` selects the defaults of the classic klogd.

    Paths become absolute, since a daemon changes its directory. ``inherited_fds`` are descriptors
    from the service manager, by path.
    """
    given = vars(options)
    sinks = tuple(given.get("sinks") or ())
    if "klogd_file" in given:
        path = given["klogd_file"]
        sinks += ("file:-" if path == "-" else f"file:{Path(path).absolute()}",)
    return RunOptions(
        config_path=_absolute(given["config_path"]) if "config_path" in given else None,
        keys=_keys(given, drop_in),
        symbols=_symbol_options(given),
        sinks=sinks,
        file_format="klogd" if "klogd_file" in given else "",
        capture=_capture(given),
        once=given.get("once", False),
        any_text=drop_in,
        inherited_fds=dict(inherited_fds or {}),
    )


def _keys(given: Mapping[str, object], drop_in: bool) -> dict[str, object]:
    """Return the configuration keys that options replace; an empty value leaves the key."""
    found: dict[str, object] = {"translate.resymbolize": True} if drop_in else {}
    found |= {key: given[name] for name, key in _KEYS.items() if given.get(name, "") != ""}
    if given.get("json"):
        found["console.json"] = True
    if given.get("syscall"):
        found["input.source"] = "syslog"
    # These two win over the options that take a value.
    if given.get("no_translate"):
        found["translate.style"] = "off"
    if given.get("debug"):
        found["log.level"] = "debug"
    return found


def _symbol_options(given: Mapping[str, object]) -> SymbolOptions:
    paths = {name: _absolute(str(given[name])) for name in _SYMBOL_PATHS if name in given}
    values = {name: given[name] for name in _SYMBOL_VALUES if name in given}
    return msgspec.structs.replace(SymbolOptions(), **paths, **values)


def _capture(given: Mapping[str, object]) -> Capture | None:
    path = str(given.get("input", ""))
    if not path:
        return None
    return Capture(path if path == "-" else _absolute(path), str(given.get("input_format", "auto")))


def _absolute(path: str) -> str:
    return str(Path(path).absolute())
