# SPDX-License-Identifier: GPL-2.0-or-later
"""What a record proves: by its author, its boundaries and the form of its lines."""

from pathlib import Path
from random import Random

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import find
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.record.types import Record
from klogd_py.symbols.kaslr.inference import SlideSource
from tests.symbolizer import Symbolizer, symbol_set_of
from tests.symbols.oopses import ALIGN, BASE, Kernel, kernel, oops

FRAME = " [<ffffffff81123456>] ? 0xffffffff81123456"
SEGFAULT = (
    "x[81]: segfault at 0 ip 0000000000401136 sp 00007ffd2a4d9b20 error 6 in {}[1136,401000+1000]"
)


def of_kernel(text: str, flags: str = "-", prefix: int | None = 4) -> Record:
    return Record(text, prefix, seq=1, usec=1, flags=flags)


def why(record: Record, origin: Origin = Origin.RECORDS) -> Withheld | None:
    matches = find(record.text)
    assert matches, "nothing to be named here"
    return provenance.withheld_reason(record, matches, origin)


TRUSTED = [
    FRAME,
    " 0xffffffff81123456",
    "RIP: 0010:0xffffffff81123456",
    "RIP: e030:0xffffffff81123456",
    "EIP:    0060:[<c01402c0>]    Not tainted VLI",
    "Call Trace: [<c0138334>] [<c0138798>]",
    "pc : [<c010b860>]    lr : [<c0120010>]    psr: 60000013",
    "WARNING: mm/memblock.c:904 at 0xffffffff81123456, CPU#0: swapper/0/0",
    " #0:  (&lock->wait_lock){+.+.}-{3:3}, at: 0xffffffff81123456",
    "Workqueue: events 0xffffffff81123456",
    "--- interrupt: 300 at 0xc000000000012abc\n    LR = 0xc000000000012abc",
    "pc : [<c010b860>]    lr : [<c0120010>]    psr: 60000013\n"
    "sp : c0125f40  ip : c0125f60  fp : c0125f5c",
    "CPU:    0\nEIP:    0010:[<c01402c0>]    Not tainted\nEFLAGS: 00010202",
    " [<a000000100013b20>] 0xa000000100013b20\n       sp=e000000001347b20 bsp=e000000001341030",
]


@pytest.mark.parametrize("text", TRUSTED)
def test_address_in_kernels_own_line_is_trusted(text: str) -> None:
    assert why(of_kernel(text)) is None


DOUBTED = [
    SEGFAULT.format("guess_[<ffffffff81123456>]"),
    SEGFAULT.format("a\nCall Trace:\n [<ffffffff81123456>] 0xffffffff81123456\n"),
    "usb 1-1: Product: [<ffffffff81123456>]",
    "cpufreq: [<ffffffff81123456>] said 0xffffffff81123456",
    "irq 9: handler [<ffffffff81123456>] failed",
    # the address is the kernel's, but anybody's process can be the one that is named behind it
    "[<c0123456>] PID 81 [x]",
    "RIP: 0010:0xffffffff81123456 or so",
    "WARNING: mm/memblock.c:904 at 0xffffffff81123456, CPU#0: [<ffffffff8>]/0\nx",
    # registers of a process, which can hold any number
    "RIP: 000f:0xffffffff81123456",
    "pc : [<c010b860>]    lr : [<c0120010>]    psr: 60000010",
]


@pytest.mark.parametrize("text", DOUBTED)
def test_address_in_any_other_line_is_doubted(text: str) -> None:
    assert why(of_kernel(text)) is Withheld.FORM
    assert not provenance.is_trace_start(of_kernel(text), Origin.RECORDS)


def test_bare_registers_of_a_process_are_no_evidence() -> None:
    """arm64 prints the kernel's own registers with ``%pS``: with 0x in front without a symbol."""
    for text in (
        "pc : ffff800010a12344",
        "lr : ffff800010a12344",
        "pc : 0000aaaad4b01136\nlr : ffff800010a12344",
    ):
        assert provenance.evidence_lines(of_kernel(text), Origin.RECORDS) == []


