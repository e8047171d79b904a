# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fuzzer checks, for its seeds and for what hypothesis makes of them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klogd_py.symbols import elf, vmlinux
from klogd_py.symbols.elf import Elf
from klogd_py.symbols.modules import module_elf
from tests.fuzz.seeds import IMAGES
from tests.fuzz.targets import TARGETS


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with a few bytes changed, taken out, repeated, or another seed in its middle."""
    raw = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(raw)))
        end = at + draw(st.integers(0, 8))
        piece = draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b"", bytes(raw[at:end]) * 2, *seeds]))
        )
        raw[at:end] = piece
    return bytes(raw)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_their_parts_satisfy_target(name: str) -> None:
    target = TARGETS[name]
    parts = [
        seed[:end]
        for seed in target.seeds
        for end in (*range(0, len(seed), max(1, len(seed) // 32)), len(seed))
    ]
    assert len(parts) > 1
    for part in parts:
        target.check(part)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_seeds_and_random_bytes_satisfy_target(name: str) -> None:
    target = TARGETS[name]
    assert target.seeds

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(damaged(list(target.seeds)), st.binary(max_size=200)))
    def holds(raw: bytes) -> None:
        target.check(raw)

    holds()


@pytest.mark.parametrize("raw", IMAGES)
def test_seed_images_are_read_wholly(raw: bytes) -> None:
    image = Elf(raw)
    assert [symbol.name for symbol in image.iter_symbols()] == [
        b"",
        b"_text",
        b"helper",
        b"_printk",
    ]
    if image._order == "<":
        assert image.build_id == "abcdef01"
    if image.kind == elf.RELOCATABLE:
        read = module_elf.parse(raw, "nic")
        assert [function.name for function in read.core.functions] == [b"_text", b"helper"]
        assert read.vermagic == "6.1.0 SMP"
    else:
        assert b" T _text\n" in vmlinux.map_lines(image)
