# SPDX-License-Identifier: GPL-2.0-or-later
"""Work is linear in the length of the input: near misses of every form, long lines, long oopses.

Twice the input may cost 2.6 times the CPU time; quadratic work would cost four times as much. What
takes no measurable time passes.
"""

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from klogd_py.line_prefix.grammar import grammar_of
from klogd_py.line_prefix.pieces import DMESG, SYSLOG
from klogd_py.line_prefix.reader import PrefixReader, read_line
from klogd_py.oops.address_scanner import find
from klogd_py.oops.crash_lines import MAX_CHARS, find_signature, kernel_lines, match_address_line
from klogd_py.oops.trace_buffer import TraceBuffer
from klogd_py.oops.trace_parser import parse_trace
from klogd_py.pipeline.symbolize import FormatOptions
from klogd_py.pipeline.text_pieces import read_pieces
from klogd_py.pipeline.text_stream import infer_boots
from klogd_py.record.types import Record
from klogd_py.sources import kmsg_format
from klogd_py.sources.capture import Capture, open_capture
from klogd_py.sources.input_file import InputFile
from klogd_py.sources.klogd_format import parse_klogd
from klogd_py.sources.proc_kmsg import ProcKmsg
from tests.line_prefixes import PREFIXES
from tests.oops.test_address_patterns import ALL_LINES
from tests.symbolizer import everywhere, symbol_set_of, symbolize_piece
from tests.symbols.oopses import kernel

PACKAGE = Path(__file__).parents[1] / "klogd_py"
MB = 1 << 20
# What is done in less than that is not worth a comparison
FLOOR_S = 0.05
MAX_TIMES = 2.6
MAX_S_PER_RECORD = 0.05
TRIES = 4


