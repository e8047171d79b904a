# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages outside of traces in which the kernel names functions, with and without kallsyms."""

import re

import pytest

from klogd_py.oops import provenance
from klogd_py.oops.address_scanner import find
from klogd_py.oops.print_sites import PRINT_SITES, PrintSite, find_pointers, is_print_site
from klogd_py.oops.provenance import Origin, Withheld
from klogd_py.oops.trace_parser import parse_trace
from klogd_py.pipeline.symbolize import FormatOptions, symbolize_text
from klogd_py.record.types import LookupFailure, Record, SymbolAddress
from tests.printk_forms import FORMS as USER_FORMS

FUNCTION, OTHER, DATA = 0xFFFFFFFF81000100, 0xFFFFFFFF81000140, 0xFFFFFFFF82000000
# A pointer to a function, and a return address in it
F, R, G = f"{FUNCTION:#x}", f"{FUNCTION + 0x10:#x}", f"{OTHER:#x}"


def resolve(address: int) -> SymbolAddress | LookupFailure:
    for name, start, kind in (("probe", FUNCTION, "t"), ("poll", OTHER, "t"), ("ops", DATA, "d")):
        if start <= address < start + 0x40:
            return SymbolAddress(name, address - start, 0x40, "", kind, "test")
    return LookupFailure.OUTSIDE


def named(line: str) -> str:
    return symbolize_text(line, resolve, FormatOptions()).text


# The line of a kernel without symbols; what stands in the place of its numbers.
P, PR, Q = "probe+0x0/0x40", "probe+0x10/0x40", "poll+0x0/0x40"
LINES = [
    # kernel/workqueue.c, 6.12 and 6.1
    (f"workqueue: {F} hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND", [P]),
    (f"workqueue: WQ_MEM_RECLAIM a:{F} is flushing !WQ_MEM_RECLAIM events:{G}", [P, Q]),
    (f"    in-flight: 12:{F}, 345(RESCUER):{G} BAR(12)", [P, Q]),
    (f"    pending: 2*{F}, {G}, BAR(77)", [P, Q]),
    (f"    in-flight: bh-hipri:{F}", [P]),
    (f"    delayed: {F}, {G}", [P, Q]),
    (f"     last function: {F}", [P]),
    # kernel/smp.c
    (
        "csd: Detected non-responsive CSD lock (#1) on CPU#3, waiting 5000000000 ns for CPU#00 "
        f"{F}(0x0).",
        [P],
    ),
    (f"smp: \tcsd: CSD lock (#1) handling prior {F}(0xffff88810a000000) request.", [P]),
    # kernel/time/timer_list.c, by sysrq
    (f"  .get_time:   {F}", [P]),
    (f" event_handler:  {F}", [P]),
    (f" #0: <00000000a9876543>, {F}, S:01", [P]),
    (f"timer: {F} preempt leak: 00000100 -> 00000101", [P]),
    # kernel/irq, kernel/softirq.c, kernel/notifier.c, kernel/rcu/tree.c
    (f"irq 19 handler {F} enabled interrupts", [P]),
    (f"genirq: Setting trigger mode 3 for irq 19 failed ({F})", [P]),
    (f"->handle_irq():  00000000a9876543, {F}", [P]),
    (f"tasklet SCHED state not set: callback {F}", [P]),
    (f"notifier callback {F} already registered", [P]),
    (f"rcu: call_rcu(): Double-freed CB 00000000a9876543->{F}()!!!  slab kmalloc-64", [P]),
    # init/main.c, kernel/async.c, drivers/base: devices behind their drivers
    (f"calling  7_{F} @ 12", [P]),
    (f"initcall 7_{F} returned after 12 usecs", [P]),
    (f"initcall {F} returned with disabled interrupts ", [P]),
    (f"e1000e 0000:00:19.0: PM: calling {F} @ 12, parent: pci0000:00", [P]),
    (f"e1000e 0000:00:19.0: PM: {F} returned 0 after 62 usecs", [P]),
    (f"usb usb3: PM: dpm_run_callback(): {F} returns -5", [P]),
    (f"dpm_run_callback(): {F} returns -5", [P]),
    (f"PM: Calling {F}", [P]),
    (f"dev_attr_show: {F} returned bad count", [P]),
    (f"fill_read_buffer: {F} returned bad count", [P]),
    (f"pci 0000:00:1f.0: calling  {F} @ 1", [P]),
    (f"pci 0000:00:1f.0: {F} took 11718 usecs", [P]),
    # lib/debugobjects.c, 6.1 and 6.12
    (
        "ODEBUG: free active (active state 0) object: 00000000a9876543 object type: timer_list "
        f"hint: {F}",
        [P],
    ),
    (f"ODEBUG: init destroyed (active state 0) object type: work_struct hint: {F}", [P]),
    # mm
    (f"memblock_reserve: [0x0000000001000000-0x00000000027fffff] {R}", [PR]),
    (
        "memblock_alloc_try_nid: 65536 bytes align=0x40 nid=-1 from=0x0000000000000000 "
        f"max_addr=0x0000000000000000 {R}",
        [PR],
    ),
    (f"Allocated in {R} age=14 cpu=1 pid=1333", [PR]),
    (f"file:libc.so.6 fault:{F} mmap:{G} read_folio:0x0", [P, Q]),
    (f"{F} callback failed with -11 in non-blockable context.", [P]),
    (
        f"Register r0 information: slab task_struct start c1234540 pointer offset 0 size 64 "
        f"allocated at {R}",
        [PR],
    ),
    # fs, net
    (f"XFS (sda1): Metadata corruption detected at {F}, xfs_agf block 0x1", [P]),
    (
        f"XFS (sda1): Internal error XFS_WANT_CORRUPTED_GOTO at line 1 of file fs/xfs/a.c.  "
        f"Caller {R}",
        [PR],
    ),
    (
        f"XFS (dm-0): Metadata I/O Error (0x1) detected at {R} (fs/xfs/xfs_trans_buf.c:296).  "
        "Shutting down filesystem.",
        [PR],
    ),
    (f'XFS (sda1): metadata I/O error in "{F}" at daddr 0x1 len 8 error 5', [P]),
    (f"UBIFS error (ubi0:0 pid 123): {R}: bad node at LEB 7", [PR]),
    (f"NAPI poll function {F} returned 65, exceeding its budget of 64.", [P]),
    (f"e1000e 0000:00:19.0 eth0: NAPI poll function {F} returned 65, exceeding its budget of 64.", [P]),  # noqa: E501
    # arch
    (f"INFO: NMI handler ({F}) took too long to run: 1.204 msecs", [P]),
    (f"x86/mm: Found insecure W+X mapping at address {F}", [P]),
    (f"x86/mm: Found insecure W+X mapping at address 00000000a9876543/{F}", [P]),
    (f"WARNING: can't access registers at {R}", [PR]),
    (f"jump_label: Fatal kernel bug, unexpected op at {F} [00000000a9876543] (0f 1f 44 00 00) 35", [P]),  # noqa: E501
    (f"Root IRQ handler: {F}", [P]),
    (f"TPC<{F}>", [P]),
    (f"             TPC[{F}] O7[{G}] I7[0x0] RPC[0x0]", [P, Q]),
    (f"Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: {R}", [PR]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "names"), LINES)
