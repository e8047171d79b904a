# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.oops.address_scanner import Kind, find

A = 0xFFFFFFFF926B7CDE

# A line, and what is mentioned in it: the words whose place a name would take, and how they are
# looked up.
MENTIONING = [
    ("EIP:    0010:[<c01402c0>]    Not tainted", [("<c01402c0>", Kind.CLASSIC)]),
    (
        "Call Trace: [<c0138334>] [<c0138798>]",
        [("<c0138334>", Kind.CLASSIC), ("<c0138798>", Kind.CLASSIC)],
    ),
    (
        "[[<c010b860>]] [<c010[<c010b861>]",
        [("<c010b860>", Kind.CLASSIC), ("<c010b861>", Kind.CLASSIC)],
    ),
    ("[<0XC010B860>]", [("<0XC010B860>", Kind.CLASSIC)]),
    (
        "Function entered at [<c0014990>] from [<c005ccb8>]",
        [("<c0014990>", Kind.CLASSIC), ("<c005ccb8>", Kind.CLASSIC_RETURN)],
    ),
    (
        "pc : [<c010b860>]    lr : [<c0120010>]    psr: 60000013",
        [("<c010b860>", Kind.CLASSIC), ("<c0120010>", Kind.CLASSIC_RETURN)],
    ),
    ("RIP: 0010:0xffffffff926b7cde", [("0xffffffff926b7cde", Kind.PC)]),
    ("RIP: e030:0xffffffff926b7cde", [("0xffffffff926b7cde", Kind.PC)]),
    ("EIP: 0xc010b860", [("0xc010b860", Kind.PC)]),
    (" ? 0xffffffff926cdd6b", [("0xffffffff926cdd6b", Kind.RETURN)]),
    (" 0xffffffff926cdd6b", [("0xffffffff926cdd6b", Kind.RETURN)]),
    ("PC is at 0xc0123456", [("0xc0123456", Kind.PC)]),
    ("LR is at 0xc0123456", [("0xc0123456", Kind.LINK)]),
    ("pc : 0xffff800010a12344", [("0xffff800010a12344", Kind.PC)]),
    ("lr : ffff800010a12344", [("ffff800010a12344", Kind.LINK)]),
    ("epc : 0xffffffff801461e4", [("0xffffffff801461e4", Kind.PC)]),
    ("epc   : 8029a238 0x8029a238     Not tainted", [("0x8029a238", Kind.PC)]),
    ("ra    : 8029d674 0x8029d674", [("0x8029d674", Kind.LINK)]),
    ("NIP [c000000000012abc] 0xc000000000012abc", [("0xc000000000012abc", Kind.PC)]),
    (
        "[c0000000fea3f9d0] [c000000000012abc] 0xc000000000012abc (unreliable)",
        [("0xc000000000012abc", Kind.RETURN)],
    ),
    ("Krnl PSW : 0704d00180000000 000003fee0011ea0 (0x3fee0011ea0)", [("0x3fee0011ea0", Kind.PC)]),
    (" [<000003fee0011ea0>] 0x3fee0011ea0", [("0x3fee0011ea0", Kind.RETURN)]),
    ("([<000000008fed2820>] 0x8fed2820)", [("0x8fed2820", Kind.RETURN)]),
    (
        "RIP: 0010:[<ffffffff81078690>]  [<ffffffff81078690>] 0xffffffff81078690",
        [("0xffffffff81078690", Kind.PC)],
    ),
    (
        "[<c0014990>] (0xc0014990) from [<c005ccb8>] (0xc005ccb8)",
        [("0xc0014990", Kind.RETURN), ("0xc005ccb8", Kind.RETURN)],
    ),
    ("   ERA: 90000000104e3f80 0x90000000104e3f80", [("0x90000000104e3f80", Kind.PC)]),
    ("TPC: <0x5a9e84>", [("0x5a9e84", Kind.PC)]),
    ("Caller[00000000004060c8]: 0x4060c8", [("0x4060c8", Kind.PC)]),
    (" IAOQ[0]: 0x40296ef4", [("0x40296ef4", Kind.PC)]),
    (" RP(r2): 0x40296ef4", [("0x40296ef4", Kind.RETURN)]),
    (
        "WARNING: CPU: 0 PID: 37 at drivers/x.c:235 0xffffffff81078690",
        [("0xffffffff81078690", Kind.PC)],
    ),
]

