# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames of OpenWrt's kernels without kallsyms: ``0xADDRESS [module@BASE+0xSIZE]``."""

import subprocess
from pathlib import Path
from random import Random

import pytest

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import Kind, find
from klogd_py.oops.module_places import StatedBase
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_parser import Frame, Trace, parse_trace
from klogd_py.pipeline.symbolize import FormatOptions, symbolize_text
from klogd_py.record.types import LookupFailure, Record, SymbolAddress
from klogd_py.symbols.kaslr.architecture import X86_64
from klogd_py.symbols.kaslr.inference import KaslrInference, Slide
from klogd_py.symbols.modules.module_elf import ModuleCode, ModuleFile
from klogd_py.symbols.modules.module_files import ModuleFiles
from klogd_py.symbols.modules.return_check import ARM, MIPS, are_return_addresses
from klogd_py.symbols.modules.tracker import LoadedModules
from klogd_py.symbols.symbol_table import SymbolTable
from tests.oops.test_address_patterns import LINES
from tests.symbols.module_builder import build, needs_gcc
from tests.symbols.oopses import kernel, oops

PLAIN = "[nic@87558000+0x6840]"
PLACES = [
    PLAIN,
    "[nic@ffffffffa0012000+0x12000]",
    # Hashes, since 4.15, and before there are random numbers to hash with
    "[nic@00000000bd871309+0x83000]",
    "[nic@abcdef12+0x1000]",
    "[nic@(____ptrval____)+0x1000]",
    "[nic@(ptrval)+0x1000]",
]
TOKENS = [row for row in LINES if row[1].startswith("0x")]


def in_nic(address: int) -> SymbolAddress | LookupFailure:
    return SymbolAddress("probe", address & 0xFFF, 0x1001, "nic", "t", "test")


def with_place(line: str, word: str, place: str) -> str:
    before, _, after = line.rpartition(word)
    return f"{before}{word} {place}{after}"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("line", "word", "kind"), TOKENS)
def test_each_form_takes_place_of_module(line: str, word: str, kind: Kind, place: str) -> None:
    placed = with_place(line, word, place)
    (match,) = find(placed)
    assert (placed[match.start : match.end], match.kind) == (f"{word} {place}", kind)
    assert (match.address, match.module) == (int(word, 16), "nic")
    if provenance.withheld_reason(Record(line, 4, seq=1), find(line), Origin.RECORDS) is None:
        record = Record(placed, 4, seq=1)
        assert provenance.withheld_reason(record, [match], Origin.RECORDS) is None


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            f"Workqueue: phy0 0x8755d08c {PLAIN}",
            "Workqueue: phy0 probe+0x8c/0x1001 [nic]",
        ),
        (
            f"[<8755d294>] 0x8755d294 {PLAIN}",
            "[<8755d294>] probe+0x294/0x1001 [nic]",
        ),
        (
            f"epc   : 8755d294 0x8755d294 {PLAIN}    Not tainted",
            "epc   : 8755d294 probe+0x294/0x1001 [nic]    Not tainted",
        ),
        (
            f" 0x8755d294 {PLAIN} from 0x8755d2a4 {PLAIN}",
            " probe+0x294/0x1001 [nic] from probe+0x2a4/0x1001 [nic]",
        ),
        (
            "RIP: 0010:0xffffffffa0012345 [nic@0000000012345678+0x12000]",
            "RIP: 0010:probe+0x345/0x1001 [nic]",
        ),
    ],
)
def test_name_replaces_number_and_its_module(line: str, named: str) -> None:
    assert symbolize_text(line, in_nic, FormatOptions()).text == named


@pytest.mark.parametrize("module", ["", "other"])
def test_name_outside_of_stated_module_is_refused(module: str) -> None:
    def elsewhere(address: int) -> SymbolAddress | LookupFailure:
        return SymbolAddress("wrong", address & 0xFFF, 0x1001, module, "t", "test")

    line = f" 0x8755d294 {PLAIN}"
    assert symbolize_text(line, elsewhere, FormatOptions()).text == line


def test_name_of_unloaded_module_is_accepted() -> None:
    def unloaded(address: int) -> SymbolAddress | LookupFailure:
        return SymbolAddress("probe", address & 0xFFF, 0x1001, "nic, unloaded", "t", "test")

    named = symbolize_text(f" 0x8755d294 {PLAIN}", unloaded, FormatOptions()).text
    assert named == " probe+0x294/0x1001 [nic, unloaded]"


TRACE = [
    "CPU: 0 PID: 6 Comm: kworker/u2:0 Not tainted 4.4.71 #0",
    f"Workqueue: phy0 0x8755d08c {PLAIN}",
    "Call Trace:[<8004aa60>] 0x8004aa60",
    f"[<8755d294>] 0x8755d294 {PLAIN}",
    "[<80025124>] 0x80025124",
]


def test_unnamed_module_frame_stays_in_trace() -> None:
    trace = parse_trace(TRACE)
    assert trace.frames == (
        Frame(0x8004AA60, is_stack_dumper=True),
        Frame(0x8755D294, module="nic", called_previous=True),
        Frame(0x80025124, called_previous=True),
    )
    assert trace.module_bases == (StatedBase("nic", 0x87558000, 0x6840),)
    for line in TRACE:
        assert provenance.evidence_lines(Record(line, 4, seq=1), Origin.RECORDS)