def test_address_in_name_of_process_is_doubted() -> None:
    text = "WARNING: mm/memblock.c:904 at memblock_alloc+0x1/0x2, CPU#0: [<c0123456>]/12"
    assert why(of_kernel(text)) is Withheld.FORM


@pytest.mark.parametrize("prefix", [1 << 3 | 4, 5 << 3 | 4, None])
def test_only_facility_kern_is_trusted(prefix: int | None) -> None:
    assert why(of_kernel(FRAME, prefix=prefix)) is Withheld.PROCESS
    assert not provenance.evidence_lines(of_kernel(FRAME, prefix=prefix), Origin.RECORDS)


def test_unknown_facility_is_trusted_in_captures_only() -> None:
    record = Record(FRAME)
    assert why(record, Origin.CAPTURE) is None
    assert why(record, Origin.RECORDS) is Withheld.PROCESS


@pytest.mark.parametrize("flags", ["c", "+"])
def test_piece_of_a_line_is_no_evidence(flags: str) -> None:
    assert why(of_kernel(FRAME, flags)) is Withheld.PIECE
    assert not provenance.evidence_lines(of_kernel(FRAME, flags), Origin.RECORDS)


def test_interface_without_records_proves_nothing() -> None:
    assert why(Record(FRAME, 4, usec=1), Origin.LINES) is Withheld.BORDERS
    assert not provenance.is_trace_start(Record("Call Trace:", 4), Origin.LINES)


def test_live_records_treat_timestamps_as_text() -> None:
    stamped = f"[    1.000000][    T1]{FRAME}"
    assert why(read_line(stamped), Origin.CAPTURE) is None
    assert why(of_kernel(stamped)) is Withheld.FORM


def test_code_bytes_of_a_process_are_no_evidence() -> None:
    code = "Code: 00 00 00 <c7> 04 25"
    assert provenance.evidence_lines(of_kernel(code, prefix=4), Origin.RECORDS)
    assert not provenance.evidence_lines(of_kernel(code, prefix=6), Origin.RECORDS)


HEADERS = [
    "BUG: kernel NULL pointer dereference, address: 0000000000000000",
    "BUG: KASAN: slab-use-after-free in nic_read+0x1/0x2",
    "WARNING: CPU: 0 PID: 37 at drivers/x.c:235 nic_read+0x1/0x2 [nic]",
    "Oops: 0002 [#1] SMP",
    "Oops[#1]:",
    "Internal error: Oops: 96000045 [#1] PREEMPT SMP",
    "kernel BUG at mm/slub.c:306!",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:81]",
    "INFO: task kworker/u8:1:81 blocked for more than 120 seconds.",
    "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "UBSAN: array-index-out-of-bounds in drivers/x.c:12:3",
    "Kernel panic - not syncing: Fatal exception",
    "systemd(1): Oops [#1]",
    "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 "
    "[#1] SMP",
]
NO_HEADERS = [
    "Oops: 0000 [#1][81]: segfault at 0 ip 0000000000401136 sp 00007ffd2a4d9b20 error 6",
    "BUG: KASAN: x[81]: segfault at 0",
    "Kernel panic - n (81): drop_caches: 3",
    "Kernel panic - not syncing: a file: x: potentially unexpected fatal signal 11.",
    "BUG: unable to handle page fault for address: 0 IN=eth0 OUT= MAC=",
    "usb 1-1: Product: Oops: 0000 [#1] SMP",
    "INFO: task x:81 blocked for more than 120 seconds.\nCall Trace:\nINFO",
]


@pytest.mark.parametrize("text", HEADERS)
def test_header_of_a_crash_begins_a_trace(text: str) -> None:
    assert provenance.is_trace_start(of_kernel(text), Origin.RECORDS)


