# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py translate``: copy text to standard output with symbols for the addresses in it.

Everything else comes out byte for byte.
"""

import time
from collections.abc import Sequence

from klogd_py.cli.output import print_error, print_remarks, report_errors
from klogd_py.cli.text_progress import TextProgress
from klogd_py.config.run_options import RunOptions
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.symbolize import FormatOptions, Style
from klogd_py.pipeline.text_pieces import read_pieces, write_all
from klogd_py.pipeline.text_stream import TextStream, infer_boots
from klogd_py.record.types import LookupFailure
from klogd_py.sources.input_file import InputFile, open_input
from klogd_py.sources.source import SourceUnavailable
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet

NO_SYMBOLS_NAMED = "no symbols were named: type --map FILE, or --live for a log of this machine"


def translate(options: RunOptions, files: Sequence[str]) -> int:
    """Copy the files, or standard input if there are none, to standard output.

    Returns the exit status: 1 if a file or a named symbol source cannot be read. The other files
    are still copied.
    """
    config = options.load_config()
    found = load_symbols(options.build_symbol_sources(config, may_be_foreign=True))
    status = report_errors(found, options)
    symbols = options.symbols
    names_any = symbols.names_sources or symbols.live or symbols.root != "/"
    lacks_all = not status and not names_any and config.translate.style != "off"
    # An error has said why there are no symbols
    told = [LookupFailure.NO_SYMBOLS, LookupFailure.WRONG_MAP] if status else []
    format_options = FormatOptions(
        Style(config.translate.style), config.translate.resymbolize, config.translate.duplicate_raw
    )
    for file in files or ["-"]:
        try:
            content = open_input(file)
        except SourceUnavailable as error:
            print_error(str(error))
            status = 1
            continue
        try:
            prefix = "" if file == "-" else f"{file}: "
            # The end of a pipe may never come, nor what is said there.
            if lacks_all and not content.is_regular and not told:
                told = [LookupFailure.NO_SYMBOLS]
                print_error(NO_SYMBOLS_NAMED)
            _translate(content, found, format_options, prefix, told)
        finally:
            content.close()
        if content.failure is not None:
            print_error(content.failure)
            status = 1
    return status


def _translate(
    content: InputFile,
    found: SymbolSet,
    options: FormatOptions,
    prefix: str,
    told: Sequence[LookupFailure],
) -> None:
    """Translate one input; ``prefix`` begins remarks on it, and ``told`` is what was said before.

    A regular file whose traces still have to tell the KASLR slide, or where modules lie, is read
    twice: what a later trace proves holds for the earlier ones, too.
    """
    boots, plain_bytes = BootSymbols(found), list[int]()
    reads_twice = content.is_regular and (found.lacks_slide or found.modules.lacks_bases)
    progress = TextProgress(reads_twice=reads_twice)
    if reads_twice:
        pieces = progress.watch(content, read_pieces(content))
        inferred = infer_boots(pieces, found, resymbolize=options.resymbolize)
        progress.begin_again(content)
        content.rewind()
        boots, plain_bytes = BootSymbols(found, inferred.symbol_sets), inferred.plain_bytes
    stream = TextStream(boots, options, plain_bytes)
    pieces = read_pieces(content, lambda: stream.due_in_s(time.monotonic()))
    for piece in progress.watch(content, pieces, stream.frames):
        write_all(stream.push(piece, time.monotonic()))
        # A pipe may never end.
        if not content.is_regular:
            print_remarks(boots.take_messages())
    write_all(stream.flush())
    summary = stream.frames.lines(boots.unproven_reason, told, prefix)
    print_remarks([*boots.take_messages(), *stream.doubtful.remarks(prefix), *summary])
