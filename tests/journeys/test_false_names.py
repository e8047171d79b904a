# SPDX-License-Identifier: GPL-2.0-or-later
"""No false names: with symbols wherever a number could point, only code addresses get a name.

The rows that must not change are told by `tests.corpus.numbers`, which knows nothing of the forms
of addresses.
"""

import lzma
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from klogd_py.pipeline.symbolize import FormatOptions, Resolve, symbolize_text
from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols import kallsyms
from klogd_py.symbols.symbol_table import SymbolTable
from tests.corpus.numbers import hashes, is_row_of_numbers
from tests.corpus.roundtrip import architecture_of

LOGS = Path(__file__).parents[3] / "shared" / "data" / "oops"
KALLSYMS = LOGS / "blazesym" / "data" / "kallsyms.xz"
LOW_TEXT = {"s390", "parisc", "sparc64", "unknown"}

corpus = pytest.mark.skipif(
    not LOGS.is_dir(), reason=f"needs the collection of real logs in {LOGS}"
)


def everywhere(address: int) -> SymbolAddress | LookupFailure:
    """As dense as a table can be."""
    return SymbolAddress("wrong", address & 0xF, 16, "", "t", "")


@cache
def logs() -> list[tuple[str, str, list[str]]]:
    """Path, architecture and lines of every log."""
    paths = sorted(
        path
        for path in LOGS.rglob("*")
        if path.is_file() and path.suffix not in {".xz", ".json", ".md"}
    )
    texts = [(str(path.relative_to(LOGS)), path.read_bytes().decode("latin-1")) for path in paths]
    return [(name, architecture_of(text), text.split("\n")) for name, text in texts]


def changed(resolve: Resolve, options: FormatOptions) -> Iterator[str]:
    """The lines that must not change and do."""
    for name, architecture, lines in logs():
        for line in lines:
            if not is_row_of_numbers(line) and (architecture in LOW_TEXT or not hashes(line)):
                continue
            after = symbolize_text(line, resolve, options)[0]
            if (is_row_of_numbers(line) and after != line) or (
                architecture not in LOW_TEXT and hashes(after) != hashes(line)
            ):
                yield f"{name}: {line}"


@corpus
@pytest.mark.parametrize("resymbolize", [False, True])
def test_no_register_no_word_of_a_stack_and_no_hash_is_named_though_every_number_has_a_symbol(
    resymbolize: bool,
) -> None:
    assert sum(is_row_of_numbers(line) for _, _, lines in logs() for line in lines) > 10_000
    assert list(changed(everywhere, FormatOptions(resymbolize=resymbolize))) == []


@corpus
def test_the_symbols_of_a_kernel_name_only_code_addresses_in_other_kernels_logs() -> None:
    core = kallsyms.parse(lzma.decompress(KALLSYMS.read_bytes())).core
    assert isinstance(core, SymbolTable)
    assert list(changed(core.resolve, FormatOptions())) == []


@pytest.mark.parametrize(
    "line",
    [
        "RAX: ffffffff926b7cde RBX: 0xffffffff926b7cde RCX: 0000000000000000",
        "[    1.000000][   T43] R13: ffffffff926b7cde R14: ffffffff926b7cde R15: ffffffff926b7cde",
        "CR2: ffffffff926b7cde CR3: 000000010b1a4000 CR4: 00000000000006f0",
        "Stack:  ffffffff926b7cde ffffffff926b7cde [<garbage>]",
        "Code: 0f 1f 44 00 00 <0f> 0b c3 66 0f 1f 84",
        "x29: ffff80001000bd80 x28: ffff000003fd8000 ",
        "r10: c0123456  r9 : c0123456  r8 : 00000000",
        "GPR00: c000000000012abc c0000000fea3f9d0 c000000001234567 0000000000000000 ",
        "Krnl GPRS: 0000000000000000 000003ff7ffb36d2 000003ff7ffb36d2 000003ff7ffb36d2",
        "$ 4   : 8029a238 8029a238 8029a238 8029a238",
        "g4: fff000023f1a3c60 g5: 0000000000509a4c g6: 0000000000509a4c g7: 0000000000509a4c",
        "Modules linked in: nic(O) ext4 [last unloaded: gone]",
    ],
)
def test_a_row_of_numbers_is_known_as_such_and_comes_out_unchanged(line: str) -> None:
    assert is_row_of_numbers(line)
    assert symbolize_text(line, everywhere, FormatOptions())[0] == line
