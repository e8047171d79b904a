# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames are read in the form of each architecture and each age of the kernel."""

import pytest

from klogd_py.record.report import Frame
from klogd_py.reports.anatomy.frame_lines import first_symbol, read_frames
from klogd_py.reports.anatomy.program_counter import read_program_counter

BUILD_ID = "852e63996474051c57bcd1a86ebfd81073083853"
POLL = Frame("nic_poll", 0x1F, 0x40)
IN_MODULE = Frame("nic_poll", 0x1F, 0x40, "nic")
DOUBTFUL = Frame("nic_poll", 0x1F, 0x40, reliable=False)

FRAMES = [
    (" nic_poll+0x1f/0x40", POLL),
    (" ? nic_poll+0x1f/0x40", DOUBTFUL),
    ("\tnic_poll+0x1f/0x40", POLL),
    (" nic_poll+0x1f/0x40 [nic]", IN_MODULE),
    (f" nic_poll+0x1f/0x40 [nic {BUILD_ID}]", Frame("nic_poll", 0x1F, 0x40, "nic", BUILD_ID)),
    (" nic_poll.isra.0.cold+0x1f/0x40", Frame("nic_poll.isra.0.cold", 0x1F, 0x40)),
    (" [<ffffffffc0123456>] nic_poll+0x1f/0x40 [nic]", IN_MODULE),
    (" [<ffffffffc0123456>] ? nic_poll+0x1f/0x40", DOUBTFUL),
    (" <IRQ>  [<ffffffffc0123456>] nic_poll+0x1f/0x40", POLL),
    (" [<ffffffff8802c8e9>] :nic:nic_poll+0x1f/0x40", IN_MODULE),
    ("[c00000000f0b3b50] [c0000000000d2f50] nic_poll+0x1f/0x40 [nic]", IN_MODULE),
    ("[c00000000f0b3b50] [c0000000000d2f50] .nic_poll+0x1f/0x40 (unreliable)", DOUBTFUL),
    (" [<000003ff7ffb36d2>] nic_poll+0x1f/0x40", POLL),
    ("([<000003ff7ffb36d2>] nic_poll+0x1f/0x40)", DOUBTFUL),
    ("[<ffffffff80007c10>] nic_poll+0x1f/0x40", POLL),
    ("Caller[0000000000509a4c]: nic_poll+0x1f/0x40", POLL),
    ("[0000000000509a4c] nic_poll+0x1f/0x40", POLL),
    (" nic_poll+0x1f/0x40 (P)", POLL),
    (
        " nic_poll+0x1f/0x40 drivers/net/nic.c:306",
        Frame("nic_poll", 0x1F, 0x40, file="drivers/net/nic.c", line=306),
    ),
    (
        " nic_poll (drivers/net/nic.c:306 drivers/net/nic.c:320) nic",
        Frame("nic_poll", module="nic", file="drivers/net/nic.c", line=306),
    ),
    (" bpf_prog_6deef7357e7b4530_poll+0x1f/0x40", Frame("bpf_prog_6deef7357e7b4530_poll", 31, 64)),
    (" nic_poll+0x40/0x40", Frame("nic_poll", 0x40, 0x40)),
]


@pytest.mark.parametrize(("text", "frame"), FRAMES)
def test_one_frame_is_read_from_line(text: str, frame: Frame) -> None:
    assert read_frames(text) == (frame,)


SEVERAL = [
    ("[<c0014990>] (nic_poll) from [<c005ccb8>] (nic_irq+0x2/0x8)", ["nic_poll", "nic_irq"]),
    ("[<c0014990>] (nic_poll+0x0/0xf4) from [<c005ccb8>] (irq+0x2/0x8)", ["nic_poll", "irq"]),
    (" nic_poll [nic] from nic_irq+0x2/0x8 [nic]", ["nic_poll", "nic_irq"]),
    (
        "<ffffffff8021fbdb>{nic_poll+25} <ffffffff80208fa6>{:nic:nic_irq+1616}",
        ["nic_poll", "nic_irq"],
    ),
    ("Call Trace: [nic_poll+0x1f/0x40] [nic:nic_irq+0x5/0x40]", ["nic_poll", "nic_irq"]),
    ("Call Trace: [<c0138334>] [nic_poll+48/196]", ["nic_poll"]),
    (" [<c014795d>] nic_poll [kernel] 0x36d (0xc67e9f40))", ["nic_poll"]),
]


