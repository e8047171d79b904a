# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTML page of a report in a browser: nothing is wider than a desktop or a phone."""

import re
import shutil
import subprocess
from datetime import UTC
from pathlib import Path

import pytest

from klogd_py.record.report import Frame, Source, Stack
from klogd_py.reports.documents.html_page import html_page
from klogd_py.reports.documents.occurrences import Occurrences
from tests.reports_made import REPORT, make_report

CHROMIUM = shutil.which("chromium")
WIDTHS = (1280, 390)
LONG = "very_long_name_of_a_function_that_a_driver_has_" * 3
# Says in its title how wide the page is in a frame of each width
MEASURE = """\
<!DOCTYPE html><title>none</title>
<iframe src="page.html" width="1280" height="900"></iframe>
<iframe src="page.html" width="390" height="900"></iframe>
<script>onload = () => { document.title = [frames[0], frames[1]].map(
  (frame) => frame.document.documentElement.scrollWidth).join(" ") }</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium; apt install chromium")
def test_page_is_as_wide_as_screen(tmp_path: Path) -> None:
    report = make_report(
        title=f"WARNING in {LONG}",
        function=LONG,
        source=Source(f"drivers/net/{LONG}.c", 412),
        message="x" * 300,
        code="48 89 <0f> 0b " * 40,
        stacks=(Stack(LONG, (Frame(LONG, 1, 2, LONG, file=f"net/{LONG}.c", line=7),) * 2),),
    )
    times = ("2026-11-24T02:04:05Z", "2026-11-27T18:04:05Z")
    often = Occurrences(17, *times, times)
    page = html_page([(report, often), (REPORT, often)], UTC, "1.0")
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "measure.html").write_text(MEASURE)
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    files = ["--allow-file-access-from-files", f"--user-data-dir={tmp_path}/profile"]
    done = subprocess.run(
        [*command, *files, f"file://{tmp_path}/measure.html"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    found = re.search(r"<title>(\d+) (\d+)</title>", done.stdout)
    assert found is not None, done.stderr
    # A vertical scroll bar may make a page narrower, nothing makes it wider.
    assert [int(width) <= limit for width, limit in zip(found.groups(), WIDTHS, strict=True)] == [
        True,
        True,
    ]
