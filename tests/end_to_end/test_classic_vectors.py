# SPDX-License-Identifier: GPL-2.0-or-later
"""As klogd, klogd-py does what the classic klogd was recorded to do, or docs/classic.md decides."""

from collections import Counter
from pathlib import Path

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import find
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.pipeline.symbolize import FormatOptions
from klogd_py.symbols.symbol_table import SymbolTable
from tests.corpus.logs import CLASSIC_CASES
from tests.end_to_end.classic_decisions import DECIDED, PROSE, wanted
from tests.end_to_end.classic_run import run
from tests.end_to_end.classic_vectors import Vector, load
from tests.symbolizer import symbolize_piece, text_stream

if not CLASSIC_CASES.exists():
    pytest.skip(
        f"needs the recorded cases of the classic klogd at {CLASSIC_CASES}; set KLOGD_TEST_DATA",
        allow_module_level=True,
    )

pytestmark = pytest.mark.usefixtures("signals_as_before")

VECTORS = {vector.name: vector for vector in load()}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_recorded_case_comes_out_as_decided(vector: Vector, tmp_path: Path) -> None:
    right = wanted(vector)
    messages, status = run(vector, tmp_path)
    assert messages == right.messages, right.why
    assert status == right.status


def test_every_recorded_case_is_decided_once() -> None:
    open_cases = {
        name
        for name, vector in VECTORS.items()
        if vector.stance != "keep" and not vector.repaired_is_target
    }
    overridden = {"long_line_1000", "version_without_number", "syslog_priorities"}
    assert set(DECIDED) == open_cases | overridden


def test_recording_is_one_decided_on() -> None:
    assert Counter(vector.stance for vector in VECTORS.values()) == {
        "keep": 75,
        "fix": 47,
        "decide": 12,
    }


def prose_lines(vector: Vector) -> list[str]:
    """The lines with an address that klogd-py does not symbolize."""
    lines = [line for line in vector.input_lines if find(line, include_symbolized=True)]
    judged = [
        (
            line,
            provenance.withheld_reason(
                read_line(line), find(line, include_symbolized=True), Origin.CAPTURE
            ),
        )
        for line in lines
    ]
    assert {reason for _, reason in judged} <= {None, Withheld.FORM}
    return [line for line, reason in judged if reason is not None]


def test_every_bracket_in_prose_is_listed() -> None:
    listed = [name for names in PROSE.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for name, vector in VECTORS.items() if prose_lines(vector)}


# The map of the other cases is searched for, which `translate` never does.
PROSE_WITH_MAP = [name for names in PROSE.values() for name in names if VECTORS[name].map_text]


@pytest.mark.parametrize("name", PROSE_WITH_MAP)
def test_translate_reports_bracket_in_prose(name: str) -> None:
    vector = VECTORS[name]
    resolve = SymbolTable(str(vector.map_text).encode("latin-1"), "").resolve
    stream = text_stream(resolve, FormatOptions(resymbolize=True))
    text = ("\n".join(prose_lines(vector)) + "\n").encode("latin-1")
    out = stream.push(text, 0.0)
    assert (out != text) == bool(stream.doubtful.count)
    assert bool(stream.doubtful.remarks()) == bool(stream.doubtful.count)


def test_translate_names_most_brackets_in_prose() -> None:
    maps = [VECTORS[name] for name in PROSE_WITH_MAP]
    tables = [
        (vector, SymbolTable(str(vector.map_text).encode("latin-1"), "").resolve) for vector in maps
    ]
    named = [
        vector
        for vector, resolve in tables
        if any(
            b"+0x"
            in symbolize_piece(line.encode("latin-1"), resolve, FormatOptions(resymbolize=True))
            for line in prose_lines(vector)
        )
    ]
    assert len(named) > len(maps) * 3 // 4
