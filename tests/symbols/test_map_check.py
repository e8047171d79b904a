# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.record.types import LookupFailure
from klogd_py.symbols.kaslr.architecture import X86_64, may_be_randomised
from klogd_py.symbols.map_check import MapStatus, Proof, compare, dotted, version_codes
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.kernels import BASE, KALLSYMS, MAP, check_map, moved


@pytest.mark.parametrize(
    ("release", "codes"),
    [
        ("2.6.21", {132629}),
        ("2.6.21-1-686", {132629}),
        ("2.6.21.5", {132629}),
        ("1.3.43", {66347}),
        ("6.18.44-fc-v769", {397868}),
        ("3.0", {196608}),
        ("3.0-rc1", {196608}),
        # Clamped by the kernel; OR-ed by the classic klogd
        ("4.14.300", {265983, 266028}),
        ("", set()),
        ("unknown", set()),
    ],
)
def test_the_numbers_that_a_version_symbol_may_have(release: str, codes: set[int]) -> None:
    assert version_codes(release) == codes


def test_a_version_number_in_words() -> None:
    assert dotted(132629) == "2.6.21"


def test_a_map_that_agrees_with_kallsyms_is_accepted() -> None:
    verdict = check_map(MAP, KALLSYMS)
    assert (verdict.status, verdict.proof, verdict.slide) == (
        MapStatus.ACCEPTED,
        Proof.KALLSYMS,
        0,
    )


@pytest.mark.parametrize("slide", [0x1A00000, -0x200000])
def test_the_slide_of_a_randomised_kernel_is_found(slide: int) -> None:
    verdict = check_map(MAP, moved(KALLSYMS, slide))
    assert (verdict.status, verdict.slide) == (MapStatus.ACCEPTED, slide)


def test_one_longer_function_is_refused_with_example() -> None:
    lines = MAP.splitlines(keepends=True)
    longer = b"".join(lines[:20]) + moved(b"".join(lines[20:]), 0x10)
    verdict = check_map(longer, KALLSYMS)
    assert verdict.status is MapStatus.REFUSED
    assert "another kernel's" in verdict.reason
    assert "is at 0x" in verdict.reason


def test_symbols_missing_in_kallsyms_refute_no_map() -> None:
    some = b"".join(line for i, line in enumerate(KALLSYMS.splitlines(keepends=True)) if i % 3)
    assert check_map(MAP, some).proof is Proof.KALLSYMS


def test_unknown_names_do_not_hide_contradictions() -> None:
    strangers = b"".join(b"%016x T stranger_%d\n" % (BASE + 0x10 * i, i) for i in range(1, 100))
    rest = moved(KALLSYMS, 0x10000)
    kallsyms = b"%016x T _stext\n" % BASE + moved(rest, 0x10)
    assert (
        check_map(b"%016x T _stext\n" % BASE + strangers + rest, kallsyms).proof
        is not Proof.KALLSYMS
    )


def test_kallsyms_without_common_names_refutes_by_name() -> None:
    strangers = b"ffffffff81000000 T other\nffffffff81000100 T another\n"
    assert check_map(MAP, strangers, named=True).status is MapStatus.REFUSED
    assert check_map(MAP, strangers, given=True).proof is Proof.GIVEN


def test_another_version_symbol_refutes_given_maps() -> None:
    verdict = check_map(MAP, None, version=132629, release="2.6.22", given=True)
    assert (verdict.status, verdict.reason) == (
        MapStatus.REFUSED,
        "made for Linux 2.6.21, the kernel is 2.6.22",
    )


def test_kallsyms_refutes_what_a_version_symbol_claims() -> None:
    wrong = moved(MAP.replace(b"T _stext", b"T _began"), 0x40)
    assert check_map(wrong, KALLSYMS, version=132629, release="2.6.21").status is MapStatus.REFUSED


@pytest.mark.parametrize(
    ("version", "given", "named", "status", "proof"),
    [
        (132629, False, False, MapStatus.ACCEPTED, Proof.VERSION),
        (None, True, False, MapStatus.ACCEPTED, Proof.GIVEN),
        (None, False, True, MapStatus.ACCEPTED, Proof.NAME),
        (None, False, False, MapStatus.REFUSED, None),
    ],
)
def test_hidden_kallsyms_leaves_the_weaker_proofs(
    version: int | None, given: bool, named: bool, status: MapStatus, proof: Proof | None
) -> None:
    verdict = check_map(
        MAP, LookupFailure.HIDDEN, version=version, release="2.6.21", given=given, named=named
    )
    assert (verdict.status, verdict.proof) == (status, proof)


def test_what_was_mended_is_part_of_the_reason() -> None:
    assert check_map(MAP, KALLSYMS, remark="sorted in memory").reason.endswith("; sorted in memory")


def test_a_single_agreeing_symbol_is_no_proof() -> None:
    one = b"ffffffff81000000 T f\nffffffff81000100 A _end\n"
    assert not compare(SymbolTable(one, ""), SymbolTable(one, "")).proves


SIGNED = (
    MAP
    + b"ffffffff81000a80 T entry_SYSCALL_64\n"
    + b"ffffffff81001000 R __start_rodata\nffffffff81002000 B _end\n"
)


@pytest.mark.parametrize(("by", "reason"), [(0x10, "_text is at"), (0x1000, "_text is at")])
def test_a_map_moved_as_a_whole_is_refused(by: int, reason: str) -> None:
    verdict = check_map(moved(SIGNED.replace(b"_stext", b"_text"), by), None, given=True)
    assert verdict.status is MapStatus.REFUSED
    assert reason in verdict.reason


def test_a_map_moved_from_one_function_is_refused() -> None:
    lines = SIGNED.splitlines(keepends=True)
    verdict = check_map(b"".join(lines[:20]) + moved(b"".join(lines[20:]), 0x10), None, given=True)
    assert verdict.status is MapStatus.REFUSED
    assert "__start_rodata is at 0xffffffff81001010, where no linker puts it" in verdict.reason


def test_a_slide_off_by_one_page_is_refused() -> None:
    verdict = check_map(SIGNED, moved(SIGNED, 0x1A001000))
    assert verdict.status is MapStatus.REFUSED
    assert (
        "the slide against kallsyms would be 0x1a001000, no multiple of 0x200000" in verdict.reason
    )
    assert check_map(SIGNED, moved(SIGNED, 0x1A000000)).slide == 0x1A000000


@pytest.mark.parametrize("release", ["9" * 5000, "6." + "9" * 5000, "6.1." + "9" * 5000])
def test_a_release_of_endless_digits_is_no_error(release: str) -> None:
    assert all(code < 1 << 48 for code in version_codes(release))
    assert isinstance(may_be_randomised(X86_64, release, None), bool)
