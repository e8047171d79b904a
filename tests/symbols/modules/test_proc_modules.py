# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.record.types import LookupFailure, SymbolAddress
from klogd_py.symbols.modules import proc_modules

TEXT = """\
nic 40960 1 - Live 0xffffffffa0010000 (O)
extfs 12288 0 nic,[permanent], Live 0xffffffffa0000000
nonsense
broken x 0 - Live 0xffffffffa0030000
broken 1 0 - Live 0xqq
"""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0xFFFFFFFF9FFFFFFF, LookupFailure.OUTSIDE),
        (0xFFFFFFFFA0000000, SymbolAddress("", 0, 12288, "extfs", "t", "modules")),
        (0xFFFFFFFFA0002FFF, SymbolAddress("", 0x2FFF, 12288, "extfs", "t", "modules")),
        (0xFFFFFFFFA0003000, LookupFailure.OUTSIDE),
        (0xFFFFFFFFA0010005, SymbolAddress("", 5, 40960, "nic", "t", "modules")),
        (0xFFFFFFFFA001A000, LookupFailure.OUTSIDE),
    ],
)
def test_an_address_names_the_module_around_it(
    address: int, expected: SymbolAddress | LookupFailure
) -> None:
    assert proc_modules.parse(TEXT).resolve(address) == expected


def test_a_module_never_reaches_into_the_next() -> None:
    listed = proc_modules.parse("a 65536 0 - Live 0xa0000000\nb 4096 0 - Live 0xa0004000\n")
    place = listed.resolve(0xA0004010)
    assert isinstance(place, SymbolAddress)
    assert place.module == "b"


def test_masked_proc_modules_answers_lookups_with_hidden() -> None:
    listed = proc_modules.parse("a 65536 0 - Live 0x0000000000000000\n")
    assert listed.resolve(0xA0000000) is LookupFailure.HIDDEN
    assert listed.count == 1


def test_the_module_is_printed_without_a_symbol() -> None:
    place = proc_modules.parse(TEXT).resolve(0xFFFFFFFFA0000010)
    assert isinstance(place, SymbolAddress)
    assert (place.kernel_form, place.classic_form) == ("+0x10/0x3000 [extfs]", "extfs:+0x10/0x3000")


def test_a_reloaded_module_has_another_load_id(tmp_path: Path) -> None:
    (tmp_path / "modules").write_text(
        "a 4096 0 - Live 0x0000000000000000\nb 4096 0 - Live 0x0000000000000000\n"
    )
    (tmp_path / "sys/a").mkdir(parents=True)
    before = proc_modules.parse_with_load_ids((tmp_path / "modules").read_text(), tmp_path / "sys")
    assert before.load_ids == {"a": (tmp_path / "sys/a").stat().st_ino, "b": 0}
    assert (
        proc_modules.parse_with_load_ids(
            (tmp_path / "modules").read_text(), tmp_path / "sys"
        ).layout
        == before.layout
    )
    (tmp_path / "sys/a").rename(tmp_path / "sys/old")
    (tmp_path / "sys/a").mkdir()
    assert (
        proc_modules.parse_with_load_ids(
            (tmp_path / "modules").read_text(), tmp_path / "sys"
        ).layout
        != before.layout
    )
