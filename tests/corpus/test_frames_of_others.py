# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames, modules and taint are those that other programs have read in the same reports."""

import json
from pathlib import Path

import msgspec
import pytest
from msgspec import Struct

from klogd_py.line_prefix.reader import PrefixReader
from klogd_py.oops.provenance import Origin
from klogd_py.record.report import Frame, Report
from klogd_py.record.types import Entry
from klogd_py.reports.describe import describe
from klogd_py.reports.detection.detector import Detector
from tests.corpus.logs import COLLECTION, needs_collection

SATYR = COLLECTION / "satyr"
FAF = COLLECTION / "faf/sample_reports"
SATYR_REPORTS = sorted(path.stem for path in (SATYR / "expected").glob("*.json")) or ["none"]
# In "ureport_kerneloops2" frames were left out by hand.
FAF_REPORTS = sorted(path.name for path in FAF.glob("ureport*[!2]")) or ["none"]
# satyr counts addresses without a symbol as frames. It does not count the caller in the last line
# of a stack of arm.
UNCOUNTED = {"gitlog-02": -2, "gitlog-07": 2}
# The first frame has no symbol.
OTHER_FIRST = {"rhbz-1040900-s390x-2"}


class Expected(Struct):
    """What satyr has read in a report."""

    first_function: str | None
    last_function: str | None
    frames: int
    taint_flags: int
    modules: int


class UreportFrame(Struct):
    """A frame of a report for faf."""

    function_name: str
    function_offset: int
    function_length: int
    reliable: bool
    module_name: str = ""


def reports_of(text: str) -> list[Report]:
    reader = PrefixReader()
    records = [reader.read(line) for line in text.split("\n")]
    detector = Detector(Origin.CAPTURE)
    entries = [Entry(record, 0, record.text) for record in records]
    raws = [*detector.push(entries, range(len(entries)), 0.0), *detector.finish()]
    return [describe(raw) for raw in raws if raw.is_complete]


def frames_of(report: Report) -> list[Frame]:
    return [frame for stack in report.stacks for frame in stack.frames]


@needs_collection
@pytest.mark.parametrize("name", SATYR_REPORTS)
def test_report_is_read_as_satyr_does(name: str) -> None:
    expected = msgspec.json.decode((SATYR / f"expected/{name}.json").read_bytes(), type=Expected)
    reports = reports_of((SATYR / "kerneloopses" / name).read_text(errors="replace"))
    report, frames = reports[0], [frame for one in reports for frame in frames_of(one)]
    assert len(frames) + UNCOUNTED.get(name, 0) == expected.frames
    if name not in OTHER_FIRST:
        assert frames[0].function == expected.first_function
    if expected.last_function is not None and name != "gitlog-02":
        assert frames[-1].function == expected.last_function
    assert len(report.modules) == expected.modules
    if expected.taint_flags:
        assert report.kernel.taint.letters


@needs_collection
@pytest.mark.parametrize("name", FAF_REPORTS)
def test_report_is_read_as_faf_does(name: str) -> None:
    problem = json.loads((FAF / name).read_bytes())["problem"]
    (report,) = reports_of(problem["raw_oops"])
    frames = [
        UreportFrame(
            frame.function, frame.offset or 0, frame.size or 0, frame.reliable, frame.module
        )
        for frame in frames_of(report)
    ]
    expected = msgspec.convert(problem["frames"], list[UreportFrame])
    assert frames == expected
    assert len(report.kernel.taint.words) == len(problem["taint_flags"])


def test_collections_are_where_they_are_sought() -> None:
    assert isinstance(SATYR, Path)
    assert not COLLECTION.is_dir() or (len(SATYR_REPORTS) > 5 and len(FAF_REPORTS) > 1)
