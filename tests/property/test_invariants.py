# SPDX-License-Identifier: GPL-2.0-or-later
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.address_scanner import candidate_lines, find
from klogd_py.pipeline.symbolize import FormatOptions, Style, SymbolizedText, symbolize_text
from klogd_py.record.types import Entry, LookupFailure, Record
from klogd_py.sinks.formats import TimestampFormatter, escape_controls, format_line, format_lines
from klogd_py.sources import kmsg_format
from klogd_py.sources.klogd_format import parse_klogd
from tests.entries import WALL_US, entry
from tests.symbolizer import everywhere, nowhere

TEXT = st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
KEYS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1, max_size=12)
RECORDS = st.builds(
    Record,
    TEXT,
    st.integers(0, 2047),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from(["-", "c", "+"]),
    st.sampled_from(["", "T1", "C0", "T4194304"]),
    st.lists(st.text("abcxyz=0123", min_size=1, max_size=8), max_size=2).map(tuple),
    st.lists(st.tuples(KEYS, TEXT), max_size=3).map(tuple),
)
# Lines made of the words that kernel lines are made of, so that most come near to a mention.
WORDS = st.sampled_from(
    [
        "RIP:",
        "EIP:",
        "0010:",
        "0033:",
        "[<c0100010>]",
        "[<ffffffff81000010>]",
        "0xffffffff81000010",
        "0x401000",
        "?",
        "pc",
        "lr",
        "epc",
        "NIP",
        "LR",
        "[c000000000012abc]",
        ":",
        "<TASK>",
        "Call",
        "Trace:",
        "do_fork+0x10/0x40",
        "[ext4]",
        "PC",
        "is",
        "at",
        "ffffffff81000010",
        "ra",
        "Krnl",
        "PSW",
        "Code:",
        "(unreliable)",
        "WARNING:",
        "[<00000000abcdef12>]",
        "[<ffffffff81000010>] 0xffffffff81000010",
        "[c000000000012abc] [c000000000012abc]",
        "<IRQ>",
        "epc == 8029a238",
        "ra == 8029d674",
        "from",
        "}, at:",
        "sepc: ffffffe000d3f1a2",
        "ra : ffffffe000d3f19e sp :",
        "Caller[0000000000509a4c]",
        "(P)",
        "[T1]",
        "[    1.000000]",
        "**",
        "CPU:",
        "0",
    ]
)
LINES = st.one_of(
    TEXT, st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS, max_size=12).map("".join)
)


@given(RECORDS)
def test_rendered_record_is_parsed_back(record: Record) -> None:
    assert kmsg_format.parse(kmsg_format.render(record)) == record


@given(TEXT)
def test_escaping_gives_printable_ascii_and_is_reversible(text: str) -> None:
    escaped = kmsg_format.escape(text)
    assert all(0x20 <= byte < 0x7F for byte in escaped)
    assert kmsg_format.unescape(escaped) == text


@given(st.binary(max_size=300))
def test_any_bytes_make_one_record(raw: bytes) -> None:
    (record,) = kmsg_format.parse_all([raw])
    if record.unparsed:
        assert record.text.encode("utf-8", "surrogateescape") == raw.removesuffix(b"\n")
    else:
        assert record == kmsg_format.parse(raw)


# What records are made of, and what may go wrong with them, so that plain ones and others stand
# side by side.
PIECES = st.sampled_from(
    [
        b"6",
        b",",
        b"12",
        b",",
        b"2048",
        b"-",
        b",caller=T1",
        b",x=y",
        b";",
        b"text",
        b"\n",
        b" K=v",
        b"\0",
        b"\\x0a",
        b"\\",
        b"\xc3",
        b"\xa9",
    ]
)
RAWS = st.one_of(
    st.lists(PIECES, max_size=12).map(b"".join),
    st.builds(
        b"%d,%d,%d,-;%b\n".__mod__,
        st.tuples(
            st.integers(0, 2050), st.integers(0, 99), st.integers(0, 99), st.binary(max_size=9)
        ),
    ),
    RECORDS.map(kmsg_format.render),
)


