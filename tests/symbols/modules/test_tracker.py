# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.oops.module_places import StatedBase
from klogd_py.oops.trace_parser import Frame, Trace
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import kallsyms
from klogd_py.symbols.modules import proc_modules
from klogd_py.symbols.modules.base_inference import ModuleBase
from klogd_py.symbols.modules.module_elf import ModuleFile
from klogd_py.symbols.modules.module_files import MissingModuleFile, ModuleFiles
from klogd_py.symbols.modules.tracker import LoadedModules, update_modules
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.module_builder import build, needs_gcc

BASE = 0xFFFFFFFFC0123000
SHOWN = f"probe_it 16384 0 - Live {BASE:#x}\n"
HIDDEN = "probe_it 16384 0 - Live 0x0000000000000000\n"
KALLSYMS = b"""\
ffffffff81000000 T _text
ffffffff82000000 T _etext
ffffffffc0123000 t nic_probe\t[nic]
ffffffffc0123200 t nic_xmit\t[nic]
ffffffffc0129000 d nic_data\t[nic]
"""


@pytest.fixture
def files(tmp_path: Path) -> ModuleFiles:
    build(tmp_path)
    return ModuleFiles(tmp_path)


def named(known: LoadedModules, address: int) -> str:
    for chart in known.sources:
        place = chart.resolve(address)
        if isinstance(place, SymbolAddress) and place.name:
            return place.kernel_form
    return "unknown"


def nothing(_: int) -> set[str]:
    return set()


def unknown(_: int) -> SymbolAddress | LookupFailure:
    return LookupFailure.OUTSIDE


@needs_gcc
def test_a_listed_base_names_from_module_file(files: ModuleFiles) -> None:
    known = update_modules(proc_modules.parse(SHOWN), files, LookupFailure.NO_SYMBOLS)
    assert named(known, BASE + 2).startswith("helper+0x2/0x")
    assert named(known, BASE + 2).endswith("[probe_it]")
    assert not known.lacks_bases


@needs_gcc
def test_a_module_file_without_depmod_is_found(
    tmp_path: Path,
) -> None:
    (tmp_path / "modules.dep").write_text("kernel/fs/other.ko:\n")
    files = ModuleFiles(tmp_path)
    missing = MissingModuleFile(f"no file of module probe_it below {tmp_path}")
    assert files.get("probe_it") == missing
    build(tmp_path)
    assert files.get("probe_it") == missing
    assert isinstance(files.without_failures().get("probe_it"), ModuleFile)


@needs_gcc
def test_a_hidden_base_is_read_from_sections(tmp_path: Path, files: ModuleFiles) -> None:
    sections = tmp_path / "sys/probe_it/sections"
    sections.mkdir(parents=True)
    (sections / ".text").write_text(f"{BASE:#x}\n")
    seeing = ModuleFiles(tmp_path, modules=tmp_path / "sys")
    assert named(
        update_modules(proc_modules.parse(HIDDEN), seeing, LookupFailure.NO_SYMBOLS), BASE
    ).startswith("helper+0x0/")
    (sections / ".text").write_text("0x0000000000000000\n")
    assert update_modules(proc_modules.parse(HIDDEN), seeing, LookupFailure.NO_SYMBOLS).lacks_bases


@needs_gcc
def test_an_inferred_base_lasts_until_module_reload(
    files: ModuleFiles,
) -> None:
    hidden = proc_modules.parse(HIDDEN, lambda name: 11)
    far, cold = _offset(files, b"far_away") + 6, _offset(files, b"cold") + 5
    trace = Trace((Frame(BASE + far), Frame(BASE + cold)), modules=("probe_it",))
    known = update_modules(hidden, files, LookupFailure.NO_SYMBOLS).update_from_trace(
        trace, nothing, unknown
    )
    assert [base.address for base in known.bases] == [BASE]
    assert not known.lacks_bases
    assert (
        update_modules(hidden, files, LookupFailure.NO_SYMBOLS, before=known).bases == known.bases
    )
    for load_id in (12, 0):
        listing = proc_modules.ModuleList([proc_modules.Module("probe_it", 0, 16384, load_id)])
        reloaded = update_modules(listing, files, LookupFailure.NO_SYMBOLS, before=known)
        assert reloaded.bases == ()
        assert named(reloaded, BASE + 2) == "unknown", (
            "it may lie there again, and have other code at the address"
        )


@needs_gcc
def test_an_unplaced_new_module_hides_unloaded_ones(
    files: ModuleFiles,
) -> None:
    listing = HIDDEN + "beside 4096 0 - Live 0x0000000000000000\n"
    before = update_modules(
        proc_modules.parse(listing, lambda name: 11), files, LookupFailure.NO_SYMBOLS
    ).with_bases([ModuleBase("probe_it", BASE, "given")])
    beside, later = (
        proc_modules.Module("beside", 0, 4096, 11),
        proc_modules.Module("later", 0, 4096, 12),
    )
    for now, name in (([beside], "[probe_it, unloaded]"), ([beside, later], "unknown")):
        known = update_modules(
            proc_modules.ModuleList(now), files, LookupFailure.NO_SYMBOLS, before=before
        )
        assert named(known, BASE + 2).endswith(name)
        assert named(
            update_modules(
                proc_modules.ModuleList(now), files, LookupFailure.NO_SYMBOLS, before=known
            ),
            BASE + 2,
        ).endswith(name)


