# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse documents as the file log receiver of an OpenTelemetry collector does.

By the documented rules of its timestamp and severity parsers (opentelemetry-collector-contrib,
pkg/stanza/docs/types/timestamp.md and severity.md), with the settings that docs/guide.md shows.
"""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from klogd_py.record.types import Cause, Entry, Record, Severity, TimestampSource
from klogd_py.sinks.json_lines import JsonLines
from tests.entries import WALL_US, entry, lost_entry
from tests.fakes import environment
from tests.json_documents import JsonDocument, read_document, read_documents

PROJECT = Path(__file__).parents[2]
GUIDE = (PROJECT / "docs" / "guide.md").read_text()
LAYOUT = re.findall(r"^ +layout: '(.+)'$", GUIDE, re.MULTILINE)[0]
# The directives of `strptime` that the guide uses, with their equivalents of `gotime`
DIRECTIVES = {
    "%Y": ("2006", r"(?P<year>\d{4})"),
    "%m": ("01", r"(?P<month>\d{2})"),
    "%d": ("02", r"(?P<day>\d{2})"),
    "%H": ("15", r"(?P<hour>\d{2})"),
    "%M": ("04", r"(?P<minute>\d{2})"),
    "%S": ("05", r"(?P<second>\d{2})"),
    "%f": ("999999", r"(?P<microsecond>\d{6})"),
    "%j": ("-07:00", r"(?P<sign>[+-])(?P<hours>\d{2}):(?P<minutes>\d{2})"),
}
# The aliases of severity numbers
ALIASES = {
    f"{name}{step or ''}": first + max(step - 1, 0)
    for first, name in zip(
        range(1, 25, 4), ("trace", "debug", "info", "warn", "error", "fatal"), strict=True
    )
    for step in (0, 2, 3, 4)
}


def mapping() -> dict[str, int]:
    """The values of `severity` in the guide, with the severity numbers that they become."""
    (block,) = re.findall(r"^ +mapping:\n((?: {12}\w+: \w+\n)+)", GUIDE, re.MULTILINE)
    pairs = (line.split(": ") for line in block.split("\n")[:-1])
    return {value: ALIASES[alias.strip()] for alias, value in pairs}


def parse_strptime(layout: str, value: str) -> datetime:
    """Parse a whole value by a layout; raises ValueError if it has another form."""
    pattern = re.sub(r"%.", lambda found: DIRECTIVES[found[0]][1], re.escape(layout))
    found = re.fullmatch(pattern, value, re.ASCII)
    if found is None:
        raise ValueError(f"{value!r} has not the layout {layout!r}")
    offset = f"{found['sign']}{found['hours']}:{found['minutes']}"
    stamp = "{year}-{month}-{day}T{hour}:{minute}:{second}.{microsecond}"
    return datetime.fromisoformat(stamp.format(**found.groupdict()) + offset)


def parse_epoch_us(value: float) -> datetime:
    """Parse microseconds, which a parser of JSON in Go has as a float64."""
    seconds, microseconds = divmod(int(value), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)


def document_of(made: Entry) -> JsonDocument:
    (line,) = JsonLines().encode([made])
    return read_document(line)


def documents_in(zone: str) -> list[JsonDocument]:
    """The documents of `ENTRIES` as a process in a time zone writes them."""
    code = (
        "from klogd_py.sinks.json_lines import JsonLines; from tests.sinks import test_collector; "
        "print(*JsonLines().encode(test_collector.ENTRIES), sep='', end='')"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, cwd=PROJECT, env=environment(TZ=zone), stdout=subprocess.PIPE, check=True
    )
    return read_documents(ran.stdout)


ENTRIES = [
    entry(),
    entry("two\nlines", prefix=14),
    lost_entry(5, 9, Cause.OVERRUN),
    Entry(Record("x"), WALL_US, "x", time_source=TimestampSource.RECEIPT),
    entry(wall_us=0),
    entry(wall_us=WALL_US - WALL_US % 1_000_000),
    # 2038-01-19T03:14:08Z
    entry(wall_us=(1 << 31) * 1_000_000 + 1),
]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"])
def test_guide_parses_the_time_of_documents(zone: str) -> None:
    documents = documents_in(zone)
    parsed = [parse_strptime(LAYOUT, found["timestamp"]) for found in documents]
    assert parsed == [parse_epoch_us(float(made.wall_us)) for made in ENTRIES]
    assert parsed == [parse_epoch_us(float(found["wall_us"])) for found in documents]


def test_guide_has_same_layout_for_both_types() -> None:
    converted = re.sub(r"%.", lambda found: DIRECTIVES[found[0]][0], LAYOUT)
    assert f"`{converted}`" in GUIDE


def test_guide_maps_severities_to_their_numbers() -> None:
    documents = [document_of(entry(prefix=severity)) for severity in Severity]
    found = {document["severity"]: document["severity_number"] for document in documents}
    assert found == mapping()
    assert len(found) == len(Severity)


def test_guide_lists_the_severity_numbers() -> None:
    listed = re.findall(r"\b([a-z]+)\s(\d+)", GUIDE.partition("OpenTelemetry for other")[2])
    documents = [document_of(entry(prefix=severity)) for severity in Severity]
    shown = [(found["severity"], str(found["severity_number"])) for found in documents]
    assert listed[: len(shown)] == shown


def test_collector_does_not_parse_the_provenance() -> None:
    document = document_of(Entry(Record("x"), WALL_US, "x", time_source=TimestampSource.LIVE))
    assert (document["time_quality"], "time" in document) == ("live", False)
    with pytest.raises(ValueError, match="has not the layout"):
        parse_strptime(LAYOUT, document["time_quality"])