@pytest.mark.parametrize(("text", "functions"), SEVERAL)
def test_old_forms_have_several_frames(text: str, functions: list[str]) -> None:
    assert [frame.function for frame in read_frames(text)] == functions


NO_FRAMES = [
    " nic_fill drivers/net/nic.h:12 [inline]",
    "nic: link of nic_poll+0x1f/0x40 is down",
    "CPU: 1 PID: 812 Comm: nic+0x1/0x2 Not tainted",
    "RIP: 0010:nic_poll+0x1f/0x40",
    " #0: ffff8880 (&nic->lock){+.+.}, at: nic_poll+0x1f/0x40",
    "hardirqs last  enabled at (0): [<0000000000000000>] nic_poll+0x1f/0x40",
    "Code: 48 8b 05 <0f> 0b",
    "R10: 000000000000000b R11: 0000000000000212",
    "",
    "+",
    "1+1/2",
]


@pytest.mark.parametrize("text", NO_FRAMES)
def test_lines_that_are_no_frames(text: str) -> None:
    assert read_frames(text) == ()


COUNTERS = [
    ("RIP: 0010:nic_poll+0x1f/0x40", "nic_poll"),
    ("RIP: e030:nic_poll+0x1f/0x40 [nic]", "nic_poll"),
    ("RIP: 0010:[<ffffffffc0123456>]  [<ffffffffc0123456>] nic_poll+0x1f/0x40", "nic_poll"),
    ("EIP: nic_poll+0x1f/0x40", "nic_poll"),
    ("EIP is at nic_poll+0x1f/0x40 [nic]", "nic_poll"),
    ("IP: [<c06969d4>] nic_poll+0x1f/0x40", "nic_poll"),
    ("PC is at nic_poll+0x1f/0x40", "nic_poll"),
    ("pc : nic_poll+0x1f/0x40", "nic_poll"),
    ("pc : [<ffffffc000d394c4>] nic_poll+0x1f/0x40", "nic_poll"),
    ("NIP [c0000000000d2f50] .nic_poll+0x1f/0x40", "nic_poll"),
    ("epc : nic_poll+0x1f/0x40", "nic_poll"),
    ("epc   : 8029a238 nic_poll+0x1f/0x40     Not tainted", "nic_poll"),
    ("Krnl PSW : 0704c00180000000 000003ff7ffb36d2 (nic_poll+0x1f/0x40 [nic])", "nic_poll"),
    ("TPC: <nic_poll+0x1f/0x40>", "nic_poll"),
    (" IAOQ[0]: nic_poll+0x1f/0x40", "nic_poll"),
    ("  ERA: 9000000000224ee0 nic_poll+0x1f/0x40", "nic_poll"),
    ("pc is at nic_poll+0x1f/0x40", "nic_poll"),
    ("RIP: 0033:nic_poll+0x1f/0x40", None),
    ("RIP: 0033:0x7f2a1b2c3d4e", None),
    ("RIP  [<ffffffffc0123456>] nic_poll+0x1f/0x40", None),
    ("RIP: nic_poll+0x1f/0x40 RSP: ffff8801db206738", None),
    ("LR is at nic_poll+0x1f/0x40", None),
    ("ra : nic_poll+0x1f/0x40", None),
    ("PCI: nic_poll+0x1f/0x40", None),
    ("RIP: 0010:0x286", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "function"), COUNTERS)
def test_program_counter_of_each_architecture(text: str, function: str | None) -> None:
    found = read_program_counter(text)
    assert (None if found is None else found.function) == function


def test_first_symbol_starts_where_asked() -> None:
    text = "pc : nic_poll+0x1f/0x40 lr : nic_irq+0x2/0x8 [nic]"
    first, second = first_symbol(text), first_symbol(text, 24)
    assert first == POLL
    assert second == Frame("nic_irq", 2, 8, "nic")
    assert first_symbol("nothing at all") is None
