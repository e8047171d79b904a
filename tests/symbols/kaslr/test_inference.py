# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path
from random import Random

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.trace_parser import Trace, parse_trace
from klogd_py.symbols import system_map
from klogd_py.symbols.kaslr.architecture import (
    ARM64,
    X86_64,
    Architecture,
    MapArchitecture,
    identify,
    may_be_randomised,
    slide_error,
)
from klogd_py.symbols.kaslr.inference import KaslrInference, NotProven, Slide, SlideSource
from klogd_py.symbols.kaslr.scoring import SlideScorer
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.oopses import ALIGN, BASE, ENTRY, Kernel, kernel, longer, oops

DATA = Path(__file__).parent / "data"


def inference(map_of: Kernel) -> KaslrInference:
    return KaslrInference(SymbolTable(map_of.map, "map"), X86_64)


def inferred(lines: list[str], map_of: Kernel) -> Slide | NotProven:
    return inference(map_of).infer(parse_trace(lines))


def test_one_oops_without_kallsyms_proves_its_slide() -> None:
    running = kernel(Random(1), slide=0x1A000000)
    found = inferred(oops(running, Random(1)), running)
    assert isinstance(found, Slide)
    assert (found.value, found.source) == (0x1A000000, SlideSource.OOPS)
    assert "callers with their callees" in found.proof


@pytest.mark.parametrize("slide", [0, ALIGN, 495 * ALIGN])
def test_first_and_last_possible_slides_are_found(slide: int) -> None:
    running = kernel(Random(2), slide=slide)
    found = inferred(oops(running, Random(2)), running)
    assert isinstance(found, Slide)
    assert found.value == slide


def test_low_modules_do_not_hide_slide_zero() -> None:
    running = kernel(Random(2), slide=0)
    lines = oops(running, Random(2))
    lines[lines.index(" <TASK>") + 1] = " 0xffffffffa0123456"
    found = inferred(lines, running)
    assert isinstance(found, Slide)
    assert found.value == 0


def test_another_kernels_map_proves_nothing() -> None:
    assert isinstance(inferred(oops(kernel(Random(3)), Random(3)), kernel(Random(4))), NotProven)


def test_a_call_into_a_function_refutes_maps() -> None:
    running = kernel(Random(5))
    found = inferred(oops(running, Random(5)), longer(running, 0, 1))
    assert isinstance(found, NotProven)
    assert found.refutes
    assert "into the middle of" in found.reason


def test_a_map_off_by_one_page_proves_nothing() -> None:
    running = kernel(Random(6))
    moved = Kernel([("padding", 0x1000), *running.functions], running.slide)
    assert isinstance(inferred(oops(running, Random(6)), moved), NotProven)


def test_a_frame_outside_all_code_contradicts() -> None:
    running = kernel(Random(7))
    lines = oops(running, Random(7))
    lines.insert(8, f" {running.end + running.slide + 0x1800:#x}")
    assert isinstance(inferred(lines, running), NotProven)


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_a_cut_trace_needs_two_frames(frames: int) -> None:
    running = kernel(Random(8))
    lines = oops(running, Random(8))
    found = inferred(lines[: lines.index(" <TASK>") + 1 + frames], running)
    if frames < 2:
        assert isinstance(found, NotProven)
        assert not found.refutes
    else:
        assert isinstance(found, Slide)
        assert found.value == running.slide


def test_two_printed_names_prove_the_slide() -> None:
    running = kernel(Random(9), slide=3 * ALIGN)
    lines = [
        f" [<{running.starts[name] + 3 * ALIGN + 0x10:016x}>] {name}+0x10/0x100"
        for name in ("vfs_write", "kthread")
    ]
    found = inferred(lines, running)
    assert isinstance(found, Slide)
    assert (found.value, found.source) == (3 * ALIGN, SlideSource.PAIRS)


def test_printed_names_at_other_addresses_refute_map() -> None:
    running = kernel(Random(9), slide=3 * ALIGN)
    other = longer(running, 0)
    lines = [
        f" [<{running.starts[name] + 3 * ALIGN:016x}>] {name}+0x0/0x100"
        for name in ("vfs_write", "kthread")
    ]
    found = inferred(lines, other)
    assert isinstance(found, NotProven)
    assert found.refutes


