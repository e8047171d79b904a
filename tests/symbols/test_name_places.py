# SPDX-License-Identifier: GPL-2.0-or-later
"""Names are found in one pass; passes are counted by the bytes that are read."""

import os
from pathlib import Path

import pytest

from klogd_py.oops.trace_parser import parse_trace
from klogd_py.record.types import LookupFailure
from klogd_py.symbols import file_bytes, name_places, sorted_lines, system_map
from klogd_py.symbols.file_bytes import Buffer
from klogd_py.symbols.kaslr import reported_slide
from klogd_py.symbols.kaslr.architecture import X86_64
from klogd_py.symbols.kaslr.inference import KaslrInference
from klogd_py.symbols.kaslr.vmcoreinfo import Vmcoreinfo
from klogd_py.symbols.map_check import MapStatus, Verdict, compare
from klogd_py.symbols.name_places import ENDINGS, NamePlaces
from klogd_py.symbols.sorted_lines import SortedLines
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.kernels import BASE

LINES = 60_000
NAMES = [b"f%d" % number for number in (0, 7, 59_000, LINES - 2)]


def map_of(count: int) -> bytes:
    return b"".join(b"%016x T f%d\n" % (BASE + 64 * number, number) for number in range(count))


class ReadCounter:
    """Counts the bytes that pread returns."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def pread(self, descriptor: int, count: int, offset: int) -> bytes:
        found = os.pread(descriptor, count, offset)
        self.bytes_read += len(found)
        return found

    def passes(self, path: Path) -> float:
        """How often the whole file was read since the last question."""
        found = self.bytes_read / path.stat().st_size
        self.bytes_read = 0
        return found


class PreadCountedOs:
    """The module os as `klogd_py.symbols.file_bytes` sees it, with a pread that counts."""

    def __init__(self, counter: ReadCounter) -> None:
        self.pread = counter.pread

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> ReadCounter:
    """Search every map in its file, and count what is read."""
    counter = ReadCounter()
    monkeypatch.setattr(system_map, "MAX_COPIED_BYTES", 0)
    monkeypatch.setattr(system_map, "MAX_WITH_VERSION_BYTES", 0)
    monkeypatch.setattr(system_map, "MAX_ORDER_CHECKED_BYTES", 0)
    # So that probes and the sample read a small part of it
    monkeypatch.setattr(system_map, "PROBES", 8)
    monkeypatch.setattr(file_bytes, "os", PreadCountedOs(counter))
    return counter


def written(folder: Path, content: bytes) -> Path:
    path = folder / "System.map"
    path.write_bytes(content)
    return path


def test_a_large_map_is_read_once(tmp_path: Path, counter: ReadCounter) -> None:
    path = written(tmp_path, map_of(LINES))
    found = load_symbols(Sources(given_map=path, slide=0, names=frozenset(NAMES)))
    starts = [start for name in NAMES for start in found.resolver.find_by_name(name.decode())]
    assert [start.address for start in starts] == [
        BASE + 64 * int(name.removeprefix(b"f")) for name in NAMES
    ]
    assert found.map_in_use is not None
    assert found.map_in_use.system_map.table().address_of(b"_etext") is None
    assert 1 <= counter.passes(path) < 1.5


def test_an_absent_name_is_not_searched_again(tmp_path: Path, counter: ReadCounter) -> None:
    path = written(tmp_path, map_of(LINES))
    found = system_map.load(path)
    found.places.expect([b"nowhere", *NAMES])
    assert found.table().address_of(b"nowhere") is None
    assert counter.passes(path) >= 1
    assert found.table(slide=64).find_by_name("nowhere") == []
    assert found.table().addresses_of(b"f7") == [BASE + 64 * 7]
    assert counter.passes(path) < 0.1


def test_names_of_an_oops_take_one_pass(tmp_path: Path, counter: ReadCounter) -> None:
    path = written(tmp_path, map_of(LINES))
    table = system_map.load(path).table()
    inference = KaslrInference(table, X86_64)
    counter.passes(path)
    lines = [
        f" [<{BASE + 64 * number + 5:016x}>] f{number}+0x5/0x40" for number in range(1000, 1040)
    ]
    found = inference.infer(parse_trace(["Oops: 0000 [#1] SMP", *lines]))
    assert "40 names" in getattr(found, "proof", "")
    assert 1 <= counter.passes(path) < 1.5


def test_symbols_of_kcore_take_one_pass(tmp_path: Path, counter: ReadCounter) -> None:
    path = written(tmp_path, map_of(LINES))
    table = system_map.load(path).table()
    counter.passes(path)
    stated = Vmcoreinfo(0, {f"f{number}": BASE + 64 * number for number in range(100, 130)})
    verdict = Verdict(path, MapStatus.ACCEPTED, "")
    assert reported_slide.contradiction(table, stated, verdict) is None
    assert 1 <= counter.passes(path) < 1.5


def test_strangers_are_searched_in_kallsyms_together(tmp_path: Path, counter: ReadCounter) -> None:
    path = written(tmp_path, map_of(LINES))
    kallsyms = system_map.load(path).table()
    strangers = b"".join(b"%016x T g%d\n" % (BASE + 64 * i, i) for i in range(300))
    counter.passes(path)
    found = compare(SymbolTable(strangers, ""), kallsyms)
    assert (found.agree, found.absent) == (0, 64)
    # The anchors take ten, the first stranger two, the sample some blocks
    assert counter.passes(path) < 20


def test_names_of_a_cut_map_are_gone(tmp_path: Path, counter: ReadCounter) -> None:
    path = written(tmp_path, map_of(LINES))
    found = system_map.load(path)
    found.places.expect([b"f25000", b"f50000"])
    assert found.table().address_of(b"f25000") == BASE + 64 * 25_000
    os.truncate(path, 4096)
    assert found.table().address_of(b"f50000") is None
    assert found.table().find_by_name("f25000") == []
    assert found.table().resolve(BASE + 64 * 25_000) is LookupFailure.NO_SYMBOLS


def starts(lines: SortedLines, places: NamePlaces, name: bytes) -> list[int]:
    return [start for ending in ENDINGS for start in places.find(lines, name, ending)]


@pytest.mark.parametrize("piece_bytes", [1, 20, 21, 22, 1 << 20])
def test_a_name_over_an_edge_is_found(piece_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_lines, "_PIECE_BYTES", piece_bytes)
    raw = b"c0100000 T f\nc0100010 T long_name\nc0100020 t long_name\t[nic]\nc0100030 T long\n"
    lines, places = SortedLines(raw, len(raw)), NamePlaces()
    places.expect([b"long_name", b"long", b"f"])
    assert starts(lines, places, b"long_name") == [raw.index(b"c0100010"), raw.index(b"c0100020")]
    assert starts(lines, places, b"long") == [raw.index(b"c0100030")]
    assert starts(lines, places, b"f") == [0]


@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_more_equal_names_than_kept_are_found(count: int) -> None:
    raw = b"".join(b"%08x T same\n" % (0xC0100000 + i) for i in range(count))
    lines, places = SortedLines(raw, len(raw)), NamePlaces()
    places.expect([b"same"])
    assert starts(lines, places, b"same") == list(range(0, len(raw), len(raw) // count))


@pytest.mark.parametrize("name", [b"", b"a b", b"a\tb", b"a\n", b"long" * 100])
def test_a_name_that_is_not_expected_is_found(name: bytes) -> None:
    raw = b"c0100000 T x\nc0100010 T %s\nc0100020 T y\n" % name
    lines, places = SortedLines(raw, len(raw)), NamePlaces()
    places.expect([name, b"x"])
    assert starts(lines, places, b"x") == [0]
    assert starts(lines, places, name) == [13]


def test_what_is_known_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_places, "_MAX_KNOWN", 10)
    raw: Buffer = map_of(100)
    lines, places = SortedLines(raw, len(raw)), NamePlaces()
    known = []
    for number in range(100):
        places.expect([b"f%d" % number, b"g%d" % number])
        assert len(starts(lines, places, b"f%d" % number)) == 1
        known.append(len(places._known))
    assert max(known) == 2 * 10
