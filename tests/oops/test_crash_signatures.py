# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of crash signatures, by a header of each form and by the headers of real logs."""

import re

import pytest

from klogd_py.oops import crash_lines, provenance
from klogd_py.oops.crash_patterns import ADDRESS_LINE
from klogd_py.oops.crash_signatures import (
    OOPS_HEADER,
    SIGNATURES,
    CrashClass,
    Signature,
)
from klogd_py.oops.line_parts import any_of
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.batch import Batch
from klogd_py.record.types import Record
from tests.corpus.logs import PROJECT


def read_samples() -> list[tuple[str, str]]:
    """Each header of the file with its kind; the kind ``-`` stands for none."""
    lines = (PROJECT / "tests/data/crash-headers.txt").read_text().splitlines()
    return [(kind, text) for kind, text in (line.split(maxsplit=1) for line in lines)]


SAMPLES = read_samples()


def identify(text: str) -> Signature | None:
    return provenance.identify(Record(text, 4, seq=1, usec=1), Origin.RECORDS)


@pytest.mark.parametrize(("kind", "text"), SAMPLES)
def test_header_is_of_its_kind(kind: str, text: str) -> None:
    signature = identify(text)
    assert signature is not None
    assert (signature.kind.value if signature.kind is not None else "-") == kind
    assert signature.marker in text


def test_every_row_has_a_header_among_the_samples() -> None:
    used = [identify(text) for _, text in SAMPLES]
    assert [row.pattern for row in SIGNATURES if row not in used] == []
    assert len(SIGNATURES) > 50


def test_first_row_that_fits_alone_is_the_signature() -> None:
    """The groups of the joined expressions say the same as the patterns one by one."""
    rows = [(row, re.compile(any_of([row.pattern]), re.ASCII)) for row in SIGNATURES]
    for _, text in SAMPLES:
        fitting = [row for row, expression in rows if expression.fullmatch(text)]
        assert identify(text) == fitting[0], text


@pytest.mark.parametrize("blank", [" ", "\t", "  "])
def test_blanks_around_a_header_change_no_kind(blank: str) -> None:
    for _, text in SAMPLES:
        assert identify(blank + text + blank) == identify(text)


def test_class_agrees_with_the_expression_that_matches() -> None:
    for _, text in SAMPLES:
        signature = identify(text)
        assert signature is not None
        is_oops = OOPS_HEADER.fullmatch(text) is not None
        assert (signature.crash_class is CrashClass.OOPS) == is_oops


def test_header_with_address_is_an_address_line() -> None:
    with_address = [text for _, text in SAMPLES if (row := identify(text)) and row.has_address]
    assert len(with_address) > 8
    assert all(ADDRESS_LINE.fullmatch(text) for text in with_address)


def test_row_that_opens_a_trace_begins_one() -> None:
    for _, text in SAMPLES:
        record, signature = Record(text, 4, seq=1, usec=1), identify(text)
        assert signature is not None
        assert Batch([record]).may_contain_trace
        assert provenance.is_trace_start(record, Origin.RECORDS) or not signature.opens_trace


@pytest.mark.parametrize(
    "text",
    [
        "WARNING: this architecture does not support mandatory locks",
        "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.2 msecs",
        "INFO: lockdep is turned off.",
        "rcu: INFO: Stall ended before state dump start",
        "traps: nicd[81] general protection fault ip:401136 sp:7ffd error:0 in nicd[1136,401000]",
        "XFS (sda1): recovery required on read-only device",
        "sysrq: Show Blocked State",
        "systemd[1]: Oops: 0002 [#1] SMP",
    ],
)
def test_other_words_of_a_crash_have_no_signature(text: str) -> None:
    assert identify(text) is None


def test_only_the_kernels_own_records_have_a_signature() -> None:
    for _, text in SAMPLES:
        assert provenance.identify(Record(text, 1 << 3 | 4, seq=1), Origin.RECORDS) is None
        assert provenance.identify(Record(text, 4, flags="c"), Origin.RECORDS) is None
        assert provenance.identify(Record(text, 4), Origin.LINES) is None
        assert provenance.identify(Record(text), Origin.CAPTURE) == identify(text)


def test_no_header_is_longer_than_any_kernel_prints() -> None:
    long = "Kernel panic - not syncing: " + "x" * crash_lines.MAX_CHARS
    assert identify(long) is None
    assert identify(long[:900]) is not None
