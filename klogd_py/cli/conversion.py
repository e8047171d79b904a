# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert a parsed command line into `RunOptions`."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from klogd_py.cli.command_line import CommandLine
from klogd_py.cli.options import DAEMON_TRANSLATION, INPUT, OUTPUT, running
from klogd_py.cli.usage_error import UsageError
from klogd_py.config.run_options import Capture, RunOptions
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.record.selection import Selection

_SYMBOL_PATHS = ("map", "kallsyms", "modules", "module_files", "root")
_SYMBOL_VALUES = ("slide", "release", "live")
# The options that replace a configuration key; of two with the same key the later one wins.
_WITH_KEY = [
    (option.name, option.key)
    for group in (INPUT, DAEMON_TRANSLATION, OUTPUT, running(drop_in=False))
    for option in group.options
    if option.key is not None
]


def to_run_options(line: CommandLine, inherited_fds: Mapping[str, int] | None = None) -> RunOptions:
    """Convert the options; those of ``klogd`` have the defaults of the classic one.

    Paths become absolute, since a daemon changes its directory. ``inherited_fds`` are descriptors
    from the service manager, by path.
    """
    config_path, klogd_file = _path(line, "config_path"), line.text("klogd_file")
    sinks = line.texts("sinks")
    if klogd_file is not None:
        sinks += ("file:-" if klogd_file == "-" else f"file:{Path(klogd_file).absolute()}",)
    selection = _selection(line)
    if selection != Selection() and not line.has("input"):
        sinks = _require_console(line, sinks)
    return RunOptions(
        config_path=config_path,
        keys=_keys(line),
        symbols=_symbol_options(line),
        sinks=sinks,
        file_format="klogd" if klogd_file is not None else "",
        capture=_capture(line),
        once=line.has("once"),
        any_text=line.is_drop_in,
        prints_by_default=not sinks and not line.is_drop_in and line.has("input"),
        selection=selection,
        inherited_fds=dict(inherited_fds or {}),
    )


def _keys(line: CommandLine) -> dict[str, object]:
    """Return the configuration keys that options replace; an empty value leaves the key."""
    found: dict[str, object] = {"translate.resymbolize": True} if line.is_drop_in else {}
    for name, key in _WITH_KEY:
        if line.values.get(name, "") != "":
            found[key] = line.values[name]
    return found


def _symbol_options(line: CommandLine) -> SymbolOptions:
    paths = {name: _path(line, name) for name in _SYMBOL_PATHS if line.has(name)}
    values = {name: line.values[name] for name in _SYMBOL_VALUES if line.values.get(name, "") != ""}
    found = msgspec.structs.replace(SymbolOptions(), **paths, **values)
    if found.live and found.root == "/" and found.names_other_release:
        raise UsageError(
            f"--live means the running kernel, which is not Linux {found.release}",
            f"{line.program}: leave out --live or --release",
        )
    return found


def _selection(line: CommandLine) -> Selection:
    if line.has("following") and line.has("once"):
        raise UsageError(
            "--follow goes on and --once stops", f"{line.program}: leave out one of them"
        )
    values = line.values
    since_us, until_us = values.get("since"), values.get("until")
    if isinstance(since_us, int) and isinstance(until_us, int) and since_us > until_us:
        raise UsageError(
            "--since is later than --until", f"{line.program}: exchange the two, or leave out one"
        )
    return msgspec.convert(
        {
            "levels": values.get("levels"),
            "facilities": values.get("facilities"),
            "since_us": since_us,
            "until_us": until_us,
            "boot": values.get("boot"),
            "grep": values.get("grep"),
            "following": values.get("following", "no"),
        },
        Selection,
    )


def _require_console(line: CommandLine, sinks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the console as the only sink of a run that selects records of the running kernel.

    Raises:
        UsageError: there is another sink. It would not get what is left out, now or later.
    """
    if line.has("boot"):
        raise UsageError(
            "--boot is for --input: the kernel's buffer holds one boot",
            f"{line.program}: leave it out, or name a log with --input",
        )
    if any(sink != "console" for sink in sinks):
        raise UsageError(
            "records are selected for --input and the console only",
            f"{line.program}: for other sinks see FILTERS in klogd-py.toml(5): min_severity, match",
        )
    return ("console",)


def _capture(line: CommandLine) -> Capture | None:
    paths = [path for path in line.texts("input") if path]
    if not paths:
        return None
    if paths.count("-") > 1:
        raise UsageError(
            "--input - is standard input, which can be read once",
            f"{line.program}: leave out one of them",
        )
    absolute = [path if path == "-" else str(Path(path).absolute()) for path in paths]
    return Capture(tuple(absolute), line.text("input_format") or "auto")


def _path(line: CommandLine, name: str) -> str | None:
    """Return the path of an option, absolute; ``None`` if it was not given."""
    path = line.text(name)
    return None if path is None else str(Path(path).absolute())
