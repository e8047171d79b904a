# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py translate``: copy text to standard output with symbols for the addresses in it.

Everything else comes out byte for byte.
"""

import os
import stat
import sys
import time
from collections.abc import Sequence

from klogd_py.cli.output import print_error, print_remarks, report_errors
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline import stream_filter
from klogd_py.pipeline.symbolize import FormatOptions, Style
from klogd_py.pipeline.text_symbolizer import (
    DoubtfulLines,
    read_pieces,
    split_by_boot,
    symbolize_piece,
    write_all,
)
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet


def translate(options: RunOptions, files: Sequence[str]) -> int:
    """Copy the files, or standard input if there are none, to standard output.

    Returns the exit status: 1 if a file or a named symbol source cannot be read. The other files
    are still copied.
    """
    config = options.load_config()
    found = load_symbols(options.build_symbol_sources(config, may_be_foreign=True))
    status = report_errors(found, options)
    format_options = FormatOptions(
        Style(config.translate.style), config.translate.resymbolize, config.translate.duplicate_raw
    )
    for file in files or ["-"]:
        try:
            descriptor = (
                sys.stdin.fileno() if file == "-" else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            )
        except OSError as error:
            print_error(f"{file}: {error.strerror}")
            status = 1
            continue
        try:
            prefix = "" if file == "-" else f"{file}: "
            if found.reads_traces:
                _filter_with_inference(descriptor, found, format_options, prefix)
            else:
                _filter(descriptor, found, format_options, prefix)
        except IsADirectoryError as error:
            print_error(f"{file}: {error.strerror}")
            status = 1
        finally:
            if file != "-":
                os.close(descriptor)
    return status


def _filter(descriptor: int, found: SymbolSet, options: FormatOptions, prefix: str) -> None:
    """Translate one descriptor with known symbols; ``prefix`` begins remarks on single lines."""
    output = sys.stdout.fileno()
    symbols = found
    doubtful = DoubtfulLines()
    for piece in read_pieces(descriptor):
        for release, part in split_by_boot(piece):
            if release:
                symbols = found.for_release(release)
                print_remarks(symbols.remarks[len(found.remarks) :])
            write_all(output, symbolize_piece(part, symbols.resolver.resolve, options, doubtful))
    print_remarks(doubtful.remarks(prefix))


def _filter_with_inference(
    descriptor: int, found: SymbolSet, options: FormatOptions, prefix: str
) -> None:
    """Translate one descriptor whose traces still have to tell the KASLR slide.

    A regular file is read twice: what a later trace proves holds for the earlier ones, too.
    """
    output = sys.stdout.fileno()
    boots = None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        boots = stream_filter.infer_boots(read_pieces(descriptor), found)
        os.lseek(descriptor, 0, os.SEEK_SET)
    stream = stream_filter.StreamFilter(found, boots)
    for piece in read_pieces(descriptor, lambda: stream.due_in_s(time.monotonic())):
        write_all(output, stream.push(piece, time.monotonic(), options))
    write_all(output, stream.flush(options))
    print_remarks([*stream.messages, *stream.doubtful.remarks(prefix)])
