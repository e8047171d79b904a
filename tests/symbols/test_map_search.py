# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import msgspec
import pytest

from klogd_py.symbols.map_check import MapStatus, Proof, Verdict
from klogd_py.symbols.map_search import KEPT, keep_map
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import Sources
from klogd_py.symbols.system_map import SystemMap
from tests.symbols.kernels import BASE, KALLSYMS, MAP, moved

PATH = Path("/boot/System.map")
USED = Verdict(PATH, MapStatus.ACCEPTED, "agrees", Proof.KALLSYMS)
CANDIDATE = SystemMap(PATH, MAP, None, None)


@pytest.mark.parametrize(
    ("status", "path", "stays"),
    [
        (MapStatus.REFUSED, PATH, True),
        # Which the configuration names now
        (MapStatus.REFUSED, Path("/another.map"), True),
        # Taken away on purpose
        (MapStatus.MISSING, PATH, False),
    ],
)
def test_a_map_stays_unless_it_was_taken_away(status: MapStatus, path: Path, stays: bool) -> None:
    assert (keep_map(USED, CANDIDATE, [Verdict(path, status, "why")]) is not None) == stays


def test_what_was_not_there_before_cannot_stay() -> None:
    assert keep_map(None, None, [Verdict(PATH, MapStatus.REFUSED, "why")]) is None


def test_a_map_not_in_memory_is_dropped() -> None:
    mapped = msgspec.structs.replace(CANDIDATE, lines=memoryview(MAP))
    assert keep_map(USED, mapped, [Verdict(PATH, MapStatus.REFUSED, "why")]) is None


def test_the_reason_says_once_that_it_was_kept() -> None:
    refused = [Verdict(PATH, MapStatus.REFUSED, "why")]
    once = keep_map(USED, CANDIDATE, refused)
    assert once is not None
    assert once.reason == f"agrees; {KEPT}"
    assert keep_map(once, CANDIDATE, refused) == once


def _load(root: Path, before: SymbolSet | None = None) -> SymbolSet:
    places = ("/boot/System.map-{release}",)
    return load_symbols(Sources("6.1.0", root, None, places, str(root / "kallsyms")), before=before)


def test_a_kernel_upgrade_keeps_the_running_map(tmp_path: Path) -> None:
    path = tmp_path / "boot/System.map-6.1.0"
    path.parent.mkdir()
    path.write_bytes(MAP)
    (tmp_path / "kallsyms").write_bytes(KALLSYMS)
    before = _load(tmp_path)
    lines = MAP.splitlines(keepends=True)
    path.write_bytes(
        b"".join([lines[0], *moved(b"".join(lines[1:]), 0x40).splitlines(keepends=True)])
    )
    after = _load(tmp_path, before)
    assert after.resolver.resolve(BASE + 0x45) == before.resolver.resolve(BASE + 0x45)
    assert after.replacement_refusal is not None
    assert after.replacement_refusal.startswith(f"{path} refused: another kernel's")
    assert _load(tmp_path, after).replacement_refusal == after.replacement_refusal
    path.unlink()
    assert _load(tmp_path, after).in_use is None


def test_a_repaired_map_is_accepted_again(tmp_path: Path) -> None:
    path = tmp_path / "boot/System.map-6.1.0"
    path.parent.mkdir()
    (tmp_path / "kallsyms").write_bytes(KALLSYMS)
    path.write_bytes(MAP)
    before = _load(tmp_path)
    path.write_bytes(b"half a map")
    between = _load(tmp_path, before)
    assert between.replacement_refusal is not None
    assert between.replacement_refusal.endswith("not a map: it holds no symbols")
    path.write_bytes(MAP + b"ffffffff82000000 T another\n")
    after = _load(tmp_path, between)
    assert (after.replacement_refusal, after.in_use is not None) == (None, True)
