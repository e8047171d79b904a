# SPDX-License-Identifier: GPL-2.0-or-later
"""Import before the change of the user what the daemon imports later otherwise.

The new user may not be able to read the installation, as one in a home directory.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator

from klogd_py.config.schema import Config
from klogd_py.config.sink_config import JournalSinkConfig
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.watch import watcher


def import_used_modules(config: Config) -> None:
    """Import what the features of a configuration need.

    A library that is missing or broken is no error here: the feature that needs it says so.
    """
    for name in _module_names(config):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    if config.watch.modules:
        with contextlib.suppress(Exception):
            watcher.import_module_watch()


def _module_names(config: Config) -> Iterator[str]:
    yield "klogd_py.config.symbol_choice"
    yield "klogd_py.symbols.symbol_sources"
    if "NOTIFY_SOCKET" in os.environ:
        yield "systemd.daemon"
    if any(isinstance(sink, JournalSinkConfig) for sink in parse_sinks(config)):
        yield "systemd._journal"
    if config.reports.enabled:
        # For names of functions in Rust
        yield "rust_demangler.rust_v0"
    if config.watch.files:
        yield "klogd_py.watch.files"
    if config.metrics.textfile or config.metrics.listen:
        yield "klogd_py.monitoring.prometheus"