@pytest.mark.parametrize(
    "place",
    [
        *PLACES[2:],
        # Not the base of a page; behind the address; too far before it
        "[nic@87558010+0x6840]",
        "[nic@8755e000+0x6840]",
        "[nic@87550000+0x1000]",
    ],
)
def test_possible_hash_is_no_module_base(place: str) -> None:
    assert parse_trace([f" 0x8755d294 {place}"]).module_bases == ()


def test_module_frame_does_not_contradict_slide() -> None:
    """On arm64 modules may lie at any distance from the kernel."""
    running = kernel(Random(1), slide=0x1A000000)
    lines = oops(running, Random(1))
    outside = f" {running.end + running.slide + 0x100000:#x}"
    for place, is_proved in (("", False), (" [nic@ffffffffa0012000+0x12000]", True)):
        changed = [*lines[:7], outside + place, *lines[7:]]
        assert lines[6] == " <TASK>"
        found = KaslrInference(SymbolTable(running.map, "map"), X86_64).infer(parse_trace(changed))
        assert isinstance(found, Slide) is is_proved


@needs_gcc
def test_stated_base_names_from_module_file(tmp_path: Path) -> None:
    build(tmp_path)
    base = 0xFFFFFFFFC0123000
    frame = f" {base + 2:#x} [probe_it@{base:016x}+0x4000]"
    unplaced = LoadedModules(files=ModuleFiles(tmp_path), no_listing=True)
    known = unplaced.update_from_stated(parse_trace([frame]))
    assert [(found.module, found.address) for found in known.bases] == [("probe_it", base)]
    place = known.sources[0].resolve(base + 2)
    assert isinstance(place, SymbolAddress)
    assert place.kernel_form.startswith("helper+0x2/")
    moved = known.update_from_stated(parse_trace([frame.replace("c0123", "c0777")]))
    assert [found.address for found in moved.bases] == [0xFFFFFFFFC0777000], "it was loaded again"


@needs_gcc
def test_larger_file_is_not_the_stated_module(tmp_path: Path) -> None:
    build(tmp_path)
    base = 0xFFFFFFFFC0123000
    trace = Trace(module_bases=(StatedBase("probe_it", base, 0x10),))
    known = LoadedModules(files=ModuleFiles(tmp_path), no_listing=True).update_from_stated(trace)
    assert known.bases == ()
    assert known.remarks == (
        f"{tmp_path}/probe-it.ko: has more code than module probe_it in the log",
    )
    assert known.update_from_stated(trace) == known, "it is remarked once"


def nic_of_mips(folder: Path, code: bytes) -> LoadedModules:
    """A module of 32 bits and big-endian with the function nic_work from 0x5200 on."""
    (folder / "code").write_bytes(code)
    subprocess.run(
        ["objcopy", "-I", "binary", "-O", "elf32-big", "--rename-section",
         ".data=.text,alloc,load,readonly,code,contents", "--add-symbol",
         "nic_work=.text:0x5200,function,global", "code", "nic.ko"],
        check=True,
        cwd=folder,
    )  # fmt: skip
    file = bytearray((folder / "nic.ko").read_bytes())
    file[18:20] = MIPS.to_bytes(2)
    (folder / "nic.ko").write_bytes(file)
    return LoadedModules(files=ModuleFiles(folder), no_listing=True)


@needs_gcc
def test_module_of_big_endian_mips_is_named(tmp_path: Path) -> None:
    code = bytearray(0x5300)
    # jalr $25, its delay slot, and where it returns to
    code[0x528C:0x5290] = bytes.fromhex("0320f809")
    known = nic_of_mips(tmp_path, bytes(code)).update_from_stated(parse_trace(TRACE))
    place = known.sources[0].resolve(0x8755D293)
    assert isinstance(place, SymbolAddress)
    assert place.kernel_form == "nic_work+0x93/0x100 [nic]"


@needs_gcc
def test_file_without_calls_is_another_build(tmp_path: Path) -> None:
    known = nic_of_mips(tmp_path, bytes(0x5300)).update_from_stated(parse_trace(TRACE))
    assert known.bases == ()
    assert known.remarks == (
        f"{tmp_path}/nic.ko: has no calls where module nic in the log has them",
    )


@pytest.mark.parametrize(
    ("machine", "word", "is_call"),
    [
        (MIPS, "0c000000", True),
        (MIPS, "0320f809", True),
        (MIPS, "04110001", True),
        (MIPS, "03e00008", False),
        (MIPS, "27bdffe0", False),
        (ARM, "ebfffffe", True),
        (ARM, "0bfffffe", True),
        (ARM, "e12fff33", True),
        (ARM, "e12fff13", True),
        (ARM, "e12fff1e", False),
        (ARM, "e1a0f003", True),
        (ARM, "e593f000", True),
        (ARM, "eafffffe", False),
        (ARM, "e92d4010", False),
        (ARM, "e1a00003", False),
        # Not looked at
        (X86_64.machine, "00000000", True),
    ],
)
def test_return_address_needs_call_before(machine: int, word: str, is_call: bool) -> None:
    code = ModuleCode(bytes.fromhex(word) + bytes(4), bytes(8), (), {})
    nothing = ModuleCode(b"", b"", (), {})
    file = ModuleFile("nic", Path(), code, nothing, None, None, None, machine, is_big_endian=True)
    assert are_return_addresses([8 if machine == MIPS else 4], file) is is_call
