# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.line_prefix.common_prefix import match_prefix, split_bodies
from klogd_py.line_prefix.reader import read_line
from klogd_py.oops.address_scanner import find
from klogd_py.oops.boot_boundary import BEGINNING_MARKERS
from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.oops.print_sites import PRINT_SITES
from klogd_py.pipeline import line_shapes
from klogd_py.pipeline.line_shapes import Found, LineShapes
from klogd_py.pipeline.suspect_lines import Span, SuspectLines
from klogd_py.pipeline.symbolize import FormatOptions
from tests.line_prefixes import PREFIXES
from tests.oops.test_address_patterns import ALL_LINES
from tests.oops.test_print_sites import sample
from tests.property.test_invariants import WORDS
from tests.symbolizer import nowhere, text_stream

STAMP = "[   12.345678] "
SYSLOG = "Nov 23 08:13:42 host kernel: "
# A character for each byte
BEFORE = [prefix.before.replace("{us}", "345678").encode().decode("latin-1") for prefix in PREFIXES]
FORMS = [*ALL_LINES, *(sample(site, "0xffffffff81000010") for site in PRINT_SITES)]
# Lines with a number like an address that no kernel prints for code
HARMLESS = [
    "pci 0000:00:1f.3: [mem 0xfed00000-0xfed003ff] reserved",
    "sd 0:0:0:0: [sda] tag#3 FAILED, error 0xdeadbeef sector 12",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "i915 0000:00:02.0: [drm] GPU HANG: ecode 9:1:0x85dffffb, hang on rcs0",
    "[drm] Memory usable by graphics device = 0x10000000",
    "quirk: [io  0x1000-0x107f] claimed by ICH6",
]


def spans_of(lines: Sequence[str], *, resymbolize: bool = False) -> list[Span]:
    text = "".join([f"{line}\n" for line in lines]).encode("latin-1")
    return [*SuspectLines(resymbolize=resymbolize).find(text).spans]


def is_suspect(line: str) -> bool:
    return spans_of([line]) == [Span(0, len(line) + 1)]


@pytest.mark.parametrize("before", BEFORE, ids=ascii)
def test_each_form_of_address_is_suspect(before: str) -> None:
    lines = [before + text for text in FORMS]
    assert [line for line in lines if find(read_line(line).text) and not is_suspect(line)] == []


def test_each_form_has_address_behind_stamp() -> None:
    assert [text for text in FORMS if not find(read_line(STAMP + text).text)] == []


TEXTS = st.lists(
    st.builds(
        lambda before, words, after: f"{before}{' '.join(words)}{after}",
        st.sampled_from([STAMP, "<6>" + STAMP, "<9>" + STAMP, *BEFORE]),
        st.lists(WORDS, max_size=12),
        st.sampled_from(["", "\x1b[0m", "\r", '"', "[0m", " kernel: ", "\x85"]),
    )
    .map(lambda line: line.encode("utf-8", "surrogateescape").decode("latin-1"))
    .map(lambda line: line.replace("\n", " ")),
    max_size=6,
)


@given(TEXTS, st.booleans(), st.text("0123456789", min_size=10, max_size=10))
def test_no_line_outside_spans_has_address(
    lines: list[str], resymbolize: bool, digits: str
) -> None:
    finder = SuspectLines(resymbolize=resymbolize)
    # Lines that differ in digits alone are known before.
    others = [line.translate(str.maketrans("0123456789", digits)) for line in lines]
    finder.find("".join([f"{line}\n" for line in others]).encode("latin-1"))
    found = finder.find("".join([f"{line}\n" for line in lines]).encode("latin-1"))
    start = 0
    for line in lines:
        end = start + len(line) + 1
        if not any(span.start <= start and end <= span.end for span in found.spans):
            assert not find(read_line(line).text, resymbolize)
        start = end


MARKED = [
    *(f"{STAMP}x {marker}y" for marker in (*CRASH_MARKERS, *BEGINNING_MARKERS)),
    "6,339,5140900,-;eth0: link up",
]


@pytest.mark.parametrize("line", MARKED)
def test_marker_of_a_crash_or_boot_is_told(line: str) -> None:
    finder = SuspectLines(resymbolize=False)
    text = f"{STAMP}eth0: link up\n{line}\n".encode()
    # New at first, then known
    for _ in range(2):
        assert not finder.find(f"{STAMP}eth0: link up\n".encode()).may_have_marker
        assert finder.find(text).may_have_marker


def test_shapes_are_forgotten_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_shapes, "_MAX_KNOWN_BYTES", 10_000)
    shapes = LineShapes()
    counts: list[int] = []
    for number in range(200):
        word = "".join(chr(ord("a") + number // 26**place % 26) for place in range(3))
        frame = f"{STAMP}RIP: 0010:0xffffffff81000010 {word}\n"
        text = f"{STAMP}{word * 100}\n{frame}{STAMP}Oops {word}\n".encode()
        assert shapes.find(text) == LineShapes().find(text) == Found([1], True)
        counts.append(shapes.known_bytes)
    assert 0 < max(counts) <= 10_000
    assert counts != sorted(counts)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([STAMP, "<6>" + STAMP, *BEFORE]), st.lists(WORDS, max_size=4)
        ).map(lambda parts: f"{parts[0]}{' '.join(parts[1])}".replace("\n", " ")),
        max_size=6,
    )
)
def test_bodies_are_those_of_common_prefixes(lines: list[str]) -> None:
    for line, (body, word) in zip(lines, split_bodies(lines), strict=True):
        assert not body or read_line(line).text.lstrip() == body
        assert body.startswith(word)
        assert not body or match_prefix(line)


@pytest.mark.parametrize("before", [STAMP, f"{SYSLOG}{STAMP}", SYSLOG])
@pytest.mark.parametrize("text", HARMLESS)
def test_piece_of_harmless_lines_passes_unchanged(text: str, before: str) -> None:
    piece = f"{before}{text}\n".encode() * 100
    assert text_stream(nowhere, FormatOptions()).push(piece, 0.0) is piece


def test_only_suspect_lines_are_in_spans() -> None:
    far = [f"{STAMP}{HARMLESS[0]}"] * 10
    frame = f"{STAMP} [<c0100010>] ? x"
    spans = spans_of([*far, frame, *far, frame, far[0], frame])
    size = len("\n".join(far)) + 1
    assert spans == [
        Span(size, size + len(frame) + 1),
        Span(2 * size + len(frame) + 1, 2 * size + 3 * len(frame) + len(far[0]) + 4),
    ]


def test_last_line_without_line_feed_is_whole() -> None:
    text = f"{STAMP}up\n{STAMP}RIP: 0010:0xffffffff81000010".encode()
    found = SuspectLines(resymbolize=False).find(text)
    assert [*found.spans] == [Span(len(STAMP) + 3, len(text))]


@pytest.mark.parametrize(
    "line",
    [
        r'{"log":"[    1.000000] [\u003cffffffff81000010\u003e] x"}',
        '{"MESSAGE":"error 0xffffffff81000010"}',
        f"{STAMP}0\x1b[0mx 0xffffffff81000010",
    ],
)
def test_line_that_is_read_otherwise_is_suspect(line: str) -> None:
    assert is_suspect(line)
