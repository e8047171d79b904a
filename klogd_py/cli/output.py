# SPDX-License-Identifier: GPL-2.0-or-later
"""Print what several subcommands have in common: JSON, remarks, unusable symbol sources.

Answers go to standard output, everything about klogd-py itself to standard error.
"""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from klogd_py.config.run_options import RunOptions
    from klogd_py.config.symbol_options import SymbolOptions
    from klogd_py.symbols.symbol_set import SymbolSet

_REMARK_COLUMNS = 80 - len("klogd-py: ")


def print_json(content: object) -> None:
    """Print any msgspec-encodable value as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def print_error(message: str) -> None:
    """Print one line to standard error, after the program's name."""
    print(f"klogd-py: {message}", file=sys.stderr)


def print_remarks(lines: Iterable[str]) -> None:
    """Print each line as `print_error` does; a long one goes on in the next line, indented."""
    for line in lines:
        for part in wrap_remark(line):
            print_error(part)


def wrap_remark(line: str) -> list[str]:
    """Break a line at blanks, so that each part has at most 80 columns behind the program's name.

    A line that begins with a path stays whole, since programs read it, and so does a longer word.
    """
    if len(line) <= _REMARK_COLUMNS or "/" in line.partition(" ")[0]:
        return [line]
    import textwrap

    begin = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line.lstrip(),
        _REMARK_COLUMNS,
        initial_indent=begin,
        subsequent_indent=f"{begin}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def describe_missing(symbols: "SymbolOptions") -> dict[str, str]:
    """Say why files and directories that options name cannot be read, by their paths."""
    found = {}
    directories = (symbols.root, symbols.module_files)
    for path in (*directories, symbols.map, symbols.kallsyms, symbols.modules):
        if path:
            try:
                os.close(os.open(path, os.O_PATH))
                if path in directories:
                    os.scandir(path).close()
            except FileNotFoundError:
                kind = "directory" if path in directories else "file"
                found[path] = f"{path}: no such {kind}"
            except OSError as error:
                found[path] = f"{path}: {(error.strerror or str(error)).lower()}"
    return found


def how_to_name_symbols(release: str | None) -> str:
    """Say that there are no symbols of a kernel, and what to type."""
    of = f" of Linux {release}" if release else ""
    return f"no symbols{of} are here: name its map with --map FILE"


def report_errors(found: "SymbolSet", options: "RunOptions") -> int:
    """Print which symbol sources named on the command line cannot be used.

    Returns the exit status: 1 if there is one, else 0.
    """
    # Imported here, as most commands load no symbols
    from klogd_py.symbols.map_check import MapStatus

    missing = describe_missing(options.symbols)
    unusable = [
        f"{verdict.path}: {verdict.reason}"
        for verdict in found.verdicts
        if options.symbols.map and verdict.status is not MapStatus.ACCEPTED
        if str(verdict.path) not in missing
    ]
    remarks = [
        remark
        for remark in found.remarks
        if not any(remark.startswith((f"{path}:", f"{path}/", f"{path} ")) for path in missing)
    ]
    print_remarks([*missing.values(), *unusable, *remarks])
    return 1 if missing or unusable or (remarks and options.symbols.names_sources) else 0


def slide_document(found: "SymbolSet") -> dict[str, object] | None:
    """Describe the KASLR slide of the map in use; ``None`` without a map."""
    if found.slide is None:
        return {"reason": found.unproven_reason} if found.lacks_slide else None
    known = found.slide
    return {
        "value": f"{known.value:#x}",
        "source": known.source.value,
        "confidence": known.confidence,
        "proof": known.proof,
    }