OFFSET = (
    "Kernel Offset: {:#x} from 0xffffffff81000000 "
    "(relocation range: 0xffffffff80000000-0xffffffffbfffffff)"
)


def test_the_kernels_own_line_states_the_slide() -> None:
    running = kernel(Random(10), slide=0x33E00000)
    found = inferred([*oops(running, Random(10)), OFFSET.format(0x33E00000)], running)
    assert isinstance(found, Slide)
    assert (found.value, found.source, found.confidence) == (
        0x33E00000,
        SlideSource.STATED,
        "stated by the kernel",
    )


def test_a_stated_slide_needs_a_confirming_trace() -> None:
    running = kernel(Random(10), slide=0x33E00000)
    lines = oops(running, Random(10))
    line = parse_trace([OFFSET.format(0x33E00000)])
    assert "nothing shows that the map is this kernel's" in str(inference(running).infer(line))
    cut = parse_trace(lines[:3] + lines[-7:])
    assert isinstance(inference(running).infer(cut), NotProven)
    assert isinstance(inference(running).infer(line, (cut,)), Slide)
    refuted = inference(kernel(Random(99))).infer(line, (parse_trace(lines),))
    assert isinstance(refuted, NotProven)
    assert refuted.refutes


def test_a_disabled_offset_is_a_slide_of_nothing() -> None:
    running = kernel(Random(10), slide=0)
    found = inferred([*oops(running, Random(10)), "Kernel Offset: disabled"], running)
    assert isinstance(found, Slide)
    assert found.value == 0


def test_another_link_base_refutes_the_map() -> None:
    found = inferred([OFFSET.format(0x200000).replace("81000000", "82000000")], kernel(Random(10)))
    assert isinstance(found, NotProven)
    assert found.refutes


def test_a_stated_slide_without_code_refutes_map() -> None:
    running = kernel(Random(11), slide=ALIGN)
    found = inferred([*oops(running, Random(11)), OFFSET.format(200 * ALIGN)], running)
    assert isinstance(found, NotProven)
    assert found.refutes


def test_a_later_oops_elsewhere_contradicts_the_slide() -> None:
    running = kernel(Random(12), slide=5 * ALIGN)
    elsewhere = Kernel(running.functions, 90 * ALIGN)
    assert inference(running).check(parse_trace(oops(running, Random(12))), 5 * ALIGN) is None
    assert inference(running).check(parse_trace(oops(elsewhere, Random(12))), 5 * ALIGN) is not None
    alone = inference(running).check(parse_trace([OFFSET.format(ALIGN)]), 5 * ALIGN)
    assert alone is None, "one line takes back nothing"
    stated = [*oops(elsewhere, Random(12)), OFFSET.format(90 * ALIGN)]
    assert inference(running).check(parse_trace(stated), 5 * ALIGN) is not None


@pytest.mark.parametrize(
    ("architecture", "map_file", "log", "slide"),
    [
        (X86_64, "System.map-6.1-bare", "oops-6.1-bare.txt", 0x2A00000),
        (ARM64, "System.map-6.12-arm64", "trace-6.12-arm64.txt", 0x1B7851000000),
    ],
)
def test_traces_of_real_kernels_show_where_these_lay(
    architecture: Architecture, map_file: str, log: str, slide: int
) -> None:
    texts = [read_line(line).text for line in (DATA / log).read_text().splitlines()]
    table = SymbolTable((DATA / map_file).read_bytes(), "")
    found = KaslrInference(table, architecture).infer(parse_trace(texts))
    assert isinstance(found, Slide)
    assert found.value == slide


def test_a_trace_printed_twice_counts_once() -> None:
    running = kernel(Random(12), slide=5 * ALIGN)
    lines = oops(running, Random(12))
    once = inference(running).infer(parse_trace(lines))
    assert inference(running).infer(parse_trace(lines + lines)) == once


def test_an_empty_trace_proves_nothing() -> None:
    assert inference(kernel(Random(1))).infer(Trace()) == NotProven(
        "this oops does not show where the kernel is"
    )


