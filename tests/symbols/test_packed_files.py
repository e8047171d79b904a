# SPDX-License-Identifier: GPL-2.0-or-later
import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from klogd_py.symbols import packed_files
from klogd_py.symbols.map_check import MapStatus
from klogd_py.symbols.packed_files import open_unpacked
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_sources import ModuleSources, Sources, read_modules
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.hostile import EXECUTABLE, TEXT_AT, symbol, with_symbols

MAP = b"ffffffff81000000 T _text\nffffffff81000010 t worker_thread\nffffffff82000000 A _end\n"
PACKERS: list[Callable[[bytes], bytes]] = [
    gzip.compress,
    lzma.compress,
    bz2.compress,
    zstandard.compress,
]
packers = pytest.mark.parametrize("pack", PACKERS)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@packers
def test_packed_map_names_as_the_unpacked_one(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = written(tmp_path / "System.map.packed", pack(MAP))
    found = load_symbols(Sources(given_map=path))
    assert found.map_in_use is not None
    assert found.map_in_use.system_map.lines[:] == MAP
    assert found.map_in_use.system_map.stamp.size_bytes == path.stat().st_size


@packers
def test_packed_kernel_image_is_a_map(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    image = with_symbols(symbol(1, TEXT_AT), b"\0startup_64\0", EXECUTABLE)
    found = load_symbols(Sources(given_map=written(tmp_path / "vmlinux", pack(image))))
    assert found.map_in_use is not None
    assert found.map_in_use.system_map.lines[:].endswith(b" startup_64\n")
    text = found.map_in_use.system_map.text
    assert text is not None
    assert text.bytes_at(TEXT_AT, 4) == bytes(4)


@packers
def test_packed_kallsyms_and_modules_are_read(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    kallsyms = written(tmp_path / "kallsyms", pack(MAP))
    listing = written(tmp_path / "modules", pack(b"ext4 4096 1 - Live 0xffffffffc0000000\n"))
    sources = Sources(kallsyms=str(kallsyms), modules=ModuleSources(str(listing)))
    assert isinstance(load_symbols(sources).kallsyms, SymbolTable)
    assert [place.name for place in read_modules(sources, []).layout] == ["ext4"]


@packers
def test_damaged_symbol_files_are_refused_with_reason(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = written(tmp_path / "packed", pack(MAP * 99)[:-9])
    sources = Sources(given_map=path, kallsyms=str(path), modules=ModuleSources(listing=str(path)))
    found = load_symbols(sources)
    assert [verdict.status for verdict in found.verdicts] == [MapStatus.REFUSED]
    assert "ends too early" in found.verdicts[0].reason
    assert [remark.partition("cut off: ")[1] for remark in found.remarks] == ["cut off: "] * 2


def test_content_larger_than_its_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_files, "MAX_FILE_BYTES", 1 << 20)
    path = written(tmp_path / "System.map.gz", gzip.compress(MAP * 20_000))
    with pytest.raises(packed_files.NotUnpacked, match="more than 1 MiB"):
        open_unpacked(path)
