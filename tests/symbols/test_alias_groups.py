# SPDX-License-Identifier: GPL-2.0-or-later
"""Many symbols at one address are read once; work is counted by the lines that are parsed."""

import pytest

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import alias_groups
from klogd_py.symbols.alias_groups import MAX_ALIASES, AliasGroups
from klogd_py.symbols.resolver import CrossCheckedTable
from klogd_py.symbols.sorted_lines import SortedLines
from klogd_py.symbols.symbol_line import Aliases, SymbolLine, kernel_rank
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.kernels import BASE

SHARED = BASE + 0x40


def table_lines(names: list[bytes]) -> bytes:
    """Lines of a table with these names at `SHARED`."""
    shared = b"".join(b"%016x T %s\n" % (SHARED, name) for name in names)
    return b"%016x T _text\n%s%016x T next\n" % (BASE, shared, SHARED + 0x100)


def aliases(count: int) -> list[bytes]:
    # The kernel prefers the fewest underscores, and of those the first
    return [b"_" * (1 + (number * 7 + 3) % 5) + b"alias_%d" % number for number in range(count)]


class ParseCounter:
    """Counts the lines that are parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines = 0
        parse = SortedLines.parse

        def counted(lines: SortedLines, start: int) -> SymbolLine:
            self.lines += 1
            return parse(lines, start)

        monkeypatch.setattr(SortedLines, "parse", counted)

    def take(self) -> int:
        """How many lines were parsed since the last question."""
        lines, self.lines = self.lines, 0
        return lines


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> ParseCounter:
    return ParseCounter(monkeypatch)


@pytest.mark.parametrize("count", [500, 1000, 2000, 4000])
def test_first_look_up_reads_each_alias_once(count: int, counter: ParseCounter) -> None:
    table = SymbolTable(table_lines(aliases(count)), "", aliases=Aliases.KERNEL)
    assert isinstance(table.resolve(SHARED + 5), SymbolAddress)
    assert counter.take() == count + 1


@pytest.mark.parametrize("count", [1000, MAX_ALIASES, 100_000])
def test_later_look_ups_read_no_alias(count: int, counter: ParseCounter) -> None:
    table = SymbolTable(table_lines(aliases(count)), "", aliases=Aliases.KERNEL)
    first = table.resolve(SHARED)
    named = table.names_at(SHARED)
    assert counter.take() <= 2 * (MAX_ALIASES + 1)
    for offset in range(0x100):
        found = table.resolve(SHARED + offset)
        assert getattr(found, "name", found) == getattr(first, "name", first)
    assert table.names_at(SHARED) == named
    assert counter.take() == 0


def test_cross_checked_look_ups_read_no_alias(counter: ParseCounter) -> None:
    lines = table_lines(aliases(1000))
    table = CrossCheckedTable(SymbolTable(lines, "map"), SymbolTable(lines, "kallsyms"))
    assert isinstance(table.resolve(SHARED), SymbolAddress)
    counter.take()
    assert isinstance(table.resolve(SHARED + 0x20), SymbolAddress)
    assert counter.take() == 0


@pytest.mark.parametrize("count", [5000, 10_000])
def test_equal_names_at_one_address_cost_linearly(count: int, counter: ParseCounter) -> None:
    table = SymbolTable(table_lines([b"same"] * count), "")
    assert table.find_by_name("same") == []
    assert counter.take() == count + MAX_ALIASES + 1


@pytest.mark.parametrize("order", Aliases)
@pytest.mark.parametrize("count", [1, 15, 16, 17, 300, MAX_ALIASES])
def test_a_remembered_choice_is_the_first(count: int, order: Aliases) -> None:
    names = aliases(count)
    table = SymbolTable(table_lines(names), "", aliases=order)
    symbols = [SymbolLine(SHARED, b"T", name, "") for name in names]
    expected = {
        Aliases.FIRST: symbols[0],
        Aliases.LAST: symbols[-1],
        Aliases.KERNEL: min(symbols, key=kernel_rank),
    }[order]
    for _ in range(3):
        place = table.resolve(SHARED + 5)
        assert isinstance(place, SymbolAddress)
        assert (place.name, place.offset, place.size) == (expected.name.decode(), 5, 0x100)
        assert table.names_at(SHARED) == set(names)
        assert table.names_at(SHARED + 5) == set()


def test_more_aliases_than_the_limit_name_nothing() -> None:
    table = SymbolTable(table_lines(aliases(MAX_ALIASES + 1)), "")
    for _ in range(2):
        assert table.resolve(SHARED + 5) is LookupFailure.OUTSIDE
        assert table.names_at(SHARED) == set()


def test_what_is_remembered_of_groups_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alias_groups, "_MAX_CHOICES", 10)
    monkeypatch.setattr(alias_groups, "_MAX_NAMED", 4)
    raw = b"".join(b"%016x T f%d\n" % (BASE + number // 20, number) for number in range(20 * 50))
    lines = SortedLines(raw, len(raw))
    groups = AliasGroups(lines, Aliases.FIRST)
    choices, named = [], []
    for number in range(50):
        last = lines.last_at_or_below(BASE + number)
        for _ in range(2):
            chosen = groups.choose(last)
            assert chosen is not None
            assert chosen.name == b"f%d" % (20 * number)
            assert len(groups.names(last)) == 20
        choices.append(len(groups._choices))
        named.append(len(groups._names))
    assert (max(choices), max(named)) == (10, 4)


def test_few_aliases_are_not_remembered(counter: ParseCounter) -> None:
    table = SymbolTable(table_lines(aliases(2)), "")
    for _ in range(3):
        assert isinstance(table.resolve(SHARED + 5), SymbolAddress)
        assert counter.take() == 3
