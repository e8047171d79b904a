# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence

import pytest

from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.printk_clock import WallTimes
from klogd_py.pipeline.symbolize import FormatOptions, KnownPcs, Style, symbolize, symbolize_text
from klogd_py.record.types import Cause, Entry, Gap, LookupFailure, Record, SymbolAddress

# "probe" of module nic, 0x40 bytes, followed by data
FUNCTION = 0xFFFFFFFF81000100


def resolve(address: int) -> SymbolAddress | LookupFailure:
    if FUNCTION <= address < FUNCTION + 0x40:
        return SymbolAddress("probe", address - FUNCTION, 0x40, "nic", "t", "test")
    if FUNCTION + 0x40 <= address < FUNCTION + 0x80:
        return SymbolAddress("table", address - FUNCTION - 0x40, 0x40, "nic", "d", "test")
    return LookupFailure.OUTSIDE


def symbolized(text: str, options: FormatOptions = FormatOptions()) -> str:  # noqa: B008  # frozen
    return symbolize_text(text, resolve, options).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("EIP: 0010:[<ffffffff81000110>]", "EIP: 0010:[nic:probe+0x10/0x40]"),
        ("RIP: 0010:0xffffffff81000100", "RIP: 0010:probe+0x0/0x40 [nic]"),
        (" ? 0xffffffff81000110", " ? probe+0x10/0x40 [nic]"),
        ("NIP [ffffffff81000110]", "NIP [ffffffff81000110] probe+0x10/0x40 [nic]"),
        ("[<ffffffff81000110>] [<ffffffff90000000>]", "[nic:probe+0x10/0x40] [<ffffffff90000000>]"),
    ],
)
def test_each_notation_of_address_gets_its_symbol(before: str, after: str) -> None:
    assert symbolized(before) == after


def test_call_as_last_instruction_gives_caller() -> None:
    assert symbolized(" 0xffffffff81000140") == " probe+0x40/0x40 [nic]"


def test_return_to_first_byte_gives_function_before() -> None:
    assert symbolized(" 0xffffffff81000100") == " 0xffffffff81000100"


def test_return_trampoline_is_its_own_symbol() -> None:
    def landing(address: int) -> SymbolAddress | LookupFailure:
        name, start = (
            ("ret_from_fork", FUNCTION) if address >= FUNCTION else ("before", FUNCTION - 0x40)
        )
        return SymbolAddress(name, address - start, 0x40, "", "t", "test")

    line = "[<ffffffff81000100>] 0xffffffff81000100"
    assert (
        symbolize_text(line, landing, FormatOptions()).text
        == "[<ffffffff81000100>] ret_from_fork+0x0/0x40"
    )
    later = line.replace("81000100", "81000101")
    assert (
        symbolize_text(later, landing, FormatOptions()).text
        == "[<ffffffff81000101>] ret_from_fork+0x1/0x40"
    )


TRACE = [
    "pc : 0xffffffff81000100",
    "Call trace:",
    " 0xffffffff81000100",
    " 0xffffffff81000110",
]


def at_one(records: Sequence[Record]) -> WallTimes:
    return WallTimes([1] * len(records), [None] * len(records))


def resolve_nearby(address: int) -> SymbolAddress | LookupFailure:
    """Two functions: ``before`` ends where ``fault`` begins."""
    name, start = ("fault", FUNCTION) if address >= FUNCTION else ("before", FUNCTION - 0x40)
    return SymbolAddress(name, address - start, 0x40, "", "t", "test")


def test_pc_repeated_in_trace_stays_exact() -> None:
    batch = Batch([Record(line) for line in TRACE])
    entries = symbolize(batch, resolve_nearby, FormatOptions(), at_one).entries
    assert [entry.text for entry in entries] == [
        "pc : fault+0x0/0x40",
        "Call trace:",
        " fault+0x0/0x40",
        " fault+0x10/0x40",
    ]


def test_known_pcs_persist_between_batches() -> None:
    known_pcs: KnownPcs = set()
    entries = [
        symbolize(Batch([Record(line)]), resolve_nearby, FormatOptions(), at_one, known_pcs)
        .entries[0]
        .text
        for line in TRACE
    ]
    assert entries[2] == " fault+0x0/0x40"
    assert (
        symbolize(Batch([Record(TRACE[2])]), resolve_nearby, FormatOptions(), at_one)
        .entries[0]
        .text
        == " before+0x40/0x40"
    )


