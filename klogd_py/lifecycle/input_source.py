# SPDX-License-Identifier: GPL-2.0-or-later
"""Open the source of records, and what depends on its kind."""

from pathlib import Path

from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.oops.provenance import Origin
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sources import factory
from klogd_py.sources.capture import open_capture
from klogd_py.sources.kmsg_device import KmsgDevice
from klogd_py.sources.proc_kmsg import ProcKmsg
from klogd_py.sources.source import Source


def open_input(options: RunOptions, config: Config) -> Source:
    """Open a capture, if one is named, or a kernel log interface.

    Raises:
        SourceUnavailable: the capture, or every kernel log interface, cannot be opened.
    """
    if options.capture is not None:
        return open_capture(options.capture.path, options.capture.format)
    return factory.open_source(config.input.source, options.inherited_fds)


def origin_of(source: Source, *, live: bool) -> Origin:
    """Return the form in which a source has its records."""
    if not live:
        return Origin.CAPTURE
    return Origin.LINES if isinstance(source, ProcKmsg) else Origin.RECORDS


def build_cursor_store(source: Source, config: Config, boot_id: str | None) -> CursorStore:
    """Return the store of the sinks' cursors; without a file if records have no sequence
    numbers.
    """
    path = Path(config.state.cursor_file) if config.state.cursor_file else None
    if isinstance(source, KmsgDevice):
        return CursorStore(path, boot_id, source.newest)
    return CursorStore(None, boot_id, lambda: None)
