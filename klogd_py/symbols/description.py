# SPDX-License-Identifier: GPL-2.0-or-later
"""Describe a `SymbolSet` in words: for the daemon's own log, its status, and the commands."""

from klogd_py.record.quantity import quantity
from klogd_py.symbols.map_check import MapStatus
from klogd_py.symbols.modules.tracker import LoadedModules
from klogd_py.symbols.symbol_set import SymbolSet


def headline(symbols: SymbolSet) -> str:
    """Say where names come from: ``names from /boot/System.map-6.1.0 and 183241 symbols of
    kallsyms``.
    """
    used = symbols.in_use
    parts = [str(used.path)] if used else []
    parts += (
        [f"{quantity(symbols.kernel_symbols, 'symbol')} of kallsyms"]
        if symbols.kernel_symbols
        else []
    )
    return "names from " + " and ".join(parts) if parts else "no symbols"


def slide_line(symbols: SymbolSet) -> str | None:
    """Say what is known of the slide of the map in use; ``None`` without a map."""
    slide = symbols.slide
    if slide is not None:
        return f"slide {slide.value:#x}, {slide.confidence}: {slide.proof}"
    if symbols.lacks_slide:
        return f"slide not known, the map names nothing yet: {symbols.unproven_reason}"
    return None


def base_lines(modules: LoadedModules) -> tuple[str, ...]:
    """List the module bases that /proc/modules does not show, one line each, with their proof."""
    shown = modules.listing.bases
    return tuple(
        f"module {base.module} at {base.address:#x}: {base.proof}"
        for base in modules.bases
        if base.address != shown.get(base.module)
    )


def summary(symbols: SymbolSet) -> tuple[str, ...]:
    """Summarise the symbols for an operator, one line each.

    The sources in use, each map that exists with its verdict, the slide, bases of modules.
    """
    lines = [headline(symbols)]
    lines += [
        f"map {verdict.path} {verdict.status.value}: {verdict.reason}"
        for verdict in symbols.verdicts
        if verdict.status is not MapStatus.MISSING
    ]
    slide = slide_line(symbols)
    lines += [slide] if slide is not None else []
    return (*lines, *base_lines(symbols.modules))