def cpu_s(job: Callable[[], object]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


def assert_linear(job: Callable[[int], object], size: int) -> None:
    """Check that a job of twice the size costs about twice as much, at the best of a few tries."""
    for _ in range(TRIES):
        small_s, large_s = cpu_s(lambda: job(size)), cpu_s(lambda: job(2 * size))
        if large_s < FLOOR_S or large_s <= MAX_TIMES * small_s:
            return
    pytest.fail(f"{size} took {small_s:.3f} s, twice as much {large_s:.3f} s")


# What regular expressions with a weakness stumble over: runs of what they repeat, and beginnings
# without an end.
RUNS = [
    " ", "\t", "0", "f", "a", ".", "$", "_", ":", "[", "<", "(", "[<", "[<c0", "[<c010b860>",
    "[<c010b860>]", "[<c010b860>] ", "[<c010b860>] a", "[<c010b860>] a.b+", "[<c010b860>] (a",
    "[<c010b860>] a+0x1/", "[c010b860] ", "0x", "0xc010b860", "0xc010b860 ", "? ", "<IRQ> ",
    "<<EOE>> ", "lr : ", "lr : 0xc010b860", "pc : ", " at ", " at a:1", "a:1 at ", "}, at: ",
    "}, at: [<", " from ", " from 0x", "a from 0x", " epc == ", ", ra == ", "era == ", "> ",
    "[ 1.000000]", "[T1]", " [T1]", "1.", "** 1 printk messages dropped ** ",
    "Jan  1 00:00:00 a kernel: ", "a :b :", "<4>", " <- ", "\\", "\\x", ";", ",", "=", "\n", "\r",
    "é", "\x00", "\udc80",
]  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_megabyte_line_is_scanned_in_linear_time(run: str) -> None:
    assert_linear(
        lambda size: find(run * (size // len(run)) + " 0x [< lr : "),
        MB // 2 if run != "\n" else MB // 8,
    )
    assert_linear(lambda size: find("WARNING: [<c010b860>] 0x" + run * (size // len(run))), MB // 4)


def _find_stretched(head: str, middle: str, tail: str, size: int) -> None:
    find(head + middle * (size // len(middle)) + tail)


def _read_stretched(job: Callable[[str], object], head: str, run: str, size: int) -> None:
    job(head + run * (size // len(run)))


@pytest.mark.parametrize("line", ALL_LINES)
def test_near_miss_of_form_takes_linear_time(line: str) -> None:
    random = Random(line)
    for _ in range(2):
        at = random.randrange(1, len(line))
        middle = line[max(0, at - random.randrange(1, 8)) : at]
        assert_linear(
            partial(_find_stretched, line[:at], middle, line[at:]),
            MB // 8,
        )
        assert_linear(partial(_find_stretched, "", line[:at] + " ", ""), MB // 8)


@pytest.mark.parametrize(
    "run",
    [
        *RUNS,
        "(a",
        "a/",
        "[<c010b860>] (a) from ",
        "BUG: a",
        "Oops: a",
        "Code: 00 ",
        "x : 00000000 ",
    ],
)
def test_record_is_judged_in_linear_time(run: str) -> None:
    """Up to the length limit, a whole record has a bounded cost per character."""
    for head in (
        "",
        "BUG: ",
        "WARNING: at ",
        "INFO: task ",
        "Modules linked in:",
        "[<c010b860>] ",
        " #0: (",
    ):
        text = (head + run * MAX_CHARS)[:MAX_CHARS]

        def judge(text: str = text) -> None:
            kernel_lines(text)
            match_address_line(text)
            find_signature(text)

        assert min(cpu_s(judge) for _ in range(TRIES)) < MAX_S_PER_RECORD, head


@pytest.mark.parametrize("run", [run for run in RUNS if run != "\n"])
def test_long_line_of_any_format_takes_linear_time(run: str) -> None:
    for job in (
        parse_klogd,
        read_line,
        PrefixReader(grammar=grammar_of(DMESG)).read,
        PrefixReader(grammar=grammar_of(SYSLOG)).read,
        lambda text: parse_trace([text]),
    ):
        for head in ("<4>[    1.000000] ", "kern  ", "Nov 19 12:34:38 "):
            assert_linear(partial(_read_stretched, job, head, run), MB // 8)
    raw = run.encode("utf-8", "surrogateescape")
    assert_linear(
        lambda size: kmsg_format.parse(b"4,1,1,-;" + raw * (size // len(raw)) + b"\n A=b\n"),
        MB // 4,
    )
    assert_linear(
        lambda size: kmsg_format.parse_all([b"4,1,1," + raw * (size // len(raw)) + b";\n"]), MB // 4
    )


@pytest.mark.parametrize("before", sorted({prefix.before for prefix in PREFIXES}))
def test_repeated_prefix_takes_linear_time(before: str) -> None:
    def job(size: int) -> None:
        read_line(before * (size // max(1, len(before))) + "x")

    assert_linear(job, MB // 32)


@pytest.mark.parametrize("before", ["", "Nov 25 10:41:07 web kernel: "])
def test_long_file_with_a_prefix_takes_linear_time(before: str, tmp_path: Path) -> None:
    """Of 40,000 lines, some of which name an address."""
    lines = [f"{before}eth0: link up\n", f"{before} 0xffffffff81123456\n"]

    def job(count: int) -> None:
        path = tmp_path / "log"
        path.write_text("".join(lines[number % 7 == 0] for number in range(count)))
        capture = open_capture(str(path), "auto")
        found = 0
        while not capture.exhausted:
            found += len(capture.read_batch())
        capture.close()
        assert found == count

    assert_linear(job, 20_000)


OOPS_LINES = [
    "Oops: 0000 [#1] SMP",
    *ALL_LINES,
    "RAX: ffffffff926b7cde RBX: ffffffff926b7cde",
    "Code: 0f 0b <0f> 0b",
]


def oops(count: int) -> list[str]:
    return [
        OOPS_LINES[number % len(OOPS_LINES)] if number else OOPS_LINES[0] for number in range(count)
    ]


def held(texts: list[str], batch: int) -> int:
    """How many records come out of a trace buffer, given in batches."""
    trace_buffer = TraceBuffer()
    records = [Record(text, 4, caller="T1") for text in texts]
    out = 0
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        out += len(trace_buffer.push(part, range(len(part)), 0.0, may_hold=True).ready)
    return out + len(trace_buffer.flush().ready)


def test_long_oops_is_held_in_linear_time() -> None:
    texts = oops(40_000)

    def job(count: int) -> None:
        assert held(texts[:count], 16) == count

    assert_linear(job, 20_000)


def test_long_oops_is_parsed_in_linear_time() -> None:
    texts = oops(40_000)
    assert_linear(lambda count: parse_trace(texts[:count]), 20_000)


def test_long_oops_is_symbolized_in_linear_time() -> None:
    raw = "\n".join(oops(40_000)).encode()
    assert_linear(
        lambda size: symbolize_piece(raw[:size], everywhere, FormatOptions()), len(raw) // 2
    )


def test_many_callers_are_held_in_linear_time() -> None:
    def job(count: int) -> None:
        trace_buffer = TraceBuffer()
        for number in range(count):
            trace_buffer.push(
                [Record(f"BUG: {number}", 4, usec=7, caller=f"T{number}")],
                [0],
                0.0,
                may_hold=True,
            )

    assert_linear(job, 5_000)


def split_by(splitter: str, content: bytes) -> int:
    """How many pieces whatever cuts text makes of some bytes that come in the portions of a
    pipe."""
    readable, writable = os.pipe()
    portions = [content[start : start + (1 << 16)] for start in range(0, len(content), 1 << 16)]

    def feed() -> None:
        with open(writable, "wb", buffering=0) as pipe:
            for portion in portions:
                pipe.write(portion)

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        if splitter == "translate":
            return len(
                [
                    symbolize_piece(piece, everywhere, FormatOptions())
                    for piece in read_pieces(InputFile(readable, "pipe"))
                ]
            )
        if splitter == "/proc/kmsg":
            source: ProcKmsg | Capture = ProcKmsg(readable)
        else:
            source = Capture(InputFile(readable, "pipe"), splitter)
        count = 0
        while not source.exhausted:
            count += len(source.read_batch())
        return count + len(source.drain_pending())
    finally:
        feeding.join()
        os.close(readable)


@pytest.mark.parametrize(
    "run", ["a", " ", " a=b\n", "\n", "6,1,1,-;", "\x00", "<4>", "[    1.000000] "]
)
@pytest.mark.parametrize(
    "splitter", ["kmsg", "dmesg", "klogd", "syslog", "auto", "/proc/kmsg", "translate"]
)
def test_splitting_into_lines_takes_linear_time(splitter: str, run: str) -> None:
    assert_linear(
        lambda size: split_by(splitter, b"6,1,1,-;" + run.encode() * (size // len(run))),
        # So that there are 200,000 lines at most
        2 * MB if "\n" not in run else MB // 10 * len(run),
    )


@pytest.mark.parametrize(
    "stamps",
    [
        lambda at: 1_000_000 - 2 * at,
        lambda at: 2 * at + (at % 2) * 500_000,
        lambda at: 2 * at * (-1) ** at + 500_000,
    ],
    ids=["falling", "interleaved", "alternating"],
)
@pytest.mark.parametrize("text", ["text", " 0xffffffff81000010"])
def test_stamps_that_run_back_cost_linear_time(
    tmp_path: Path, stamps: Callable[[int], int], text: str
) -> None:
    map_file = tmp_path / "System.map"
    map_file.write_bytes(kernel(Random(1)).map)
    symbols = symbol_set_of(map_file)

    def run(count: int) -> None:
        lines = (f"[{stamps(at):6}.000000] {text}\n".encode() for at in range(count))
        pieces = [b"".join(lines)]
        infer_boots(pieces, symbols)

    assert_linear(run, 1000)