def test_number_of_each_message_is_named(line: str, names: list[str]) -> None:
    expected = line
    for number, name in {F: P, G: Q, R: PR}.items():
        expected = expected.replace(number, name)
    assert named(line) == expected
    assert [match.in_trace for match in find(line)] == [False] * len(names)
    record = Record(line, 4, seq=1)
    assert provenance.withheld_reason(record, find(line), Origin.RECORDS) is None
    assert named(expected) == expected, "the kernel has named it itself"


# Why a number beside such a message stays.
STAYING = [
    # Structures, though the kernel prints their names with %ps
    "aops:0xffffffff81000100 ino:c",
    "rtc rtc0: bound 0000:00:02.0 (ops 0xffffffff81000100)",
    " lock: 0xffffffff81000100, .magic: dead4ead, .owner: <none>/-1, .owner_cpu: -1",
    "->irq_data.chip(): 00000000a9876543, 0xffffffff81000100",
    # Hashes by %p
    "workqueue: 00000000a9876543 hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
    "cpu_stop: probe+0x0/0x40(0xffffffff81000100) leaked preempt count",
    # More or less than the message
    "workqueue: 0xffffffff81000100 hogged CPU",
    "PM: Calling 0xffffffff81000100 now",
    "x workqueue: 0xffffffff81000100 hogged CPU for >1us 4 times, consider switching to WQ_UNBOUND",
    "input: PM: 0xffffffff81000100 returned 0 after 62 usecs",
    "irq 19 handler 0xffffffff81000100 disabled interrupts",
    # What other numbers with 0x are
    "pci 0000:00:1f.0: reg 0x10: [mem 0xffffffff81000100-0xffffffff810001ff]",
    "BIOS-e820: [mem 0xffffffff81000100-0xffffffff810001ff] usable",
]