@pytest.mark.parametrize("text", NO_HEADERS)
def test_words_of_a_header_begin_no_trace(text: str) -> None:
    assert not provenance.is_trace_start(of_kernel(text), Origin.RECORDS)


@pytest.fixture
def running(tmp_path: Path) -> Kernel:
    found = kernel(Random(7), slide=5 * ALIGN)
    (tmp_path / "System.map").write_bytes(found.map)
    return found


def records(lines: list[str], usec: int = 1) -> list[Record]:
    return [Record(line, 4, seq=at, usec=usec + at) for at, line in enumerate(lines)]


def test_one_line_cannot_revoke_a_proved_slide(tmp_path: Path, running: Kernel) -> None:
    symbolizer = Symbolizer(symbol_set_of(tmp_path / "System.map"))
    symbolizer.process(records(oops(running, Random(3))))
    assert symbolizer.symbols.slide is not None
    assert (symbolizer.symbols.slide.value, symbolizer.symbols.slide.source) == (
        running.slide,
        SlideSource.OOPS,
    )
    symbolizer.process(records([f"Kernel Offset: {ALIGN:#x} from {BASE:#x}"]))
    assert symbolizer.symbols.slide.value == running.slide
    other = oops(Kernel(running.functions, 90 * ALIGN), Random(3))
    symbolizer.process(
        records([*other[:-1], f"Kernel Offset: {90 * ALIGN:#x} from {BASE:#x}", other[-1]])
    )
    assert symbolizer.symbols.slide is None, "a whole trace elsewhere is a reason to doubt"


def test_line_without_timestamp_is_no_evidence(tmp_path: Path, running: Kernel) -> None:
    """A capture by dmesg prints what follows a line feed in a record as a line without a stamp."""
    lines = oops(running, Random(3))
    stamped = [read_line(f"[    1.{at:06}] {line}") for at, line in enumerate(lines)]
    bare = [Record(line) for line in lines[1:]]
    for received, is_known in (
        ([stamped[0], *bare], False),
        (stamped, True),
        ([Record(lines[0]), *bare], True),
    ):
        symbolizer = Symbolizer(symbol_set_of(tmp_path / "System.map"), Origin.CAPTURE)
        symbolizer.process(received)
        assert (symbolizer.symbols.slide is not None) is is_known


@pytest.mark.parametrize("name", ["[<40000001>]", "[<c0155f90>]"])
@pytest.mark.parametrize(
    "text",
    [
        "CPU: 0 UID: 1000 PID: 41 Comm: {} Not tainted 6.12.1 #1",
        "BUG: Bad page state in process {}  pfn:12345",
        "BUG: scheduling while atomic: {}/41/0x00000002",
        "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [{}:41]",
        "WARNING: mm/memblock.c:904 at memblock_alloc+0x1/0x2, CPU#0: {}/12",
        "{}(41): Oops 1",
    ],
)
def test_process_name_is_cut_out_of_evidence(text: str, name: str) -> None:
    """On machines of 32 bits a process name can hold a whole address."""
    lines = provenance.evidence_lines(of_kernel(text.format(name)), Origin.RECORDS)
    assert lines == provenance.evidence_lines(of_kernel(text.format("")), Origin.RECORDS) != []
    assert not find(lines[0])


@pytest.mark.parametrize("text", ["Hardware name: (1): Oops 1", "[U] (1): Oops 1"])
def test_other_message_of_fifteen_bytes_is_no_oops(text: str) -> None:
    assert not provenance.is_oops_header(of_kernel(text), Origin.RECORDS)


def test_few_frames_revoke_no_proved_slide(tmp_path: Path, running: Kernel) -> None:
    symbolizer = Symbolizer(symbol_set_of(tmp_path / "System.map"))
    symbolizer.process(records(oops(running, Random(3))))
    symbolizer.process(records(["Call Trace:", f" {BASE + running.slide + 0x7FFFFFF:#x}"]))
    assert symbolizer.symbols.slide is not None