ARM = b"""\
ffff800008000000 T _text
ffff800008010000 T _stext
ffff800008011800 t el0t_64_sync
ffff80000801199c t el0t_64_sync_handler
ffff800008011a00 t el0_svc
ffff800008011b00 T do_el0_svc
ffff800008011c00 t invoke_syscall
ffff800008011d00 T __arm64_sys_write
ffff800008012d00 T ksys_write
ffff800008013d00 T vfs_write
ffff800008014d00 T _etext
ffff800009000000 B _end
"""


def test_arm64_slides_in_steps_of_64_kib() -> None:
    slide = 0x2B5C_0713_0000
    frames = (0x3D40, 0x2D44, 0x1D24, 0x1C50, 0x1B20, 0x1A2C, 0x19F0, 0x1990)
    lines = ["Call trace:", *(f" {0xFFFF800008010000 + slide + frame:#x}" for frame in frames)]
    table = SymbolTable(ARM, "")
    assert identify(table) == MapArchitecture(ARM64, True)
    found = KaslrInference(table, ARM64).infer(parse_trace(lines))
    assert isinstance(found, Slide)
    assert found.value == slide


@pytest.mark.parametrize(
    ("release", "version", "expected"),
    [
        ("6.1.0", None, True),
        ("3.13.11", None, False),
        ("3.14", None, True),
        (None, None, True),
        (None, 2 << 16 | 6 << 8 | 32, False),
    ],
)
def test_x86_64_may_be_randomised_since_3_14(
    release: str | None, version: int | None, expected: bool
) -> None:
    assert may_be_randomised(X86_64, release, version) is expected


def test_old_32_bit_maps_are_never_randomised() -> None:
    assert identify(
        SymbolTable(b"c0100000 T _text\nc0100100 T startup_32\nc0200000 A _end\n", "")
    ) == MapArchitecture(None, False)


