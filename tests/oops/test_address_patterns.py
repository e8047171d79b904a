# SPDX-License-Identifier: GPL-2.0-or-later
"""Each form of an address, as a kernel prints it, and as something similar."""

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops import provenance
from klogd_py.oops.address_patterns import ADDRESS_MARKERS, ANYWHERE, FORMS, Form, Kind
from klogd_py.oops.address_scanner import find
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.symbolize import FormatOptions, symbolize_text
from klogd_py.record.types import Record
from tests.symbolizer import everywhere

# A line as kernels print it, by architecture; the word whose place a name takes (or, behind a |,
# the number that stays); kind.
LINES = [
    # x86
    (" 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (" ? 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (" <IRQ>  0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (" <<EOE>> <IRQ>  ? 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (" <EOI> [  420.505397]  0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    ("Call Trace: 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    ("[<(____ptrval____)>] 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    # Kmemleak, and a handler of an interrupt
    ("    [<0000000015c44a38>] 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    ("[<0000000015c44a38>] 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.PC),
    # The unwinder's dump of the stack
    (
        "ffff880019a05d50: ffffffff8100ce27 (0xffffffff8100ce27)",
        "0xffffffff8100ce27",
        Kind.RETURN,
    ),
    ("(ptrval): ffffffff815c6eb0 (0xffffffff815c6eb0)", "0xffffffff815c6eb0", Kind.RETURN),
    ("RIP: 0010:0xffffffff926b7cde", "0xffffffff926b7cde", Kind.PC),
    ("RIP: 0xffffffff926b7cde RSP: ffffb2a5c0a5fd38", "0xffffffff926b7cde", Kind.PC),
    ("RIP  [<ffffffff926b7cde>] 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.PC),
    ("EIP: 0060:0xc010b860", "0xc010b860", Kind.PC),
    ("EIP: 0xc010b860 SS:ESP: 0068:8c4c9b64", "0xc010b860", Kind.PC),
    ("EIP is at 0xc010b860", "0xc010b860", Kind.PC),
    ("IP: 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.PC),
    (
        "unchecked MSR access error: WRMSR to 0x3f1 (tried to write 0x0000000000000000) "
        "at rIP: 0xffffffff926b7cde "
        "(0xffffffff926b7cde)",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    # What several architectures say alike
    (
        "WARNING: CPU: 0 PID: 37 at drivers/x.c:235 0xffffffff926b7cde [nic]()",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    (
        "WARNING: mm/memblock.c:904 at 0xffffffff926b7cde, CPU#0: swapper/0/0",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    ("WARNING: at 0xffffffff926b7cde, CPU#0: x/1", "0xffffffff926b7cde", Kind.PC),
    ("BUG: KASAN: slab-use-after-free in 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (
        "BUG: KASAN: use-after-free in 0xffffffff926b7cde at addr ffff88000a35a5d8",
        "0xffffffff926b7cde",
        Kind.RETURN,
    ),
    ("BUG: KMSAN: uninit-value in 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    ("BUG: KFENCE: memory corruption in 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (
        "Kernel BUG at 0xffffffff926b7cde [verbose debug info unavailable]",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    (
        "kernel BUG at 0xffffffff926b7cde [verbose debug info unavailable]",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    ("INFO: Freed in 0xffffffff926b7cde age=14 cpu=1 pid=1333", "0xffffffff926b7cde", Kind.RETURN),
    (
        "Last user: [<ffffffff926b7cde>](0xffffffff926b7cde)",
        "0xffffffff926b7cde",
        Kind.RETURN,
    ),
    ("caller is 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (
        "random: get_random_bytes called from 0xffffffff926b7cde with crng_init=0",
        "0xffffffff926b7cde",
        Kind.RETURN,
    ),
    (
        "NMI backtrace for cpu 0 skipped: idling at 0xffffffff926b7cde",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    (
        "CFI failure at 0xffffffff926b7cde (target: nic_open+0x0/0x8; expected type: 0x1)",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    ("calling  0xffffffff926b7cde @ 1", "0xffffffff926b7cde", Kind.PC),
    ("initcall 0xffffffff926b7cde returned 0 after 12 usecs", "0xffffffff926b7cde", Kind.PC),
    ("Workqueue: events_unbound 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.PC),
    (
        "Stopper: 0xffffffff926b7cde <- stop_machine_cpuslocked+0x10/0x20",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    ("Stopper: multi_cpu_stop+0x0/0x180 <- 0xffffffff926b7cde", "0xffffffff926b7cde", Kind.RETURN),
    (
        " #0: ffff88801c6f (&p->lock){+.+.}-{3:3}, at: 0xffffffff926b7cde",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    (
        " #0:  (&p->lock){+.+.}, at: [<ffffffff926b7cde>] 0xffffffff926b7cde",
        "0xffffffff926b7cde",
        Kind.PC,
    ),
    ("hardirqs last  enabled at (303): [<cd68b5a5>] 0xcd68b5a5", "0xcd68b5a5", Kind.RETURN),
    (
        "BUG: KCSAN: data-race in nic_poll [nic] / 0xffffffff926b7cde",
        "0xffffffff926b7cde",
        Kind.RETURN,
    ),
    # arm, arm64, sh
    ("LP is at 0xc0123456", "0xc0123456", Kind.LINK),
    ("PC is at 0xc0123456", "0xc0123456", Kind.PC),
    ("LR is at 0xc0123457", "0xc0123457", Kind.LINK),
    ("PR is at 0x8c001234", "0x8c001234", Kind.LINK),
    (" 0xc0123456 from show_stack+0x10/0x14", "0xc0123456", Kind.RETURN),
    (" unwind_backtrace from 0xc0123456", "0xc0123456", Kind.RETURN),
    (" nic_open [nic] from 0xc0123456", "0xc0123456", Kind.RETURN),
    ("[<c0014318>] (fn) from [<c001457c>] (0xc001457c)", "0xc001457c", Kind.RETURN),
    ("pc : 0xffff800010a12344", "0xffff800010a12344", Kind.PC),
    ("lr : 0xffff800010a12344", "0xffff800010a12344", Kind.LINK),
    (" 0xffff800010a12344 (P)", "0xffff800010a12344", Kind.PC),
    (" 0xffff800010a12344 (CF)", "0xffff800010a12344", Kind.RETURN),
    # riscv
    ("epc : 0xffffffff801461e4", "0xffffffff801461e4", Kind.PC),
    (" ra : 0xffffffff801461e4", "0xffffffff801461e4", Kind.RETURN),
    ("[<ffffffff80007c10>] 0xffffffff80007c10", "0xffffffff80007c10", Kind.RETURN),
    # powerpc
    (
        "[c0000000fea3f9d0] [c000000000012abc] 0xc000000000012abc (unreliable)",
        "0xc000000000012abc",
        Kind.RETURN,
    ),
    ("[c0000000fea3f9d0] [c000000000012abc]", "|c000000000012abc", Kind.RETURN),
    ("[cfa59ce0] [c005e158] (unreliable)", "|c005e158", Kind.RETURN),
    (
        "[cfa59ce0] [c005e158] 0xc005e158 (sys_read+0x10/0x20) (unreliable)",
        "0xc005e158",
        Kind.RETURN,
    ),
    ("[C0A7BD80] [C00099E4] 0xc00099e4", "0xc00099e4", Kind.RETURN),
    ("[C0A7BD80] [C00099E4]", "|C00099E4", Kind.RETURN),
    ("NIP [C00099E4]", "|C00099E4", Kind.PC),
    ("NIP [c000000000012abc] 0xc000000000012abc", "0xc000000000012abc", Kind.PC),
    ("NIP [c0012abc]", "|c0012abc", Kind.PC),
    ("LR [c000000000012abc] 0xc000000000012abc", "0xc000000000012abc", Kind.RETURN),
    ("LR [c0012abc]", "|c0012abc", Kind.RETURN),
    ("--- interrupt: 300 at 0xc000000000012abc", "0xc000000000012abc", Kind.PC),
    ("---- interrupt: 300 at 0xc000000000012abc", "0xc000000000012abc", Kind.PC),
    ("--- Exception: 901 at 0xc000000000012abc", "0xc000000000012abc", Kind.PC),
    ("    LR = 0xc000000000012abc", "0xc000000000012abc", Kind.RETURN),
    ("Faulting instruction address: 0xc000000000012abc", "|c000000000012abc", Kind.PC),
    # s390
    ("Krnl PSW : 0704d00180000000 000003fee0011ea0 (0x3fee0011ea0)", "0x3fee0011ea0", Kind.PC),
    ("Krnl PSW : 0704d00180000000 000003fee0011ea0", "|000003fee0011ea0", Kind.PC),
    ("([<000000008fed2820>] 0x8fed2820)", "0x8fed2820", Kind.RETURN),
    # mips
    ("epc   : 8029a238 0x8029a238     Not tainted", "0x8029a238", Kind.PC),
    ("epc  : 88026e10    Not tainted", "|88026e10", Kind.PC),
    ("ra    : ffffffff8029d674 0xffffffff8029d674", "0xffffffff8029d674", Kind.LINK),
    ("ra    : ffffffff8029d674", "|ffffffff8029d674", Kind.LINK),
    # sparc
    ("TPC: <0x5a9e84>", "0x5a9e84", Kind.PC),
    ("PC: <0xf0156a34>", "0xf0156a34", Kind.PC),
    ("RPC: <0x5abc3c>", "0x5abc3c", Kind.PC),
    ("I7: <0x5abc3c>", "0x5abc3c", Kind.PC),
    ("Caller[0000000000509a4c]: 0x509a4c", "0x509a4c", Kind.PC),
    ("Caller[0000000000509a4c]", "|0000000000509a4c", Kind.PC),
    (" [00000000006409f4] 0x6409f4", "0x6409f4", Kind.PC),
    ("[f0156a34 : 0xf0156a34 ] ", "0xf0156a34", Kind.PC),
    # parisc, loongarch, alpha, ia64
    (" IAOQ[0]: 0x40296ef4", "0x40296ef4", Kind.PC),
    (" RP(r2): 0x40296ef4", "0x40296ef4", Kind.RETURN),
    ("era   : 90000000104e3f80 0x90000000104e3f80", "0x90000000104e3f80", Kind.PC),
    (
        "kvm [1]: nVHE hyp BUG at: [<ffff8000080a1234>] 0xffff80000a0a1234!",
        "0xffff80000a0a1234",
        Kind.PC,
    ),
    ("kvm [1]:  [<ffff8000080a1234>] 0xffff80000a0a1234", "0xffff80000a0a1234", Kind.RETURN),
    ("   ERA: 90000000104e3f80 0x90000000104e3f80", "0x90000000104e3f80", Kind.PC),
    ("    ra: 90000000104e3f80 0x90000000104e3f80", "0x90000000104e3f80", Kind.RETURN),
    ("pc is at 0xfffffc00012d39e8", "0xfffffc00012d39e8", Kind.PC),
    ("ra is at 0xfffffc00012d39e8", "0xfffffc00012d39e8", Kind.RETURN),
    ("ip is at 0xa000000100012340", "0xa000000100012340", Kind.PC),
]

# Two addresses in one line, which both stay or are both replaced.
PAIRS = [
    (
        "CPU 0 Unable to handle kernel paging request at virtual address 00000004, "
        "epc == 8029a238, ra == 8029d674",
        [("8029a238", Kind.PC), ("8029d674", Kind.LINK)],
    ),
    (
        "CPU 3 Unable to handle kernel paging request at virtual address 0000000000000004, "
        "era == 90000000104e3f80, "
        "ra == 90000000104e3f84",
        [("90000000104e3f80", Kind.PC), ("90000000104e3f84", Kind.LINK)],
    ),
    (
        "sepc: ffffffe000d3f1a2 ra : ffffffe000d3f19e sp : ffffffe07af2be50",
        [("ffffffe000d3f1a2", Kind.PC), ("ffffffe000d3f19e", Kind.RETURN)],
    ),
    (
        "epc: ffffffe000d3f1a2 ra : ffffffe000d3f19e sp : ffffffe07af2be50",
        [("ffffffe000d3f1a2", Kind.PC), ("ffffffe000d3f19e", Kind.RETURN)],
    ),
    (
        "NIP: C000E8F0 XER: 00000000 LR: C000E8D4 SP: C01B1E40 "
        "REGS: c01b1d90 TRAP: 0300    Not tainted",
        [("C000E8F0", Kind.PC), ("C000E8D4", Kind.RETURN)],
    ),
    (
        "Fatal bus interrupt, epc == 8029a238, ra == 8029d674",
        [("8029a238", Kind.PC), ("8029d674", Kind.LINK)],
    ),
]
REPLACED_PAIRS = [
    (
        "CFI failure at 0xffffffff926b7cde (target: 0xffffffff926b7ce0; expected type: 0x1)",
        [("0xffffffff926b7cde", Kind.PC), ("0xffffffff926b7ce0", Kind.PC)],
    ),
    (
        "BUG: KCSAN: data-race in 0xffffffff926b7cde / 0xffffffff926b7ce0",
        [("0xffffffff926b7cde", Kind.RETURN), ("0xffffffff926b7ce0", Kind.RETURN)],
    ),
]

# Near to a form, and yet not to be named.
BESIDE = [
    # Below all code: neither the token nor what stands in the brackets
    "[<0000000000000202>] 0x202",
    "[<00000000abcdef12>] (ptrval+0x10/0x20)",
    "[<0000000013155f90>] usb_hcd_irq",
    "RIP  [<ffffffff84352ab6>] __list_del include/linux/list.h:89 [inline]",
    "[<c0014318>] (fn) from [<c001457c>] (vfs_ioctl fs/ioctl.c:48 [inline])",
    # The unwinder's dump prints each word a second time
    "ffff880019a05d50: ffffffff8100ce27",
    "ffff880019a05d50: ffffffff8100ce27 ffffffff8100ce27",
    "x ffff880019a05d50: ffffffff8100ce27 (0xffffffff8100ce27)",
    "    [<0000000070ad19b0>] kmalloc include/linux/slab.h:557 [inline]",
    "WARNING: bad format 0xffffffff926b7cde, dropped",
    "WARNING: stack corrupted at 0xffffffff926b7cde in user space",
    "brcmfmac: pc: c000000000012abc",
    "pc: c0012abc",
    "lock: 0xffff888012345678, .magic: dead4ead, .owner: swapper/0/1, .owner_cpu: 1",
    "TSTATE: 0000009111001600 TPC: 00000000005a9e84 TNPC: 00000000005a9e88 "
    "Y: 00000000    Not tainted",
    "NIP:  c000000000012abc LR: c000000000012ab8 CTR: 0000000000000000",
    "epc : ffffffff801461e4 ra : ffffffff801462f0 sp : ff2000000060bd10",
    "IASQ: 0000000000000000 0000000000000000 IAOQ: 0000000040296ef4 0000000040296ef8",
    "pc : 0000aaaad6f41234",
    "sepc: 0000003fe5a1b2c4 ra : 0000003fe5a1b2c0 sp : 0000003fffd5e4a0",
    "Register r0 information: slab kmalloc-64 start 0xc1234540 pointer offset 0 size 64",
    "kobject: 'x' (00000000abcdef12): kobject_release, parent 0xffffffff926b7cde (delayed)",
    "PSW : 0x704c00180000000",
    "c01402c0",
    "C000E8D4 C0007F34 C0003EA8",
    "Stack: 0xc0123456 0xc0123457",
    "BTF: [1] 0xffffffff926b7cde",
    "resource sanity check: requesting [mem 0xffffffff926b7cde-0xffffffff926b7cdf]",
]


def word_of(line: str, start: int, end: int) -> str:
    """The text of a match; for an empty span, the number before it."""
    if end > start:
        return line[start:end]
    return "|" + line[:start].removesuffix("]").rpartition(" ")[2].rpartition("[")[2].removeprefix(
        "0x"
    )


@pytest.mark.parametrize(("line", "word", "kind"), LINES)
def test_each_form_is_found_with_its_kind(line: str, word: str, kind: Kind) -> None:
    (match,) = find(line)
    assert (word_of(line, match.start, match.end), match.kind) == (word, kind)
    assert match.address == int(word.strip("|"), 16)


@pytest.mark.parametrize(("line", "word"), [(line, word) for line, word, _ in LINES])
def test_each_form_with_name_stays_untouched(line: str, word: str) -> None:
    """What a kernel with kallsyms prints in the same place."""
    name = "vfs_write+0x1d/0x40 [nic]"
    before, number, after = line.rpartition(word.removeprefix("|"))
    if word.startswith("|"):
        end = number + after[: after.startswith("]")]
        named = f"{before}{end} {name}{after.removeprefix(']')}"
    else:
        named = before + name + after
    assert find(named) == ()


@pytest.mark.parametrize(("line", "expected"), PAIRS)
def test_two_numbers_of_one_line_are_found(line: str, expected: list[tuple[str, Kind]]) -> None:
    found = [(word_of(line, match.start, match.end), match.kind) for match in find(line)]
    assert found == [(f"|{word}", kind) for word, kind in expected]


@pytest.mark.parametrize(("line", "expected"), REPLACED_PAIRS)
def test_two_tokens_of_one_line_are_found(line: str, expected: list[tuple[str, Kind]]) -> None:
    matches = find(line)
    assert [(line[match.start : match.end], match.kind) for match in matches] == expected
    record = Record(line, 4, seq=1)
    assert provenance.withheld_reason(record, matches, Origin.RECORDS) is None


@pytest.mark.parametrize(("line", "word"), [(line, word) for line, word, _ in LINES])
def test_repeated_end_of_form_is_symbolized_once(line: str, word: str) -> None:
    """No rule takes another number of the line once the first has its symbol."""
    number = line.rindex(word.removeprefix("|"))
    end = number + len(word.removeprefix("|"))
    for start in range(number):
        text = line[:end] + line[start:]
        once = symbolize_text(text, everywhere, FormatOptions()).text
        assert symbolize_text(once, everywhere, FormatOptions()).text == once


@pytest.mark.parametrize("line", BESIDE)
def test_similar_lines_hold_no_address(line: str) -> None:
    assert find(line) == ()


def test_addressing_mode_bit_is_masked() -> None:
    (match,) = find("Krnl PSW : 070c0000 8012345a")
    assert match.address == 0x0012345A


def test_token_before_bracket_address_means_bracket() -> None:
    (match,) = find(" [<ffffffffa02ff000>] ? 0xffffffffa02fefff")
    assert match.address == 0xFFFFFFFFA02FF000


def test_hash_beside_symbol_is_not_replaced() -> None:
    assert find("    [<0000000013155f90>] usb_hcd_irq+0x10/0x20", include_symbolized=True) == ()


ALL_LINES = (
    [line for line, _, _ in LINES]
    + [line for line, _ in (*PAIRS, *REPLACED_PAIRS)]
    + ["Krnl PSW : 070c0000 8012345a"]
)


@pytest.mark.parametrize("form", [*FORMS, *ANYWHERE], ids=lambda form: form.pattern.pattern[:40])
def test_every_form_has_a_line(form: Form) -> None:
    look = form.pattern.match if form.head else form.pattern.search
    assert any(look(line.strip()) for line in ALL_LINES)


@pytest.mark.parametrize("line", ALL_LINES)
@pytest.mark.parametrize(
    "before",
    [
        "[   12.345678][  T123] ",
        "<4>[   12.345678]",
        "> ",
        "Nov 19 12:34:38 host kernel: [   12.345678] ",
        "syzkaller login: [   23.100000] ",
        "** 5042 printk messages dropped ** [   60.107433] ",
        "    [42760.678672] ",
        "kern  :warn  : [   12.345678] ",
    ],
)
def test_prefix_of_a_line_leaves_its_text(line: str, before: str) -> None:
    record = read_line(before + line)
    assert (record.head.strip(), record.text.strip()) == (before.strip(), line.strip())


@pytest.mark.parametrize("line", ALL_LINES)
def test_every_form_line_is_candidate(line: str) -> None:
    assert any(question in line for question in ADDRESS_MARKERS)


# Named in a text only: no kernel prints the first one so, a process chooses the registers of the
# other two.
DOUBTED = [
    "WARNING: CPU: 0 PID: 37 at drivers/x.c:235 0xffffffff926b7cde [nic]()",
    "sepc: ffffffe000d3f1a2 ra : ffffffe000d3f19e sp : ffffffe07af2be50",
    "epc: ffffffe000d3f1a2 ra : ffffffe000d3f19e sp : ffffffe07af2be50",
]


@pytest.mark.parametrize("line", ALL_LINES)
def test_each_form_is_one_of_kernels(line: str) -> None:
    reason = provenance.withheld_reason(Record(line, 4, seq=1), find(line), Origin.RECORDS)
    assert (reason is not None) is (line in DOUBTED)
