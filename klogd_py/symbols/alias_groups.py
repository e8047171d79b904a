# SPDX-License-Identifier: GPL-2.0-or-later
"""Choose among the symbols of one table that begin at the same address.

A system call that a kernel was built without has some hundreds of names at one address. Such a
group is read once: what was found is remembered, since a log may ask for the address again and
again.

Source of truth: kernel/kallsyms.c ``get_symbol_pos``; scripts/kallsyms.c ``compare_symbols``.
"""

from klogd_py.symbols.sorted_lines import SortedLines
from klogd_py.symbols.symbol_line import HOLE, Aliases, SymbolLine, kernel_rank

# At one address; with more it has no name
MAX_ALIASES = 4096
# A smaller group is read again
_MIN_REMEMBERED = 16
# Groups of which the choice is remembered
_MAX_CHOICES = 1024
# Groups of which all names are remembered; one has `MAX_ALIASES` at most
_MAX_NAMED = 8


class AliasGroups:
    """The symbols of one table by the address that they share.

    A group is known by the start of its last line. Mutable only in what it remembers; several
    threads may ask.
    """

    def __init__(self, lines: SortedLines, aliases: Aliases) -> None:
        self._lines = lines
        self._aliases = aliases
        self._choices: dict[int, SymbolLine | None] = {}
        self._names: dict[int, frozenset[bytes]] = {}

    def choose(self, last: int) -> SymbolLine | None:
        """Return the symbol that names the address of the line at ``last``.

        ``None`` if none can, or there are more than `MAX_ALIASES`.

        Raises:
            ValueError: that line is damaged.
        """
        choices = self._choices
        if last in choices:
            return choices[last]
        group = self._read(last)
        chosen = self._choose(group)
        if _is_large(group):
            if len(self._choices) >= _MAX_CHOICES:
                self._choices = {}
            self._choices[last] = chosen
        return chosen

    def names(self, last: int) -> frozenset[bytes]:
        """Return all names at the address of the line at ``last``; none beyond `MAX_ALIASES`.

        Raises:
            ValueError: that line is damaged.
        """
        known = self._names.get(last)
        if known is not None:
            return known
        group = self._read(last)
        names = frozenset(line.name for line in group)
        if _is_large(group):
            if len(self._names) >= _MAX_NAMED:
                self._names = {}
            self._names[last] = names
        return names

    def _choose(self, group: list[SymbolLine]) -> SymbolLine | None:
        naming = [line for line in group if line.can_name]
        if not naming or group[-1].kind == HOLE:
            return None
        if self._aliases is Aliases.KERNEL:
            return min(naming, key=kernel_rank)
        return naming[-1 if self._aliases is Aliases.LAST else 0]

    def _read(self, last: int) -> list[SymbolLine]:
        """Return the lines of a group in their order; empty if there are more than `MAX_ALIASES`.

        Raises:
            ValueError: the last one is damaged.
        """
        start = last
        lines = [self._lines.parse(start)]
        while start > 0:
            start = self._lines.start_of(start - 1)
            try:
                line = self._lines.parse(start)
            except ValueError:
                break
            if line.address != lines[0].address:
                break
            if len(lines) == MAX_ALIASES:
                return []
            lines.append(line)
        lines.reverse()
        return lines


def _is_large(group: list[SymbolLine]) -> bool:
    """Whether reading a group again would be a waste; an empty one had too many lines."""
    return not group or len(group) >= _MIN_REMEMBERED
