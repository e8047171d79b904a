# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py maps``: print every candidate System.map and whether it belongs to the kernel."""

import os

from klogd_py.cli.output import (
    describe_missing,
    how_to_name_symbols,
    print_json,
    print_remarks,
    slide_document,
)
from klogd_py.config.run_options import RunOptions
from klogd_py.config.symbol_choice import choose_sources_of_question
from klogd_py.record.quantity import quantity
from klogd_py.symbols import description
from klogd_py.symbols.map_check import Verdict
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.system.terminal import align_columns


def maps(options: RunOptions, *, as_json: bool) -> int:
    """Print every candidate map with its verdict, and the other symbol sources.

    Returns the exit status: 1 if a file or a directory that an option names is not there.
    """
    sources = choose_sources_of_question(options.symbols, options.load_config().symbols)
    found = load_symbols(sources, check_all=True)
    missing = describe_missing(options.symbols)
    if as_json:
        print_json(_document(sources, found))
    else:
        _print_table(sources, found)
        if not missing and not found.resolver.has_sources and not found.hidden:
            print(f"\nnote: {how_to_name_symbols(sources.release)}")
    print_remarks(missing.values())
    return 1 if missing else 0


def _print_table(sources: Sources, found: SymbolSet) -> None:
    rows = [("", "VERDICT", "MAP", "REASON")]
    for verdict in found.verdicts:
        mark = "*" if verdict is found.in_use else ""
        rows.append((mark, verdict.status.value, str(verdict.path), verdict.reason))
    print(f"Linux {sources.release or '(release unknown)'}: {description.headline(found)}\n")
    print("\n".join(align_columns(rows)) + "\n")
    slide = description.slide_line(found)
    if slide is not None:
        print(f"slide     {slide.removeprefix('slide ')}")
    for line in description.base_lines(found.modules):
        print(line)
    count = "addresses hidden" if found.hidden else quantity(found.kernel_symbols, "symbol")
    print(f"kallsyms  {_used(sources.kallsyms, count)}")
    listing = sources.modules.listing
    is_there = listing is not None and os.path.exists(listing)
    loaded = f"{found.modules.listing.count} loaded" if is_there else "not there"
    print(f"modules   {_used(listing, loaded)}")
    for remark in found.remarks:
        print(f"\nnote: {remark}")


def _used(path: str | None, content: str) -> str:
    return f"{path}: {content}" if path is not None else "not used"


def _document(sources: Sources, found: SymbolSet) -> dict[str, object]:
    return {
        "release": sources.release or "",
        "maps": [_verdict_document(verdict, verdict is found.in_use) for verdict in found.verdicts],
        "slide": slide_document(found),
        "bases": [
            {
                "module": base.module,
                "address": f"{base.address:#x}",
                "init": base.init,
                "proof": base.proof,
            }
            for base in found.modules.bases
        ],
        "kallsyms": {
            "path": sources.kallsyms or "",
            "symbols": found.kernel_symbols,
            "hidden": found.hidden,
        },
        "modules": {
            "path": sources.modules.listing or "",
            "loaded": found.modules.listing.count,
        },
        "remarks": list(found.remarks),
    }


def _verdict_document(verdict: Verdict, in_use: bool) -> dict[str, object]:
    return {
        "path": str(verdict.path),
        "verdict": verdict.status.value,
        "proof": verdict.proof.value if verdict.proof else None,
        "reason": verdict.reason,
        "slide": verdict.slide,
        "in_use": in_use,
    }