@pytest.mark.parametrize("line", STAYING)
def test_number_of_other_message_stays(line: str) -> None:
    assert named(line) == line


def test_data_in_place_of_function_stays() -> None:
    line = f"notifier callback {DATA:#x} already registered"
    assert len(find(line)) == 1
    assert named(line) == line


_FILLING = {
    "%p": "00000000a9876543",
    "%d": "12",
    "%x": "c0ffee",
    "%s": "sda",
    "%*ph": "0f 1f 44",
    "%F": "some text",
    "%W": "array index out of bounds",
    "%L": " 12:{code}, {code}",
    "%D": "e1000e 0000:00:19.0: ",
    "%pS": "{code}",
    "%ps": "{code}",
    "%pB": "{code}",
}


def sample(site: PrintSite, code: str) -> str:
    filled = re.sub(r"%\*ph|%p[SsB]|%[pdxsWFLD]", lambda found: _FILLING[found[0]], site.format)
    return filled.replace("{code}", code)


@pytest.mark.parametrize("site", PRINT_SITES, ids=lambda site: site.format[:50])
def test_each_format_is_named_and_trusted(site: PrintSite) -> None:
    for code, module in ((F, ""), (f"{F} [nic@ffffffff81000000+0x1000]", "nic")):
        line = sample(site, code)
        pointers = find_pointers(line)
        assert [line[found.start : found.end] for found in pointers] == [code] * (
            2 if site.is_list else len(site.returns)
        )
        assert {(found.address, found.module) for found in pointers} == {(FUNCTION, module)}
        matches = find(line)
        assert len(matches) == len(pointers)
        record = Record(line, 4, seq=1)
        assert provenance.withheld_reason(record, matches, Origin.RECORDS) is None


@pytest.mark.parametrize("site", PRINT_SITES, ids=lambda site: site.format[:50])
@pytest.mark.parametrize("code", ["vfs_read+0x1d/0x40", "nic_poll+0x0/0x10 [nic]", "vfs_read"])
def test_each_format_with_names_stays_untouched(site: PrintSite, code: str) -> None:
    line = sample(site, code)
    assert named(line) == line
    assert find(line) == ()


def test_each_format_begins_with_known_characters() -> None:
    """Else the table would never be asked for it."""
    bodies = [site.format.removeprefix("%D") for site in PRINT_SITES]
    assert [body for body in bodies if re.match(r"%(?!p[Ss])|.%(?!d)|..%", body)] == []


def test_message_is_no_evidence_of_crash() -> None:
    line = LINES[0][0]
    assert is_print_site(line)
    assert provenance.evidence_lines(Record(line, 4, seq=1), Origin.RECORDS) == []
    assert parse_trace([line, f" {R}"]).frames == parse_trace([f" {R}"]).frames


def test_user_string_cannot_make_a_message() -> None:
    """Each message that holds a user's string, with each format as that string."""
    texts = [form.text(sample(site, F)) for form in USER_FORMS for site in PRINT_SITES]
    given = [(text, matches) for text in texts if (matches := find(text))]
    reasons = {
        provenance.withheld_reason(Record(text, 4, seq=1), matches, Origin.RECORDS)
        for text, matches in given
    }
    assert reasons == {Withheld.FORM}


_SHORTEST = {"%d": "1", "%x": "1", "%s": "a", "%p": "12345678", "%D": "a 1: "}


@pytest.mark.parametrize(
    "site", [site for site in PRINT_SITES if "%F" in site.format], ids=lambda site: site.format[:50]
)
def test_process_name_cannot_begin_free_message(site: PrintSite) -> None:
    """A process chooses 15 bytes at the beginning; where a row ends in any text, it needs more."""
    before = site.format.partition("%F")[0]
    shortest = re.sub(
        r"%p[SsB]|%[pdxsWD]", lambda found: _SHORTEST.get(found[0], "0x12345678"), before
    )
    assert len(shortest) > 15
    if site.format.endswith("%F"):
        assert find_pointers(sample(site, "0x12345")) == []
