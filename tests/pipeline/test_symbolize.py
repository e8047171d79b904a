# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence

import pytest

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


def rewritten(text: str, options: FormatOptions = FormatOptions()) -> str:  # noqa: B008  # frozen
    return symbolize_text(text, resolve, options)[0]


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
def test_a_name_takes_the_place_of_the_address(before: str, after: str) -> None:
    assert rewritten(before) == after


def test_a_call_as_the_last_instruction_names_its_caller() -> None:
    assert rewritten(" 0xffffffff81000140") == " probe+0x40/0x40 [nic]"


def test_a_return_address_at_a_functions_first_byte_is_not_in_it() -> None:
    assert rewritten(" 0xffffffff81000100") == " 0xffffffff81000100"


def test_a_return_that_the_kernel_sends_to_by_hand_is_where_it_lands() -> None:
    def landing(address: int) -> SymbolAddress | LookupFailure:
        name, start = (
            ("ret_from_fork", FUNCTION) if address >= FUNCTION else ("before", FUNCTION - 0x40)
        )
        return SymbolAddress(name, address - start, 0x40, "", "t", "test")

    line = "[<ffffffff81000100>] 0xffffffff81000100"
    assert (
        symbolize_text(line, landing, FormatOptions())[0]
        == "[<ffffffff81000100>] ret_from_fork+0x0/0x40"
    )
    later = line.replace("81000100", "81000101")
    assert (
        symbolize_text(later, landing, FormatOptions())[0]
        == "[<ffffffff81000101>] ret_from_fork+0x1/0x40"
    )


TRACE = [
    "pc : 0xffffffff81000100",
    "Call trace:",
    " 0xffffffff81000100",
    " 0xffffffff81000110",
]


def at_one(records: Sequence[Record]) -> tuple[list[int], list[None]]:
    return [1] * len(records), [None] * len(records)


def neighbours(address: int) -> SymbolAddress | LookupFailure:
    """Two functions: ``before`` ends where ``fault`` begins."""
    name, start = ("fault", FUNCTION) if address >= FUNCTION else ("before", FUNCTION - 0x40)
    return SymbolAddress(name, address - start, 0x40, "", "t", "test")


def test_a_trace_that_begins_with_the_processors_place_names_it_as_that() -> None:
    entries = symbolize([Record(line) for line in TRACE], neighbours, FormatOptions(), at_one)
    assert [entry.text for entry in entries] == [
        "pc : fault+0x0/0x40",
        "Call trace:",
        " fault+0x0/0x40",
        " fault+0x10/0x40",
    ]


def test_where_the_processor_stood_is_known_from_batch_to_batch() -> None:
    stood: KnownPcs = set()
    entries = [
        symbolize([Record(line)], neighbours, FormatOptions(), at_one, stood)[0].text
        for line in TRACE
    ]
    assert entries[2] == " fault+0x0/0x40"
    assert (
        symbolize([Record(TRACE[2])], neighbours, FormatOptions(), at_one)[0].text
        == " before+0x40/0x40"
    )


def test_of_places_where_processors_stood_no_more_than_so_many_are_kept() -> None:
    stood: KnownPcs = set()
    for address in range(FUNCTION, FUNCTION + 10_000):
        symbolize_text(f"pc : {address:#x}", neighbours, FormatOptions(), stood)
        assert address in stood
    assert len(stood) <= 64


@pytest.mark.parametrize(("bit", "name"), [(0, "probe+0x10/0x40"), (1, "probe+0x11/0x40")])
def test_the_mode_in_the_lowest_bit_of_a_link_register_leads_to_no_other_function(
    bit: int, name: str
) -> None:
    assert rewritten(f"LR is at {FUNCTION + 0x10 + bit:#x}") == f"LR is at {name} [nic]"


def test_a_thumb_call_as_the_last_instruction_names_its_caller() -> None:
    assert rewritten("LR is at 0xffffffff81000141") == "LR is at probe+0x41/0x40 [nic]"


def test_a_classic_bracket_behind_a_call_names_the_caller() -> None:
    assert rewritten("pc : [<ffffffff81000140>]    lr : [<ffffffff81000140>]    psr: 60000013") == (
        "pc : [nic:table+0x0/0x40]    lr : [nic:probe+0x40/0x40]    psr: 60000013"
    )


def test_a_pc_in_data_stays_a_number_but_a_classic_bracket_may_name_data() -> None:
    assert rewritten("RIP: 0010:0xffffffff81000150") == "RIP: 0010:0xffffffff81000150"
    assert rewritten("[<ffffffff81000150>]") == "[nic:table+0x10/0x40]"


def test_append_keeps_the_number() -> None:
    options = FormatOptions(style=Style.APPEND)
    assert (
        rewritten("x [<ffffffff81000110>]", options) == "x [<ffffffff81000110> nic:probe+0x10/0x40]"
    )
    assert (
        rewritten(" ? 0xffffffff81000110", options) == " ? 0xffffffff81000110 probe+0x10/0x40 [nic]"
    )


def test_off_changes_nothing() -> None:
    assert (
        rewritten("[<ffffffff81000110>]", FormatOptions(style=Style.OFF)) == "[<ffffffff81000110>]"
    )


def test_what_the_kernel_has_named_is_renamed_only_on_request() -> None:
    line = " [<ffffffff81000110>] probe+0x10/0x40 [nic]"
    assert rewritten(line) == line
    assert (
        rewritten(line, FormatOptions(resymbolize=True))
        == " [nic:probe+0x10/0x40] probe+0x10/0x40 [nic]"
    )


def test_small_sizes_have_two_digits_in_the_classic_form_only() -> None:
    place = SymbolAddress("f", 1, 8, "", "t", "")
    assert (place.classic_form, place.kernel_form) == ("f+0x1/0x08", "f+0x1/0x8")


def test_the_places_named_go_with_the_entry() -> None:
    record = Record("[<ffffffff81000110>] [<ffffffff81000111>]", 4, 9)
    (entry,) = symbolize([record], resolve, FormatOptions(), at_one)
    assert [place.offset for place in entry.places] == [0x10, 0x11]
    assert (entry.record, entry.wall_us) == (record, 1)


def test_twice_sends_a_translated_line_again_as_it_came_and_others_once() -> None:
    records = [Record("plain"), Record("[<ffffffff81000110>]"), Record("[<90000000>]")]
    entries = symbolize(records, resolve, FormatOptions(duplicate_raw=True), at_one)
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
            "klogd-py: 3 kernel records lost (sequence numbers 5 to 7): the kernel's ring buffer overran",
        ),
    ],
)
def test_a_gap_is_announced_in_its_place_and_not_in_the_kernels_name(gap: Gap, text: str) -> None:
    before, announcement, after = symbolize(
        [Record("a"), gap, Record("b")], resolve, FormatOptions(), at_one
    )
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
