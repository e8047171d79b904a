# SPDX-License-Identifier: GPL-2.0-or-later
import io
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import msgspec
import pytest

from bench import accounting, command_line, kmsg_load
from bench.charts import change_chart, growth_chart, race_chart
from bench.comparison import percentile
from bench.idle import counting
from bench.kmsg_readers import readers
from bench.log_daemons import klogd_py_with
from bench.machine import build_of
from bench.report import figure_table, highest_rates, markdown, number, race_tables, shown, summary
from bench.results import BEFORE, NOW, Figure, Idle, Point, Results, Run, Spread, load, save
from bench.schedule import Progress, Task, run_rounds
from bench.trees import Tree
from klogd_py.config.run_options import RunOptions
from tests.end_to_end.program import write_kmsg
from tests.needs import needs_kmsg
from tests.waiting import wait_until

needs_compiler = pytest.mark.skipif(
    not shutil.which("cc"), reason="needs a C compiler; apt-get install gcc libc6-dev"
)
SVG = "{http://www.w3.org/2000/svg}"


def ran(
    program: str, cpu_us: float, arrived: int = 100, rate: int = 10_000, latency_us: float = 9000.0
) -> Run:
    return Run(
        program,
        job="file",
        load="plain",
        rate=rate,
        records=100,
        arrived=arrived,
        cpu_us=cpu_us,
        rss_mib=30.0,
        first_s=0.1,
        latency_us=latency_us,
        latency_99_us=2 * latency_us,
    )


RESULTS = Results(
    ["2 processors", "CPython 3.11.2"],
    rounds=2,
    runs=[ran(NOW, 2.0), ran(NOW, 3.0), ran("rsyslog imkmsg", 5.0), ran(BEFORE, 5.0)],
    idle=[Idle(NOW, 10.0, 60.0, 4, 30.0), Idle(f"{NOW}, dead sink", 10.0, 60.0, 4, 30.0)],
    figures=[
        Figure("translate", "with --map", 200.0, "MB/s", NOW),
        Figure("translate", "with --map", 100.0, "MB/s", BEFORE),
        Figure("lookup", "an address", 1.0, "s", NOW),
        Figure("lookup", "an address", 4.0, "s", BEFORE),
    ],
    points=[Point("file sinks", size, 2.5, 33.0) for size in (1, 2000, 3_000_000)],
)


def test_ratio_compares_medians_at_the_same_rate() -> None:
    lines = summary(
        [
            ran("klogd-py", 2.0),
            ran("klogd-py", 3.0),
            ran("klogd-py", 90.0),
            ran("rsyslog imkmsg", 6.0),
            ran("rsyslog imkmsg", 1.0, rate=1),
        ]
    )
    assert {(line.program, line.rate): line.ratio for line in lines} == {
        ("klogd-py", 10_000): 0.5,
        ("rsyslog imkmsg", 10_000): 1.0,
        ("rsyslog imkmsg", 1): 1.0,
    }


def test_one_lossy_run_makes_a_rate_lossy() -> None:
    runs = [
        ran("klogd-py", 2.0),
        ran("klogd-py", 2.0, rate=20_000),
        ran("klogd-py", 2.0, arrived=99, rate=20_000),
    ]
    assert highest_rates(summary(runs)).endswith("without loss: klogd-py 10,000.")
    assert "| 20,000 | 0.500 (0-1); 9, 18 |" in race_tables(summary(runs))


def test_program_that_delivers_nothing_has_no_cost() -> None:
    lost = msgspec.structs.replace(
        ran("klogd-py", 2.0, arrived=0), cpu_us=None, latency_us=None, latency_99_us=None
    )
    tables = race_tables(summary([lost])).splitlines()
    assert "| 10,000 |  |  |" in tables
    assert tables[-1] == "| 10,000 | 100 |"
    others = [ran("rsyslog imkmsg", 2.0, rate=rate) for rate in (1, 10_000, 20_000)]
    drawing = ET.fromstring(race_chart([lost, *others]))
    # Nothing but its loss is drawn.
    assert len(drawing.findall(f"{SVG}polyline")) == 5


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([3.46, 3.31, 3.7], "3.46 (3.31-3.70)"),
        ([None, 1234.5], "1,234"),
        ([0.0, 0.1234, 12.34], "0.123 (0-12.3)"),
        ([None], ""),
    ],
)
def test_spread_shows_median_smallest_and_largest(values: list[float | None], text: str) -> None:
    assert shown(Spread.of(values)) == text


