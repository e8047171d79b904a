# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import kallsyms, sorted_lines, system_map
from klogd_py.symbols.kallsyms import NotKallsyms
from klogd_py.symbols.modules import proc_modules
from klogd_py.symbols.name_places import NamePlaces
from klogd_py.symbols.sorted_lines import SortedLines
from klogd_py.symbols.symbol_line import Aliases
from klogd_py.symbols.symbol_table import FIRST_PAGE_END, KERNEL_HALF, MAX_SYMBOL_BYTES, SymbolTable
from klogd_py.symbols.system_map import NotAMap, rebuild

ADDRESSES = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0xFFFFFFFF81000000, 0xFFFFFFFF81000400),
    st.integers(0xC0100000, 0xC0100400),
    st.integers(0, 8192),
)
SYMBOLS = st.lists(
    st.tuples(ADDRESSES, st.sampled_from("TtDdWAB"), st.text("abc_", min_size=1, max_size=6)),
    min_size=1,
    max_size=40,
).map(lambda symbols: sorted(symbols, key=lambda symbol: symbol[0]))


def lines_of(symbols: list[tuple[int, str, str]]) -> bytes:
    return b"".join(
        b"%016x %s %s\n" % (address, kind.encode(), name.encode())
        for address, kind, name in symbols
    )


def by_reading(symbols: list[tuple[int, str, str]], address: int, aliases: Aliases) -> str | None:
    """Resolve an address by the rules of tables, by trying all symbols in order."""
    floor = KERNEL_HALF if symbols[-1][0] >= KERNEL_HALF else FIRST_PAGE_END
    at_or_below = [symbol for symbol in symbols if symbol[0] <= address]
    above = [symbol for symbol in symbols if symbol[0] > address]
    if not at_or_below or not above or address < floor:
        return None
    base = at_or_below[-1][0]
    if above[0][0] - base > MAX_SYMBOL_BYTES:
        return None
    naming = [
        (kind, name)
        for start, kind, name in at_or_below
        if start == base and kind not in "Aa" and name not in ("end",)
    ]
    # Weak ones behind, then those with more underscores before
    if aliases is Aliases.KERNEL:
        naming.sort(
            key=lambda symbol: (symbol[0] == "W", len(symbol[1]) - len(symbol[1].lstrip("_")))
        )
    return naming[-1 if aliases is Aliases.LAST else 0][1] if naming else None


@given(SYMBOLS, ADDRESSES, st.sampled_from(Aliases))
def test_searching_in_place_agrees_with_reading_through(
    symbols: list[tuple[int, str, str]], address: int, aliases: Aliases
) -> None:
    table = SymbolTable(lines_of(symbols), "", aliases=aliases)
    for probe in (address, *(start + step for start, _, _ in symbols for step in (-1, 0, 1))):
        place = table.resolve(probe)
        expected = by_reading(symbols, probe, aliases)
        assert (place.name if isinstance(place, SymbolAddress) else None) == expected


NAMES = st.text("ab_.$[+*", min_size=1, max_size=6).map(str.encode)
# Damaged ones are among them
NAMED_LINES = st.lists(
    st.tuples(
        st.sampled_from((b"c0100000 T ", b"c0100010 t ", b"c0100020  ", b"", b" ")),
        NAMES,
        st.sampled_from((b"", b"\t[nic]", b"\r", b" ", b" b", b"\t")),
    ).map(b"".join),
    max_size=40,
)


@given(NAMED_LINES, st.lists(NAMES), st.integers(1, 80), st.booleans())
def test_one_pass_agrees_with_a_plain_loop(
    lines: list[bytes], names: list[bytes], piece_bytes: int, is_ended: bool
) -> None:
    raw = b"\n".join([b"c0100000 T first", *lines]) + (b"\n" if is_ended else b"")
    searched, places = SortedLines(raw, len(raw)), NamePlaces()
    names += {word for line in lines for word in line.split()}
    places.expect(names)
    with mock.patch.object(sorted_lines, "_PIECE_BYTES", piece_bytes):
        for name in names:
            expected: dict[bytes, list[int]] = {b"\n": [], b"\t": []}
            at = 0
            for line in raw.splitlines(keepends=True):
                for ending, starts in expected.items():
                    starts += [at] * line.count(b" " + name + ending)
                at += len(line)
            for ending, starts in expected.items():
                assert list(places.find(searched, name, ending)) == starts


@given(SYMBOLS, ADDRESSES)
def test_whatever_is_named_contains_the_address(
    symbols: list[tuple[int, str, str]], address: int
) -> None:
    place = SymbolTable(lines_of(symbols), "").resolve(address)
    if isinstance(place, SymbolAddress):
        assert 0 <= place.offset < place.size
        assert (address - place.offset, place.name) in {(start, name) for start, _, name in symbols}


@given(SYMBOLS, st.data(), ADDRESSES)
def test_a_damaged_table_never_names_wrongly(
    symbols: list[tuple[int, str, str]], data: st.DataObject, address: int
) -> None:
    raw = bytearray(lines_of(symbols))
    for _ in range(data.draw(st.integers(0, 6))):
        raw[data.draw(st.integers(19, len(raw) - 1)) if len(raw) > 19 else 0] = data.draw(
            st.integers(0, 255)
        )
    try:
        table = SymbolTable(bytes(raw), "")
    except ValueError:
        return
    place = table.resolve(address)
    if isinstance(place, SymbolAddress):
        assert 0 <= place.offset < place.size


@given(st.permutations(range(12)))
def test_a_shuffled_map_answers_as_the_sorted_one(order: list[int]) -> None:
    rows = [b"%08x T f%d\n" % (0xC0100000 + 0x40 * i, i) for i in range(12)]
    lines = rebuild(b"".join(rows[i] for i in order)).lines
    table = SymbolTable(lines, "")
    for i in range(11):
        place = table.resolve(0xC0100000 + 0x40 * i + 5)
        assert isinstance(place, SymbolAddress)
        assert place.name == f"f{i}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=400),
        st.text("0123456789abcdef TtA_\n\r\tx", max_size=400).map(str.encode),
    )
)
def test_any_file_is_a_map_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "System.map"
    path.write_bytes(content)
    try:
        loaded = system_map.load(path)
    except NotAMap:
        return
    place = SymbolTable(loaded.lines, "").resolve(0xC0100000)
    if isinstance(place, SymbolAddress):
        assert place.name.encode() in content


@given(st.one_of(st.binary(max_size=300), SYMBOLS.map(lines_of)), ADDRESSES)
def test_any_bytes_are_kallsyms_or_refused(raw: bytes, address: int) -> None:
    try:
        symbols = kallsyms.parse(raw)
    except NotKallsyms:
        return
    for table in (symbols.core, symbols.modules):
        if not isinstance(table, LookupFailure):
            place = table.resolve(address)
            assert isinstance(place, LookupFailure) or place.name.encode() in raw


@given(st.text(max_size=300), ADDRESSES)
def test_any_text_makes_a_list_of_modules(text: str, address: int) -> None:
    place = proc_modules.parse(text).resolve(address)
    assert isinstance(place, LookupFailure) or place.module in text
