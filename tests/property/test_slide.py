# SPDX-License-Identifier: GPL-2.0-or-later
"""No wrong names: with whatever a trace holds, either the true slide is proved or none."""

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from klogd_py.oops.trace_parser import parse_trace
from klogd_py.symbols.kaslr.architecture import X86_64
from klogd_py.symbols.kaslr.inference import KaslrInference, NotProven, Slide
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.oopses import ALIGN, BASE, ENTRY, Kernel, kernel, longer, oops


def call_targets(lines: list[str]) -> list[int]:
    """Where the calls in the kernel's ``Code:`` line lead, as the processor would decode them."""
    (pc,) = [int(line.split(":")[2], 16) for line in lines if line.startswith("RIP: 0010:")]
    (words,) = [
        line.removeprefix("Code: ").split()
        for line in lines
        if line.startswith("Code: ") and line.count(" ") == 64
    ]
    code = bytes(int(word.strip("<>"), 16) for word in words)
    return [
        pc - 42 + at + 5 + int.from_bytes(code[at + 1 : at + 5], "little", signed=True)
        for at in (10, 50)
    ]


SEEDS = st.integers(0, 2**32)


def slide_by(lines: list[str], map_of: Kernel) -> int | None:
    found = KaslrInference(SymbolTable(map_of.map, ""), X86_64).infer(parse_trace(lines))
    return found.value if isinstance(found, Slide) else None


@settings(deadline=None)
@given(SEEDS, st.integers(0, 6), st.integers(0, 4), st.booleans())
def test_garbage_frames_do_not_change_the_slide(
    seed: int, depth: int, garbage: int, code: bool
) -> None:
    random = Random(seed)
    running = kernel(random)
    assert slide_by(oops(running, random, depth + 1, garbage, code), running) == running.slide


@settings(deadline=None)
@given(SEEDS, st.data())
def test_a_shuffled_oops_proves_no_wrong_slide(seed: int, data: st.DataObject) -> None:
    random = Random(seed)
    running = kernel(random)
    lines = oops(running, random, 3, 2)
    kept = data.draw(st.lists(st.sampled_from(lines), max_size=len(lines)))
    assert slide_by(kept, running) in (None, running.slide)


@settings(deadline=None)
@given(SEEDS)
def test_another_kernels_map_proves_no_slide(seed: int) -> None:
    random = Random(seed)
    running = kernel(random)
    assert slide_by(oops(running, random), kernel(random)) is None


@settings(deadline=None)
@given(SEEDS, st.integers(0, 407), st.sampled_from((1, 4, 16, 0x40, 0x1000)))
@example(310, 263, 64)
# do_syscall_64 would be called by ret_from_fork
@example(1670, 200, 4096)
def test_one_longer_function_before_calls_proves_nothing(seed: int, at: int, by: int) -> None:
    """Unless what follows is just as long.

    Then the call leads to the beginning of a neighbour, and shows nothing.
    """
    random = Random(seed)
    running = kernel(random)
    other = longer(running, at, by)
    lines = oops(running, random)
    found = slide_by(lines, other)
    if found is not None:
        assert found == running.slide
        called = [target for target in call_targets(lines) if BASE <= target - found < running.end]
        assert {target - found for target in called} <= set(other.starts.values())
        frames = [int(line.split()[-1], 16) - 1 for line in lines if line.startswith(" 0x")]
        assert [other.name_at(address) for address in frames[-2:]] == ["do_syscall_64", ENTRY]


@settings(deadline=None)
@given(SEEDS, st.integers(-4, 4).filter(bool))
def test_a_map_off_by_pages_proves_nothing(seed: int, pages: int) -> None:
    random = Random(seed)
    running = kernel(random)
    padded = [("padding", pages % 512 * 0x1000), *running.functions]
    assert slide_by(oops(running, random), Kernel(padded, 0)) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0xFFFFFFFF80000000, 0xFFFFFFFFFFFFFFFF), max_size=30), SEEDS)
def test_addresses_at_random_prove_no_slide(addresses: list[int], seed: int) -> None:
    lines = ["Call Trace:", *(f" {address:#x}" for address in addresses)]
    assert slide_by(lines, kernel(Random(seed))) is None


@settings(deadline=None)
@given(st.text(max_size=400), SEEDS)
def test_any_text_is_read_for_evidence(text: str, seed: int) -> None:
    trace = parse_trace(text.splitlines())
    found = KaslrInference(SymbolTable(kernel(Random(seed), 10, 7 * ALIGN).map, ""), X86_64).infer(
        trace
    )
    assert isinstance(found, NotProven)