@pytest.mark.parametrize(("count", "median", "last"), [(1, 1, 1), (2, 1, 2), (1000, 500, 990)])
def test_percentile_is_a_value_that_occurred(count: int, median: int, last: int) -> None:
    values = [float(value) for value in range(1, count + 1)]
    assert (percentile(values, 50), percentile(values, 99)) == (median, last)
    assert percentile([], 50) is None


def test_race_chart_has_panel_per_value() -> None:
    runs = [*RESULTS.runs, ran(NOW, 2.0, rate=1), ran(NOW, 2.0, rate=100)]
    # One rate is no curve.
    busy = msgspec.structs.replace(ran(NOW, 2.0), load="busy processors")
    drawing = ET.fromstring(race_chart([*runs, busy]))
    titles = [text.text for text in drawing.iter(f"{SVG}text") if text.get("font-weight")]
    assert titles == [
        "file, plain: CPU per delivered record (us)",
        "file, plain: lost records (%)",
        "file, plain: median latency (us)",
        "file, plain: 99th percentile of latency (us)",
    ]
    # A line for each program, and a whisker beside the axis of the one that has a spread
    assert len(drawing.findall(f"{SVG}polyline")) == 4 * 3
    assert len(drawing.findall(f"{SVG}path")) == 4 + 1


def test_growth_chart_draws_each_point() -> None:
    drawing = ET.fromstring(growth_chart(RESULTS.points))
    assert len(drawing.findall(f"{SVG}circle")) == 3


def test_changes_are_costs_whatever_the_unit() -> None:
    drawing = ET.fromstring(change_chart(RESULTS))
    shares = [text.text for text in drawing.iter(f"{SVG}text") if "%" in str(text.text)]
    assert shares == ["50 %", "25 %", "50 %"]


def test_tables_hold_everything_that_was_measured() -> None:
    text = markdown(RESULTS)
    assert text.count("### ") == text.count("\nCPython 3.11.2; ") == 5
    for row in (
        "| rate | klogd-py | rsyslog imkmsg | klogd-py (before) | klogd-py/imkmsg |",
        "| 10,000 | 2.50 (2-3) | 5 | 5 | 0.50 |",
        "| 10,000 | 0; 9, 18 | 0; 9, 18 | 0; 9, 18 |",
        "| klogd-py | 30 | 100 |",
        "| klogd-py, dead sink | 10 | 60 | 4 | 30 |",
        "| translate: with --map | 100 | 200 | MB/s | 2 |",
        "| file sinks | 3,000,000 | 2.50 | 33 |",
    ):
        assert row in text.splitlines()


def test_figures_of_one_tree_have_one_column() -> None:
    now = [figure for figure in RESULTS.figures if figure.program == NOW]
    assert "| lookup: an address | 1 | s |" in figure_table(now).splitlines()


def test_saved_results_are_the_same_when_loaded(tmp_path: Path) -> None:
    save(tmp_path / "results.json", RESULTS)
    assert load(tmp_path / "results.json") == RESULTS


def test_report_of_a_missing_file_fails_shortly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "report", "--json", str(tmp_path / "none")]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1] == "make such a file with: scripts/bench --json FILE"
    assert len(done.stderr.splitlines()) == 2


def test_rounds_interleave_all_tasks_but_single_ones() -> None:
    order: list[str] = []

    def measure(name: str) -> list[Run]:
        order.append(name)
        return [ran(name, 1.0)]

    tasks = [Task(name, 1.0, partial(measure, name), once=name == "b") for name in "abc"]
    results = Results([], rounds=2)
    run_rounds(tasks, results, lambda: order.append("end"))
    assert order == ["a", "b", "c", "end", "a", "c", "end"]
    assert [run.program for run in results.runs] == ["a", "b", "c", "a", "c"]


def test_time_left_follows_the_pace_so_far() -> None:
    progress = Progress(io.StringIO(), planned_s=10.0, started_s=100.0)
    assert progress.left_s(100.0) == 10.0
    progress.advance(5.0)
    assert progress.left_s(120.0) == 20.0


