# SPDX-License-Identifier: GPL-2.0-or-later
import os
import xml.etree.ElementTree as ET

from bench.comparison import Run
from bench.growth import Curve, Point
from bench.kmsg_readers import readers
from bench.report import chart, curves_chart, curves_table, summary, table
from tests.needs import needs_kmsg


def ran(program: str, cpu_us: float, arrived: int = 100, rate: int = 10_000) -> Run:
    return Run(program, "file", rate, float(rate), 100, arrived, cpu_us, 30.0, 0.1)


def test_ratio_compares_medians_at_the_same_rate() -> None:
    lines = summary(
        [
            ran("klogd-py", 2.0),
            ran("klogd-py", 3.0),
            ran("klogd-py", 90.0),
            ran("rsyslog", 6.0),
            ran("rsyslog", 1.0, rate=1),
        ]
    )
    assert {(line.program, line.wanted_rate): line.ratio for line in lines} == {
        ("klogd-py", 10_000): 0.5,
        ("rsyslog", 10_000): 1.0,
        ("rsyslog", 1): 1.0,
    }


def test_one_lossy_run_makes_a_rate_lossy() -> None:
    runs = [
        ran("klogd-py", 2.0),
        ran("klogd-py", 2.0, rate=20_000),
        ran("klogd-py", 2.0, arrived=99, rate=20_000),
    ]
    assert "without loss: klogd-py 10,000" in table(summary(runs))


def test_chart_is_svg_with_line_per_program() -> None:
    drawing = ET.fromstring(
        chart(
            summary([ran("klogd-py", 2.0), ran("rsyslog", 6.0), ran("rsyslog", 6.0, rate=20_000)])
        )
    )
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_curve_is_a_panel_and_its_points_rows() -> None:
    curves = [
        Curve(name, [Point(size, 2.5, 33.0) for size in (1, 2000, 3_000_000)])
        for name in ("sinks", "modules", "symbols")
    ]
    drawing = ET.fromstring(curves_chart(curves))
    assert len(drawing.findall("{http://www.w3.org/2000/svg}circle")) == 9
    assert "| symbols | 3,000,000 | 2.50 | 33.0 |" in curves_table(curves)


@needs_kmsg
def test_only_readers_of_kernel_log_disturb() -> None:
    own = os.getpid()
    writing = os.open("/dev/kmsg", os.O_WRONLY)
    assert own not in [process.pid for process in readers()]
    reading = os.open("/dev/kmsg", os.O_RDONLY)
    assert own in [process.pid for process in readers()]
    os.close(writing)
    os.close(reading)