@needs_gcc
def test_module_that_went_before_its_trace_was_read(files: ModuleFiles) -> None:
    far, cold = _offset(files, b"far_away") + 6, _offset(files, b"cold") + 5
    frames = (Frame(BASE + far), Frame(BASE + cold))
    inferred = Trace(frames, modules=("probe_it",))
    stated = StatedBase("probe_it", BASE, 1 << 16)
    read = Trace(frames, modules=("probe_it", "beside"), module_bases=(stated,))
    beside, later = (
        proc_modules.Module("beside", 0, 4096, 11),
        proc_modules.Module("later", 0, 4096, 12),
    )
    for listed, trace, name in (
        ([beside], read, "[probe_it, unloaded]"),
        ([beside, later], read, "unknown"),
        ([later], inferred, "unknown"),
    ):
        now = proc_modules.ModuleList(listed)
        known = update_modules(now, files, LookupFailure.NO_SYMBOLS)
        known = known.update_from_trace(trace, nothing, unknown)
        assert known.bases == ()
        assert len(known.unloaded) == 1
        for _ in range(2):
            assert named(known, BASE + far).endswith(name), "later may lie where probe_it lay"
            known = update_modules(now, files, LookupFailure.NO_SYMBOLS, before=known)


@needs_gcc
def test_a_captured_module_can_have_two_bases(files: ModuleFiles) -> None:
    far, cold = _offset(files, b"far_away") + 6, _offset(files, b"cold") + 5
    known = update_modules(
        proc_modules.ModuleList(()), files, LookupFailure.NO_SYMBOLS, no_listing=True
    )
    for base in (BASE, BASE + 0x40000):
        trace = Trace((Frame(base + far), Frame(base + cold)), modules=("probe_it",))
        known = known.update_from_trace(trace, nothing, unknown)
    assert {base.address for base in known.bases} == {BASE, BASE + 0x40000}


@needs_gcc
def test_a_contradicted_base_is_dropped_with_remark(files: ModuleFiles) -> None:
    known = update_modules(proc_modules.parse(HIDDEN), files, LookupFailure.NO_SYMBOLS).with_bases(
        [ModuleBase("probe_it", BASE, "given")]
    )
    doubted = known.update_from_trace(Trace((Frame(BASE + 3),)), nothing, unknown)
    assert doubted.bases == ()
    assert "does not lie at 0xffffffffc0123000 any more" in doubted.remarks[0]


@needs_gcc
@pytest.mark.parametrize(("mismatch", "release"), [("srcversion", None), ("", "6.2.0")])
def test_the_file_of_another_build_is_not_used(
    mismatch: str, release: str | None, tmp_path: Path
) -> None:
    path = build(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"name=probe_it\0", b"srcversion=AB\0"))
    (tmp_path / "sys/probe_it").mkdir(parents=True)
    if mismatch:
        (tmp_path / "sys/probe_it/srcversion").write_text("CD\n")
    files = ModuleFiles(tmp_path, release, tmp_path / "sys")
    found = files.get("probe_it")
    assert isinstance(found, MissingModuleFile)
    assert (
        "another version" if mismatch else "made for Linux 6.1.0, the kernel is 6.2.0"
    ) in found.reason


@needs_gcc
@pytest.mark.parametrize(("last", "is_used"), [(0xDD, True), (0xDE, False)])
def test_another_build_is_recognised_by_build_id(last: int, is_used: bool, tmp_path: Path) -> None:
    build(tmp_path)
    notes = tmp_path / "sys/probe_it/notes"
    notes.mkdir(parents=True)
    (notes / ".note.gnu.build-id").write_bytes(
        b"\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\xaa\xbb\xcc" + bytes([last])
    )
    file = ModuleFiles(tmp_path, modules=tmp_path / "sys").get("probe_it")
    if is_used:
        assert isinstance(file, ModuleFile)
    else:
        assert isinstance(file, MissingModuleFile)
        assert file.reason.endswith(
            "another build, its build id is aabbccdd, that of the loaded one aabbccde"
        )


def _offset(files: ModuleFiles, name: bytes) -> int:
    (file,) = files.get_all(["probe_it"])
    return next(found.offset for found in file.core.functions if found.name == name)


def by_kallsyms(raw: bytes, listing: str, before: LoadedModules | None = None) -> LoadedModules:
    return update_modules(
        proc_modules.parse(listing), ModuleFiles(), kallsyms.parse(raw).modules, before=before
    )


NIC = "nic 32768 0 - Live 0xffffffffc0123000\n"


def test_an_unloaded_module_of_kallsyms_is_named() -> None:
    known = by_kallsyms(KALLSYMS, NIC)
    assert isinstance(known.table, SymbolTable)
    later = by_kallsyms(b"".join(KALLSYMS.splitlines(keepends=True)[:2]), "", known)
    assert named(later, 0xFFFFFFFFC0123210) == "nic_xmit+0x10/0xe00 [nic, unloaded]"
    assert named(later, 0xFFFFFFFFC0129010) == "unknown"


def test_a_moved_module_is_named_at_both_addresses() -> None:
    known = by_kallsyms(KALLSYMS, NIC)
    moved = KALLSYMS.replace(b"c012", b"c0f2")
    later = by_kallsyms(moved, NIC.replace("c012", "c0f2"), known)
    assert named(later, 0xFFFFFFFFC0123210) == "nic_xmit+0x10/0xe00 [nic, unloaded]"
    assert isinstance(later.table, SymbolTable)
    place = later.table.resolve(0xFFFFFFFFC0F23210)
    assert isinstance(place, SymbolAddress)
    assert place.module == "nic"


def test_loaded_modules_come_before_unloaded_ones() -> None:
    known = by_kallsyms(KALLSYMS, NIC)
    later = by_kallsyms(KALLSYMS, "other 32768 0 - Live 0xffffffffc0123000\n", known)
    places = [chart.resolve(0xFFFFFFFFC0123210) for chart in later.sources]
    assert isinstance(places[0], SymbolAddress)
    assert (places[0].name, places[0].module) == ("", "other")