# Numbers that are no code addresses still in want of a name.
NOT_MENTIONING = [
    "NET: Registered PF_INET protocol family",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "RIP: 0033:0x7f1234567890",
    "RSP: 0018:ffffb2a5c0a5fd38 EFLAGS: 00010246",
    "RAX: ffffffff926b7cde RBX: 0xffffffff926b7cde RCX: 0000000000000000",
    "CR2: 0xffffffff926b7cde CR3: 000000010b1a4000 CR4: 0xffffffff926b7cde",
    "FS:  00007f0000000000(0000) GS:ffff9c8a3bc00000(0000) knlGS:0000000000000000",
    "BUG: unable to handle page fault for address: ffffffff926b7cde",
    "Unable to handle kernel paging request at virtual address 0xffffffff926b7cde",
    "x29: ffff80001000bd80 x28: ffff000003fd8000 ",
    "epc : ffffffff801461e4 ra : ffffffff801462f0 sp : ff2000000060bd10",
    "Code: 0f 1f 44 00 00 <0f> 0b c3 66 0f 1f 84",
    "Stack: c67e8000 c0120010 00000000",
    " ffffffff926b7cde 0000000000000000",
    "GPR00: c000000000012abc c0000000fea3f9d0",
    "[    1.234567] usb 1-1: 0xffffffff926b7cde bytes",
    "mask 0xffffffffffffffff, cookie 0x00000000abcdef12",
    "[<zzzz>] [<>] [< >] [<(ptrval)>] [<(____ptrval____)>]",
    "[<c010b860> ] [< c010b860>] [<-3fef47a0>] [<c010b860+0x10>] [<c010b860zz>]",
    "[<1ffffffffffffffff>]",
    "<c010b860>] c010b860>] [c010b860>] (<c010b860>)",
    "[<c010b860>",
    "uuid 01234567-89ab-cdef-0123-456789abcdef mac 00:11:22:33:44:55",
]

# The kernel has put the name beside the number already.
NAMED = [
    " [<ffffffff81078690>] ? worker_thread+0x40/0x3b0",
    " [<f88dec25>] fn.isra.7.part.3+0x3/0x5 [wl]",
    "RIP: 0010:[<ffffffff811c6ed5>]  [<ffffffff811c6ed5>] fn+0xa5/0x350",
    "EIP: [<f8e40765>] fn+0x3/0x5 [wl] SS:ESP 0068:f180dbf8",
    # However many blanks are between
    "at: [<c036a6dc>]     serial8250_console_write+0x108/0x134",
    " [<c036a6dc>]\t \tserial8250_console_write+0x108/0x134",
    "[<00000000c036a6dc>]     usb_hcd_irq",
    "[<c0014990>] (unwind_backtrace+0x0/0xf4) from [<c005ccb8>] (fn+0x14f8/0x1b98)",
    "[<c0014318>] (fn) from [<c001457c>] (show_stack+0x24/0x2c)",
    " [<ffffffff8802c8e9>] :jbd:log_wait_commit+0xa3/0xf5",
    "([<00000000000432114>] fn+0x2/0x4)",
    "[<c014795d>] sys_poll [kernel] 0x36d",
    "NIP [c000000008068dfc] .eeh_dev_check_failure+0x27c/0x390",
    "epc   : 8029a238 init_dev+0x8c/0x56c     Not tainted",
    "RIP: 0010:vfs_write+0x1d/0x40 [ext4]",
]


@pytest.mark.parametrize(("line", "expected"), MENTIONING)
def test_code_addresses_are_found_with_their_kind(
    line: str, expected: list[tuple[str, Kind]]
) -> None:
    found = [(line[match.start : match.end], match.kind) for match in find(line)]
    assert found == expected
    assert [match.address for match in find(line)] == [
        int(word.strip("<>"), 16) for word, _ in expected
    ]


@pytest.mark.parametrize("line", NOT_MENTIONING + NAMED)
def test_line_without_address_has_no_match(line: str) -> None:
    assert find(line) == ()


@pytest.mark.parametrize(
    ("line", "before"),
    [
        ("epc   : 8029a238     Not tainted", "epc   : 8029a238"),
        ("ra    : 8029d674", "ra    : 8029d674"),
        ("NIP [c000000000012abc]", "NIP [c000000000012abc]"),
        ("LR [c000000000012abc]", "LR [c000000000012abc]"),
    ],
)
def test_kept_number_has_empty_span_after_it(line: str, before: str) -> None:
    (match,) = find(line)
    assert (match.start, match.end) == (len(before), len(before))


def test_symbolized_bracket_is_found_on_request() -> None:
    line = " [<ffffffff81078690>] ? worker_thread+0x40/0x3b0"
    (match,) = find(line, include_symbolized=True)
    assert line[match.start : match.end] == "<ffffffff81078690>"


def test_every_line_of_record_is_scanned() -> None:
    text = "Call Trace:\n [<000003fee0011ea0>] 0x3fee0011ea0\n [<000003fee0011eb0>] 0x3fee0011eb0"
    assert [text[match.start : match.end] for match in find(text)] == [
        "0x3fee0011ea0",
        "0x3fee0011eb0",
    ]
