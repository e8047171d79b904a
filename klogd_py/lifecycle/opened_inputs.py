# SPDX-License-Identifier: GPL-2.0-or-later
"""Open what the records of a run are read from, and find the boot that a user selects."""

import os
import tempfile

import msgspec
from msgspec import Struct

from klogd_py.config.run_options import Capture, RunOptions
from klogd_py.config.schema import Config
from klogd_py.pipeline.boot_count import count_boots
from klogd_py.record.quantity import quantity
from klogd_py.record.selection import Following, Selection
from klogd_py.sources import factory
from klogd_py.sources.capture_chain import open_streams
from klogd_py.sources.source import Source, SourceUnavailable

_COPIED_BYTES = 1 << 20


class OpenedInputs(Struct, frozen=True):
    """The sources, one for each stream, and what is selected of them.

    ``selection.boot`` is counted from the first boot on, which is 1.
    """

    sources: list[Source]
    selection: Selection = Selection()


def open_inputs(options: RunOptions, config: Config) -> OpenedInputs:
    """Open the captures, if some are named, or a kernel log interface.

    Raises:
        SourceUnavailable: every capture, or every kernel log interface, cannot be opened; or
        several logs are named where one is needed.
    """
    selection, capture = options.selection, options.capture
    if capture is None:
        source = factory.open_source(config.input.source, options.inherited_fds)
        return OpenedInputs([source], selection)
    if selection.boot is not None and selection.boot <= 0:
        if "-" in capture.paths:
            _copy_standard_input()
        counted = _open(capture, Following.NO, selection)
        number = selection.boot + count_boots(counted[0])
        counted[0].close()
        if "-" in capture.paths:
            os.lseek(0, 0, os.SEEK_SET)
        if number < 1:
            raise SourceUnavailable(_describe_missing_boot(number - selection.boot))
        selection = msgspec.structs.replace(selection, boot=number)
    return OpenedInputs(_open(capture, selection.following, selection), selection)


def _open(capture: Capture, following: Following, selection: Selection) -> list[Source]:
    streams = open_streams(capture.paths, capture.format, following)
    if len(streams) > 1 and (selection.boot is not None or following is not Following.NO):
        for stream in streams:
            stream.close()
        option = "--boot" if selection.boot is not None else "--follow"
        raise SourceUnavailable(
            f"{option} is for one log, and several are named\n"
            "klogd-py: name one --input, or the files of one rotated log"
        )
    return streams


def _describe_missing_boot(count: int) -> str:
    remedy = f"name a boot from 0, the last, to {1 - count}" if count > 1 else "leave out --boot"
    return f"the log has only {quantity(count, 'boot')}\nklogd-py: {remedy}"


def _copy_standard_input() -> None:
    """Put a file in the place of a pipe on standard input, since it is read twice."""
    try:
        os.lseek(0, 0, os.SEEK_CUR)
    except OSError:
        with tempfile.TemporaryFile(buffering=0) as content:
            while piece := os.read(0, _COPIED_BYTES):
                content.write(piece)
            os.dup2(content.fileno(), 0)
        os.lseek(0, 0, os.SEEK_SET)