def test_an_architecture_shows_in_names_or_addresses(tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_bytes(kernel(Random(1)).map)
    assert identify(SymbolTable(system_map.load(path).lines, "")) == MapArchitecture(X86_64, True)
    unmarked = SymbolTable(b"%016x T _text\n%016x T _end\n" % (BASE, BASE + 0x1000), "")
    assert identify(unmarked) == MapArchitecture(X86_64, False)


def test_an_unnamed_64_bit_map_may_be_randomised() -> None:
    assert identify(
        SymbolTable(b"%016x T _text\n%016x T _end\n" % (0xFFFF800008000000, 0xFFFF800009000000), "")
    ) == MapArchitecture(ARM64, False)


def test_a_randomised_e500_kernel_is_recognised() -> None:
    found = identify(
        SymbolTable(b"c0000000 T _text\nc0800000 T kaslr_early_init\nc0900000 B _end\n", "")
    )
    assert found.is_certain
    assert may_be_randomised(found.architecture, None, None)


@pytest.mark.parametrize("seed", range(4))
def test_two_interleaved_oopses_refute_no_right_map(seed: int) -> None:
    running = kernel(Random(seed), slide=5 * ALIGN)
    one, two = oops(running, Random(seed)), oops(running, Random(seed + 100))
    trace = parse_trace([line for pair in zip(one, two, strict=True) for line in pair])
    found = inference(running).infer(trace)
    assert found.value == 5 * ALIGN if isinstance(found, Slide) else not found.refutes
    assert inference(running).check(trace, 5 * ALIGN) is None


def test_the_generated_oops_ends_in_entry_function() -> None:
    running = kernel(Random(1))
    last = [line for line in oops(running, Random(1)) if line.startswith(" 0x")][-1]
    assert running.name_at(int(last, 16) - 1) == ENTRY


@pytest.mark.parametrize("slide", [0x1000, -ALIGN, 1 << 30, 1 << 63])
def test_an_impossible_stated_slide_is_not_believed(
    slide: int,
) -> None:
    running = kernel(Random(10), slide=ALIGN)
    assert slide_error(X86_64, slide) is not None
    lines = [*oops(running, Random(10)), OFFSET.format(slide & (1 << 64) - 1)]
    assert not isinstance(inferred(lines, running), Slide)
    assert inference(running).check(parse_trace(lines), ALIGN) is None


def test_the_largest_slide_of_x86_64_is_possible() -> None:
    assert slide_error(X86_64, (1 << 30) - ALIGN) is None


@pytest.mark.parametrize(
    ("caller", "callee", "never"),
    [
        ("ksys_read", "vfs_write", True),
        ("ksys_read", "vfs_read", False),
        ("ksys_pread64", "vfs_read", False),
        ("ksys_read", "fdget_pos", False),
        ("vfs_write", "full_proxy_unlocked_ioctl", True),
        ("vfs_read", "full_proxy_poll", True),
        ("vfs_write", "lock_release", False),
        ("vfs_write", "full_proxy_write", False),
        ("vfs_ioctl", "full_proxy_unlocked_ioctl", False),
        ("__x64_sys_read", "ksys_write", True),
        ("__x64_sys_openat", "do_sys_openat2", False),
        ("__x64_sys_close", "__se_sys_dup", True),
        ("asm_exc_page_fault", "exc_divide_error", True),
        ("asm_exc_page_fault", "error_entry", False),
        ("ret_from_fork", "do_syscall_64", True),
        ("entry_SYSCALL_64_after_hwframe", "do_syscall_64", False),
        ("fred_entry_from_user", "do_syscall_64", False),
    ],
)
def test_which_frame_cannot_be_above_which(caller: str, callee: str, never: bool) -> None:
    rows = [
        (BASE, "_text"),
        (BASE + 0x100, callee),
        (BASE + 0x200, caller),
        (BASE + 0x300, "_etext"),
        (BASE + ALIGN, "_end"),
    ]
    table = SymbolTable(
        "".join(f"{address:016x} T {name}\n" for address, name in rows).encode(), ""
    )
    trace = parse_trace(["Call Trace:", f" {BASE + 0x120:#x}", f" {BASE + 0x230:#x}"])
    assert bool(SlideScorer(table, X86_64).score(trace, 0).contradiction) is never
    guessed = SlideScorer(table, X86_64).score(
        parse_trace(["Call Trace:", f" ? {BASE + 0x120:#x}", f" ? {BASE + 0x230:#x}"]), 0
    )
    assert (guessed.contradiction, bool(guessed.weak_contradiction)) == (None, never)


@pytest.mark.parametrize(
    ("name", "fits"), [("dump_stack_lvl", True), ("dump_stack", True), ("pirq_set", False)]
)
def test_a_trace_without_registers_begins_in_dump_stack(name: str, fits: bool) -> None:
    rows = [
        (BASE, "_text"),
        (BASE + 0x100, name),
        (BASE + 0x200, "panic"),
        (BASE + 0x400, "_etext"),
        (BASE + ALIGN, "_end"),
    ]
    table = SymbolTable(
        "".join(f"{address:016x} T {symbol}\n" for address, symbol in rows).encode(), ""
    )
    lines = [
        "Kernel panic - not syncing: x",
        "CPU: 0 PID: 1 Comm: sh Not tainted",
        "Call Trace:",
        f" {BASE + 0x120:#x}",
    ]
    found = SlideScorer(table, X86_64).score(parse_trace([*lines, f" {BASE + 0x230:#x}"]), 0)
    assert (found.weak_contradiction is None) is fits
    assert (
        SlideScorer(table, X86_64)
        .score(parse_trace([*lines[:2], f"RIP: 0010:{BASE + 0x210:#x}", *lines[2:]]), 0)
        .weak_contradiction
        is None
    )


def test_a_return_without_room_for_calls_proves_nothing() -> None:
    running = kernel(Random(6), slide=ALIGN)
    lines = [*oops(running, Random(6), code=False)]
    at = lines.index("RIP: 0033:0x47b7a0") - 4
    early = [*lines[:at], f" {running.starts['function_5'] + ALIGN + 2:#x}", *lines[at:]]
    assert isinstance(inferred(lines, running), Slide)
    found = inferred(early, running)
    assert isinstance(found, NotProven)
    assert not found.refutes
