# SPDX-License-Identifier: GPL-2.0-or-later
"""Convert parsed command line options into `RunOptions`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from klogd_py.config.run_options import RunOptions

_PATHS = ("config_path", "map", "kallsyms", "modules", "module_files", "root")


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
    paths = {key: str(Path(given[key]).absolute()) for key in _PATHS if key in given}
    input_path = given.get("input", "")
    return RunOptions(
        **paths,
        slide=given.get("slide"),
        release=given.get("release", ""),
        live=given.get("live", False),
        sinks=sinks,
        input=input_path if input_path in ("", "-") else str(Path(input_path).absolute()),
        input_format=given.get("input_format", "auto"),
        source="syslog" if given.get("syscall") else "",
        once=given.get("once", False),
        style="off" if given.get("no_translate") else given.get("style", ""),
        resymbolize=given.get("resymbolize", True if drop_in else None),
        duplicate_raw=given.get("duplicate_raw", False),
        any_text=drop_in,
        reload_on_oops=given.get("reload_on_oops", False),
        json=given.get("json", False),
        file_format="klogd" if "klogd_file" in given else "",
        console_level=given.get("console_level", 0),
        log_level="debug" if given.get("debug") else given.get("log_level", ""),
        user=given.get("user", ""),
        inherited_fds=dict(inherited_fds or {}),
    )