def test_number_of_known_pcs_is_limited() -> None:
    known_pcs: KnownPcs = set()
    for address in range(FUNCTION, FUNCTION + 10_000):
        symbolize_text(f"pc : {address:#x}", resolve_nearby, FormatOptions(), known_pcs)
        assert address in known_pcs
    assert len(known_pcs) <= 64


@pytest.mark.parametrize(("bit", "name"), [(0, "probe+0x10/0x40"), (1, "probe+0x11/0x40")])
def test_thumb_bit_of_link_register_is_ignored(bit: int, name: str) -> None:
    assert symbolized(f"LR is at {FUNCTION + 0x10 + bit:#x}") == f"LR is at {name} [nic]"


def test_thumb_call_as_last_instruction_gives_caller() -> None:
    assert symbolized("LR is at 0xffffffff81000141") == "LR is at probe+0x41/0x40 [nic]"


def test_classic_bracket_after_call_gives_caller() -> None:
    assert symbolized(
        "pc : [<ffffffff81000140>]    lr : [<ffffffff81000140>]    psr: 60000013"
    ) == ("pc : [nic:table+0x0/0x40]    lr : [nic:probe+0x40/0x40]    psr: 60000013")


def test_only_classic_bracket_may_name_data() -> None:
    assert symbolized("RIP: 0010:0xffffffff81000150") == "RIP: 0010:0xffffffff81000150"
    assert symbolized("[<ffffffff81000150>]") == "[nic:table+0x10/0x40]"


def test_append_style_keeps_address_before_symbol() -> None:
    options = FormatOptions(style=Style.APPEND)
    assert (
        symbolized("x [<ffffffff81000110>]", options)
        == "x [<ffffffff81000110> nic:probe+0x10/0x40]"
    )
    assert (
        symbolized(" ? 0xffffffff81000110", options)
        == " ? 0xffffffff81000110 probe+0x10/0x40 [nic]"
    )


def test_style_off_leaves_the_text_unchanged() -> None:
    assert (
        symbolized("[<ffffffff81000110>]", FormatOptions(style=Style.OFF)) == "[<ffffffff81000110>]"
    )


def test_symbolized_address_is_replaced_on_request_only() -> None:
    line = " [<ffffffff81000110>] probe+0x10/0x40 [nic]"
    assert symbolized(line) == line
    assert (
        symbolized(line, FormatOptions(resymbolize=True))
        == " [nic:probe+0x10/0x40] probe+0x10/0x40 [nic]"
    )


def test_only_classic_form_pads_small_sizes() -> None:
    place = SymbolAddress("f", 1, 8, "", "t", "")
    assert (place.classic_form, place.kernel_form) == ("f+0x1/0x08", "f+0x1/0x8")


def test_entry_holds_its_record_time_and_symbols() -> None:
    record = Record("[<ffffffff81000110>] [<ffffffff81000111>]", 4, 9)
    (entry,) = symbolize(Batch([record]), resolve, FormatOptions(), at_one).entries
    assert [place.offset for place in entry.symbols] == [0x10, 0x11]
    assert (entry.record, entry.wall_us) == (record, 1)


def test_duplicate_raw_repeats_only_symbolized_lines() -> None:
    batch = Batch([Record("plain"), Record("[<ffffffff81000110>]"), Record("[<90000000>]")])
    entries = symbolize(batch, resolve, FormatOptions(duplicate_raw=True), at_one).entries
    assert [entry.text for entry in entries] == [
        "plain",
        "[nic:probe+0x10/0x40]",
        "[<ffffffff81000110>]",
        "[<90000000>]",
    ]


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (
            Gap(5, 5, Cause.EINVAL),
            "klogd-py: 1 kernel record lost (sequence number 5): the kernel refused a read",
        ),
        (
            Gap(5, 7, Cause.OVERRUN),
            "klogd-py: 3 kernel records lost (sequence numbers 5 to 7): "
            "the kernel's ring buffer overran",
        ),
    ],
)
def test_gap_is_announced_in_order_by_syslog_facility(gap: Gap, text: str) -> None:
    before, announcement, after = symbolize(
        Batch([Record("a"), gap, Record("b")]), resolve, FormatOptions(), at_one
    ).entries
    assert (before.text, after.text) == ("a", "b")
    assert isinstance(announcement, Entry)
    facts = (
        f'[gap first="{gap.first}" last="{gap.last}" count="{gap.count}" cause="{gap.cause.value}"]'
    )
    assert (announcement.record.text, announcement.text, announcement.gap) == (
        text,
        f"{text} {facts}",
        gap,
    )
    assert announcement.record.facility != 0
