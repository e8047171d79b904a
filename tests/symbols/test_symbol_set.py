# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

from klogd_py.config.schema import SymbolsSection
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import description
from klogd_py.symbols.map_check import SAMPLES, MapStatus
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import ModuleSources, Sources
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.kernels import BASE, KALLSYMS, MAP, moved


def machine(folder: Path, files: dict[str, bytes]) -> Path:
    """Make the root of a machine: a folder with these files below it."""
    for name, content in files.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def load_below(root: Path, release: str = "6.1.0", check_all: bool = False) -> SymbolSet:
    sources = Sources(
        release,
        root,
        None,
        SymbolsSection().search,
        str(root / "proc/kallsyms"),
        ModuleSources(str(root / "proc/modules")),
    )
    return load_symbols(sources, check_all)


def used(found: SymbolSet, root: Path) -> str:
    return f"/{found.in_use.path.relative_to(root)}" if found.in_use else ""


OLD = b"c0100000 T f\nc0110000 A Version_%d\nc0120000 T other\nc0200000 A _end\n"
V2_5_1, V2_4_18 = 2 << 16 | 5 << 8 | 1, 2 << 16 | 4 << 8 | 18


def test_the_first_map_of_matching_version_counts(
    tmp_path: Path,
) -> None:
    root = machine(
        tmp_path, {"/boot/System.map": OLD % V2_5_1, "/usr/src/linux/System.map": OLD % V2_4_18}
    )
    found = load_below(root, "2.4.18")
    assert used(found, root) == "/usr/src/linux/System.map"
    assert [(verdict.status, verdict.reason) for verdict in found.verdicts] == [
        (MapStatus.MISSING, "no such file"),
        (MapStatus.REFUSED, "made for Linux 2.5.1, the kernel is 2.4.18"),
        (MapStatus.MISSING, "no such file"),
        (MapStatus.ACCEPTED, "its version symbol says 2.4.18"),
    ]


def test_the_classic_klogds_places_come_first(tmp_path: Path) -> None:
    places = [
        "/boot/System.map-6.1.0",
        "/boot/System.map",
        "/System.map",
        "/usr/src/linux/System.map",
        "/usr/lib/debug/boot/System.map-6.1.0",
        "/lib/modules/6.1.0/System.map",
        "/usr/lib/modules/6.1.0/System.map",
        "/lib/modules/6.1.0/build/System.map",
        "/System.map-6.1.0",
        "/usr/src/linux/System.map-6.1.0",
    ]
    root = machine(tmp_path, dict.fromkeys(places, MAP) | {"/proc/kallsyms": KALLSYMS})
    for place in places:
        found = load_below(root)
        assert used(found, root) == place
        (root / place.lstrip("/")).unlink()
    assert load_below(root).in_use is None


def test_without_a_map_kallsyms_serves_alone(tmp_path: Path) -> None:
    found = load_below(machine(tmp_path, {"/proc/kallsyms": KALLSYMS}))
    place = found.resolver.resolve(BASE + 0x45)
    assert isinstance(place, SymbolAddress)
    assert (place.name, place.source) == ("function_1", "kallsyms")


def test_kallsyms_overrules_a_map_that_differs_once(
    tmp_path: Path,
) -> None:
    """The map has one function at another address, which is not among the samples."""
    rows = [(BASE + 0x40 * i, f"f{i}") for i in range(4000)]
    text = "".join(f"{address:016x} t {name}\n" for address, name in rows)
    asked = {line.name.decode() for line in SymbolTable(text.encode(), "").sample(SAMPLES)}
    moved_name = next(name for _, name in rows[2000:] if name not in asked)
    shifted = [(address + 0x10 * (name == moved_name), name) for address, name in rows]
    other = "".join(f"{address:016x} t {name}\n" for address, name in shifted)
    root = machine(
        tmp_path, {"/boot/System.map-6.1.0": other.encode(), "/proc/kallsyms": text.encode()}
    )
    found = load_below(root)
    assert "agrees with kallsyms" in description.headline(found) + " ".join(
        description.summary(found)
    )
    wrong = []
    # Where the last one ends nobody knows
    for i, (address, name) in enumerate(rows[:-1]):
        place = found.resolver.resolve(address + 4)
        assert isinstance(place, SymbolAddress)
        wrong += [i] if (place.name, place.offset) != (name, 4) else []
    assert wrong == []


def test_the_map_answers_before_kallsyms_and_slid(tmp_path: Path) -> None:
    root = machine(
        tmp_path, {"/boot/System.map-6.1.0": MAP, "/proc/kallsyms": moved(KALLSYMS, 0x200000)}
    )
    place = load_below(root).resolver.resolve(BASE + 0x200045)
    assert isinstance(place, SymbolAddress)
    assert (place.name, place.offset, place.source) == (
        "function_1",
        5,
        str(root / "boot/System.map-6.1.0"),
    )


def test_a_module_without_symbols_is_still_named(tmp_path: Path) -> None:
    files = {"/proc/kallsyms": KALLSYMS, "/proc/modules": b"nic 8192 0 - Live 0xffffffffa0000000\n"}
    place = load_below(machine(tmp_path, files)).resolver.resolve(0xFFFFFFFFA0000123)
    assert isinstance(place, SymbolAddress)
    assert place.kernel_form == "+0x123/0x2000 [nic]"


def test_masked_kallsyms_answers_hidden_with_remedy(
    tmp_path: Path,
) -> None:
    root = machine(tmp_path, {"/proc/kallsyms": b"0000000000000000 T a\n0000000000000000 t b\n"})
    found = load_below(root)
    assert found.resolver.resolve(BASE) is LookupFailure.HIDDEN
    assert "kernel.kptr_restrict" in found.remarks[0]
    assert "CAP_SYSLOG" in found.remarks[0]


def test_no_map_and_wrong_map_differ(
    tmp_path: Path,
) -> None:
    assert load_below(tmp_path).resolver.resolve(BASE) is LookupFailure.NO_SYMBOLS
    machine(tmp_path, {"/boot/System.map-6.1.0": OLD % V2_5_1})
    assert load_below(tmp_path).resolver.resolve(0xC0100010) is LookupFailure.WRONG_MAP


def test_a_given_map_needs_no_proof(tmp_path: Path) -> None:
    given = tmp_path / "my.map"
    given.write_bytes(MAP)
    (tmp_path / "kallsyms").write_bytes(KALLSYMS.replace(b"00 T function_8", b"30 T function_8"))
    trusting = load_symbols(Sources("6.1.0", given_map=given))
    doubting = load_symbols(Sources("6.1.0", given_map=given, kallsyms=str(tmp_path / "kallsyms")))
    assert trusting.in_use is not None
    assert doubting.in_use is None


def test_an_unreadable_map_is_refused(place: Path) -> None:
    root = machine(place, {"/boot/System.map": MAP})
    (root / "boot/System.map").chmod(0)
    us = os.geteuid()
    if us == 0:
        # Root may read everything
        os.seteuid(65534)
    try:
        found = load_below(root)
    finally:
        os.seteuid(us)
    assert "Permission denied" in found.verdicts[1].reason


def test_every_candidate_is_judged_when_asked_for(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {"/boot/System.map-6.1.0": MAP, "/System.map": b"!!\n", "/proc/kallsyms": KALLSYMS},
    )
    found = load_below(root, check_all=True)
    assert len(found.verdicts) == len(SymbolsSection().search)
    assert used(found, root) == "/boot/System.map-6.1.0"
    assert found.verdicts[2].status is MapStatus.REFUSED