def test_failure_of_one_task_ends_no_other() -> None:
    def fail() -> list[Run]:
        raise FileNotFoundError("no such program")

    tasks = [Task("a", 1.0, fail), Task("b", 1.0, lambda: [ran("b", 1.0)])]
    results = Results([], rounds=1)
    assert run_rounds(tasks, results, lambda: None) == ["a: no such program"]
    assert [run.program for run in results.runs] == ["b"]


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["--only", "x"], ["report"], ["--jobs", "x"], ["--rates", "0"], ["--runs", "x"]],
)
def test_wrong_usage_is_answered_in_two_lines(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(words)
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize(
    ("variables", "prefix", "kind"),
    [
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"}, "/usr/local", "optimised"),
        ({"PY_CORE_CFLAGS": "-O3 -fprofile-use"}, "/opt", "optimised"),
        ({"CONFIG_ARGS": "'--enable-shared'"}, "/root/.pyenv/versions/3.11.7", "not optimised"),
        ({"CONFIG_ARGS": "'--prefix=/usr'", "LIBDIR": "/usr/lib64"}, "/usr", "not optimised"),
        (
            {"MULTIARCH": "x86_64-linux-gnu", "LIBDIR": "/usr/lib/x86_64-linux-gnu"},
            "/usr",
            "as Debian builds it: optimised",
        ),
    ],
)
def test_build_of_python_is_told_by_its_flags(
    variables: dict[str, str], prefix: str, kind: str
) -> None:
    assert build_of(variables, prefix) == kind


def test_usage_counts_threads_that_have_ended() -> None:
    script = (
        "import threading, time\n"
        "def work():\n"
        "    while time.thread_time() < 0.05: pass\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "print('done', flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert accounting.usage(process.pid).cpu_us > 50_000
        process.communicate(b"\n")


def test_wakeups_are_those_of_threads_still_there() -> None:
    before = accounting.Usage(0.0, {1: 5, 2: 100})
    assert accounting.Usage(0.0, {1: 7, 3: 4}).wakeups_since(before) == 6


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (99.96, "100.0"), (1e6, "1,000,000")])
def test_number_has_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


@needs_compiler
def test_memory_of_command_is_not_its_parents(tmp_path: Path) -> None:
    measure = kmsg_load.build(tmp_path)["measure"]
    large = bytearray(64 << 20)
    used = subprocess.run([measure, "sh", "-c", "exit 3"], capture_output=True, check=True)
    cpu_s, rss_kib, status = used.stdout.split()
    assert 0 < int(rss_kib) < 16 << 10 < len(large) >> 10
    assert (float(cpu_s) < 1, int(status)) == (True, 3)


@needs_compiler
def test_record_that_comes_twice_arrives_once(tmp_path: Path) -> None:
    observer = kmsg_load.build(tmp_path)["observer"]
    log = tmp_path / "log"
    log.write_text("".join(f"tag: {number} 0 text\n" for number in (0, 1, 1, 0, 3)))
    with subprocess.Popen([observer, "file", log, "tag"], stdout=subprocess.PIPE) as running:
        place = Path(f"/proc/{running.pid}/fdinfo/3")
        read = f"pos:\t{log.stat().st_size}\n"
        wait_until(lambda: place.exists() and read in place.read_text(), "the end of the log")
        running.terminate()
        output, _ = running.communicate()
    assert len(output.splitlines()) == 3


def test_measured_daemon_has_no_socket_of_the_service(tmp_path: Path) -> None:
    tree = Tree(NOW, tmp_path, tmp_path)
    klogd_py_with(tree, tmp_path, "", [])
    config = RunOptions(config_path=str(tmp_path / "etc/klogd-py.toml")).load_config()
    assert config.status.socket == str(tmp_path / "status")
    assert config.state.cursor_file == str(tmp_path / "position.json")


def test_idle_table_tells_records_of_others() -> None:
    disturbed = Results(["", "CPython"], rounds=1, idle=[Idle(NOW, 1.0, 1.0, 4, 30.0, records=44)])
    assert "Not idle: others wrote up to 44 records in a round." in markdown(disturbed)
    assert "Not idle" not in markdown(RESULTS)


@needs_kmsg
def test_records_of_others_are_counted_while_idle() -> None:
    with counting() as count:
        write_kmsg("bench: a record while programs are idle")
        assert count() >= 1


@needs_kmsg
def test_only_readers_of_kernel_log_disturb() -> None:
    own = os.getpid()
    writing = os.open("/dev/kmsg", os.O_WRONLY)
    assert own not in [process.pid for process in readers()]
    reading = os.open("/dev/kmsg", os.O_RDONLY)
    assert own in [process.pid for process in readers()]
    os.close(writing)
    os.close(reading)