@given(st.lists(RAWS, max_size=40))
def test_batch_parses_like_single_records(raws: list[bytes]) -> None:
    alone = [record for raw in raws for record in kmsg_format.parse_all([raw])]
    assert len(alone) == len(raws)
    assert kmsg_format.parse_all(raws) == alone
    assert [None if record.unparsed else record for record in alone] == [
        parsed_or_none(raw) for raw in raws
    ]


def parsed_or_none(raw: bytes) -> Record | None:
    try:
        return kmsg_format.parse(raw)
    except kmsg_format.MalformedRecord:
        return None


@given(RECORDS, st.data())
def test_record_cut_anywhere_is_truncated(record: Record, data: st.DataObject) -> None:
    raw = kmsg_format.render(record)
    start, end = raw.index(b";") + 1, raw.index(b"\n")
    cut = kmsg_format.parse(raw[: data.draw(st.integers(start, end))])
    assert cut.truncated
    assert record.text.startswith(
        cut.text.partition("\\")[0].rstrip("".join(map(chr, range(0xDC80, 0xDD00))))
    )


@given(LINES)
def test_line_is_unchanged_without_symbols(line: str) -> None:
    for style in Style:
        found = symbolize_text(line, nowhere, FormatOptions(style=style))
        failures = [LookupFailure.NO_SYMBOLS] * len(find(line)) if style is not Style.OFF else []
        assert found == SymbolizedText(line, (), tuple(failures))


@given(LINES)
def test_line_changes_only_at_matches(
    line: str,
) -> None:
    matches = find(line)
    named = symbolize_text(line, everywhere, FormatOptions())
    text, places = named.text, named.symbols
    assert len(places) == len(matches)
    if not matches:
        assert text == line
        return
    assert text.startswith(line[: matches[0].start])
    assert text.endswith(line[matches[-1].end :])


@given(LINES, st.booleans())
def test_matches_are_ordered_and_disjoint(line: str, include_symbolized: bool) -> None:
    end = 0
    for match in find(line, include_symbolized):
        assert end <= match.start <= match.end <= len(line)
        end = match.end
        word = line[match.start : match.end].strip("<>")
        if word:
            assert int(word, 16) == match.address


@given(LINES)
def test_symbolizing_a_line_again_changes_nothing(line: str) -> None:
    once = symbolize_text(line, everywhere, FormatOptions()).text
    again = symbolize_text(once, everywhere, FormatOptions(resymbolize=False)).text
    assert again == once


@given(TEXT)
def test_every_prefix_and_text_keep_their_line(line: str) -> None:
    for record in (parse_klogd(line), read_line(line)):
        assert record.head + record.text + record.tail == line


@given(TEXT)
def test_shown_text_has_no_terminal_controls(text: str) -> None:
    shown = escape_controls(text)
    assert all(character.isprintable() or character == "\t" for character in shown)
    shown.encode()


@given(st.lists(LINES, max_size=20))
def test_line_outside_candidates_has_no_match(texts: list[str]) -> None:
    candidates = [texts[at] for at in candidate_lines(texts)]
    assert not [
        line
        for line in texts
        if line not in candidates and (find(line) or find(line, include_symbolized=True))
    ]


@given(st.lists(st.builds(entry, LINES | TEXT, st.integers(0, 200)), max_size=8))
def test_batch_formats_like_single_entries(entries: list[Entry]) -> None:
    assert format_lines(entries) == [format_line(item) for item in entries]


@given(st.lists(st.integers(-3_000_000, 3_000_000), min_size=1, max_size=5))
def test_batch_has_timestamps_of_its_entries(offsets_us: list[int]) -> None:
    walls = [WALL_US + offset_us for offset_us in offsets_us]
    assert TimestampFormatter().rfc3339_batch(walls) == [
        TimestampFormatter().rfc3339(wall_us) for wall_us in walls
    ]
