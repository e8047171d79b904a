# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path
from random import Random

import pytest

from klogd_py.oops.provenance import Withheld
from klogd_py.pipeline.batch import Symbolized
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.frame_summary import FrameSummary
from klogd_py.pipeline.symbolize import FormatOptions
from klogd_py.pipeline.text_stream import TextStream, infer_boots
from klogd_py.record.types import LookupFailure, SymbolAddress
from tests.symbolizer import symbol_set_of
from tests.symbols.oopses import Kernel, kernel, oops

RUNNING = kernel(Random(20), slide=0x1A000000)
OOPS = oops(RUNNING, Random(20))
NAMED = SymbolAddress("vfs_write", 1, 16, "", "t", "")


def translate(text: str, map_file: Path) -> tuple[FrameSummary, str | None]:
    """The frames of a file, and why the slide is not known, as ``translate`` sees them."""
    symbols = symbol_set_of(map_file)
    inferred = infer_boots([text.encode()], symbols)
    boots = BootSymbols(symbols, inferred.symbol_sets)
    stream = TextStream(boots, FormatOptions(), inferred.plain_bytes)
    stream.push(text.encode(), 0.0)
    stream.flush()
    return stream.frames, boots.unproven_reason


def summary_of(text: str, map_file: Path) -> list[str]:
    """What ``translate`` says at the end of a file with this text."""
    frames, unproven = translate(text, map_file)
    return frames.lines(unproven)


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    path = tmp_path / "System.map"
    path.write_bytes(RUNNING.map)
    return path


def test_oops_with_all_names_leaves_nothing_said(map_file: Path) -> None:
    assert summary_of("\n".join(OOPS) + "\n", map_file) == []
    assert summary_of("[    1.000000] eth0: link up\n" * 9, map_file) == []


def test_frames_without_slide_lead_to_slide_0(map_file: Path) -> None:
    frame = f" {RUNNING.inside('vfs_write', Random(1)):#x}\n"
    assert summary_of(f"Call Trace:\n{frame}{frame}", map_file) == [
        "2 frames seen, none named, 2 left:",
        "     2  no KASLR offset: this oops does not show where the kernel is",
        "        type --slide 0 without KASLR, its offset, or another --map",
    ]


def test_frames_outside_the_map_are_counted_apart(map_file: Path) -> None:
    module = " 0xffffffffc0054102\n"
    assert summary_of("\n".join(OOPS) + "\n" + module, map_file)[1:] == [
        "     1  no symbol contains them, as in modules or another kernel",
        "        type --module-files DIR for modules, or another --map",
    ]


def test_each_boot_counts_into_one_summary(map_file: Path) -> None:
    elsewhere = Kernel(RUNNING.functions, 0x400000)
    banner = "[    0.000000] Linux version 6.1.0 (gcc 12) #1"
    frame = f" {elsewhere.inside('vfs_write', Random(1)):#x}"
    named = translate("\n".join([banner, *OOPS, ""]), map_file)[0].named
    assert named > 4
    assert summary_of("\n".join([banner, *OOPS, banner, frame, ""]), map_file)[:2] == [
        f"{named + 1} frames seen, {named} named, 1 left:",
        "     1  no KASLR offset: this oops does not show where the kernel is",
    ]


@pytest.mark.parametrize(
    "line",
    [
        " #1 [ffff88800123ab00] machine_kexec at ffffffff81034f00",
        "pc=0xffffffc010080a14!",
        "at ffff800010080a14:",
        "frame c00000000012f2a8;",
        "stack: 0xc01002ab",
    ],
)
def test_addresses_in_unknown_forms_are_announced(map_file: Path, line: str) -> None:
    found = summary_of(f"{line}\n" * 4, map_file)
    assert found == [
        "there are kernel addresses, but no frame in a form that is known",
        "type klogd-py lookup --map FILE ADDRESS for a single one",
    ]
    assert summary_of(f"{line}\n" * 3, map_file) == []


@pytest.mark.parametrize(
    "line",
    [
        "RIP: 0010:vfs_write+0x1c/0x90 RAX: ffffffff81034f00",
        "Call Trace:<ffffffff8021fbdb>{_raw_spin_lock+25} <ffffffff802174a4>{do_exit+85}",
        "Installing the handler to 0x9a000000",
        "modules : 0xffff800000000000 - 0xffff800008000000   (   128 MB)",
        "RBP: ffffffff81034f00 R08: ffffffff81034f00 R09: 0000000000000000",
        "BIOS-e820: [mem 0x00000000fec00000-0x00000000ffffffff] reserved",
        "pci 0000:00:1f.0: reg 0x10: [mem 0xc0000000-0xcfffffff]",
        "IPv6 fe80::ffff:ffff:8123:4567",
        "uuid 0f81ffff-ffff-8000-c000-000000000000",
        "mask ffffffffffffffff",
        "x2apic: 0xffffffff",
        "sha1 00ffffffff81034f00ffffffff81034f00ffffff",
    ],
)
def test_ordinary_numbers_are_no_kernel_addresses(map_file: Path, line: str) -> None:
    assert summary_of(f"{line}\n" * 50, map_file) == []


def test_only_the_beginning_is_searched_for_addresses() -> None:
    summary = FrameSummary()
    summary.sample("x" * (1 << 20))
    assert not summary.is_sampling
    other = FrameSummary()
    other.count(Symbolized([], [NAMED]))
    assert not other.is_sampling


def test_reasons_stand_by_number_with_remedies() -> None:
    summary = FrameSummary()
    summary.count(Symbolized([], [NAMED, *[LookupFailure.NO_SYMBOLS] * 2, LookupFailure.NOT_CODE]))
    summary.withheld[Withheld.PROCESS] = 1
    assert summary.lines(told=[LookupFailure.NO_SYMBOLS], where="log: ") == [
        "log: 5 frames seen, 1 named, 4 left:",
        "     2  no symbols are loaded",
        "     1  they lie in data, not in code",
        "        type --map FILE with the map of the kernel in the log",
        "     1  a process wrote the record, not the kernel",
    ]


def test_reason_told_before_is_not_repeated() -> None:
    summary = FrameSummary()
    summary.count(Symbolized([], [LookupFailure.NO_SYMBOLS] * 2))
    assert summary.lines(told=[LookupFailure.NO_SYMBOLS]) == []
    assert len(summary.lines()) == 3


def test_every_line_fits_into_80_columns() -> None:
    summary = FrameSummary()
    for failure in LookupFailure:
        summary.nameless[failure] = 1
    for reason in Withheld:
        summary.withheld[reason] = 1
    lines = summary.lines("this oops does not show where the kernel is")
    assert max(len(f"klogd-py: {line}") for line in lines) <= 80
    assert len(lines) > len(LookupFailure) + len(Withheld)
