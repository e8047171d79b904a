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

from klogd_py.pipeline.symbolize import FormatOptions, symbolize_text
from klogd_py.symbols import kallsyms
from klogd_py.symbols.resolver import Resolve
from klogd_py.symbols.symbol_table import SymbolTable
from tests.corpus.logs import COLLECTION, OWN_AND_COLLECTION, log_files, needs_collection
from tests.corpus.numbers import hashes, is_row_of_numbers, numbers_of_row
from tests.corpus.roundtrip import architecture_of
from tests.symbolizer import everywhere

KALLSYMS = COLLECTION / "blazesym" / "data" / "kallsyms.xz"
LOW_TEXT = {"s390", "parisc", "sparc64", "unknown"}


@cache
def logs(folder: Path) -> list[tuple[str, str, list[str]]]:
    """Return path, architecture and lines of every log in a folder."""
    paths = [path for path in log_files(folder) if path.suffix not in {".xz", ".json", ".md"}]
    texts = [(str(path.relative_to(folder)), path.read_bytes().decode("latin-1")) for path in paths]
    return [(name, architecture_of(text), text.split("\n")) for name, text in texts]


def changed(folder: Path, resolve: Resolve, options: FormatOptions) -> Iterator[str]:
    """The lines that must not change and do."""
    for name, architecture, lines in logs(folder):
        for line in lines:
            if not is_row_of_numbers(line) and (architecture in LOW_TEXT or not hashes(line)):
                continue
            after = symbolize_text(line, resolve, options).text
            kept = numbers_of_row(line) if is_row_of_numbers(line) else ""
            if (
                (kept == line and after != line)
                or not after.startswith(kept)
                or (architecture not in LOW_TEXT and hashes(after) != hashes(line))
            ):
                yield f"{name}: {line}"


@pytest.mark.parametrize("folder", OWN_AND_COLLECTION)
@pytest.mark.parametrize("resymbolize", [False, True])
def test_rows_of_numbers_and_hashes_get_no_names(folder: Path, resymbolize: bool) -> None:
    rows = sum(is_row_of_numbers(line) for _, _, lines in logs(folder) for line in lines)
    assert rows > (10_000 if folder == COLLECTION else 30)
    assert list(changed(folder, everywhere, FormatOptions(resymbolize=resymbolize))) == []


@needs_collection
def test_real_symbols_name_only_code_addresses() -> None:
    core = kallsyms.parse(lzma.decompress(KALLSYMS.read_bytes())).core
    assert isinstance(core, SymbolTable)
    assert list(changed(COLLECTION, core.resolve, FormatOptions())) == []


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
def test_row_of_numbers_comes_out_unchanged(line: str) -> None:
    assert is_row_of_numbers(line)
    assert symbolize_text(line, everywhere, FormatOptions()).text == line
