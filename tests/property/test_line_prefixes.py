# SPDX-License-Identifier: GPL-2.0-or-later
"""A prefix that is composed at random leaves the kernel's text as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.line_prefix.grammar import ANY_PREFIX
from klogd_py.line_prefix.reader import read_line
from klogd_py.line_prefix.terminal import strip_controls
from klogd_py.oops.address_scanner import find
from tests.end_to_end.one_way import everywhere_set, translate

LABELS = ["", "web-1  | ", "ttyS0: ", "root@box:/# ", "kern.log:12:", "> ", "123:", "   7\t"]
TIMES = [
    "",
    "Nov 25 10:41:07 ",
    "nov. 25 10:41:07 ",
    "2023-11-25T10:41:07.123456+01:00 ",
    "2023-11-25 10:41:07 ",
    "Sat Nov 25 10:41:07 2023 ",
    "[2023-11-25T10:41:07.123] ",
    "1700908867.123456 ",
]
WRITERS = ["", "web kernel: ", "10.0.0.7 kernel: ", "kernel: ", "web kern.warn kernel: "]
LEVELS = ["", "<4>", "kern  :warn  : "]
STAMPS = ["[   12.345678] ", "[   12.345678 <    0.000012>] ", "[17159596.345678@0] "]
CALLERS = ["", "[    T1] ", "[C3] ", "[T12@C3] "]
CONTROLS = ["", "", "", "\r", "\x1b[0m", "\x1b[1;33m", "\x00"]
TAILS = ["", "\r", "\x1b[0m", "\x1b[K\r\r"]
LINES = [
    "RIP: 0010:0xffffffff81123456",
    " 0xffffffff81123456",
    " ? 0xffffffff81123456",
    "[<ffffffff81123456>] 0xffffffff81123456",
    "Call Trace:",
    " <TASK>",
    "eth0: link up, 0xffffffff81123456",
    "Code: 0f 0b <48> 89",
    "",
]


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    """A label, a time, the name of the kernel, a level, a stamp and a caller, all but one optional.

    Level and label do not stand behind one another without a stamp.
    """
    parts = [draw(st.sampled_from(row)) for row in (LABELS, TIMES, WRITERS, LEVELS)]
    parts += [draw(st.sampled_from(STAMPS)), draw(st.sampled_from(CALLERS))]
    # No program writes dmesg's levels behind the name of the kernel.
    if parts[3].startswith("kern") and (parts[1] or parts[2]):
        parts[3] = ""
    controls = [draw(st.sampled_from(CONTROLS)) for _ in parts]
    # A label is unknown text, in front of which nothing is known.
    controls[0] = "" if parts[0] else controls[0]
    return "".join(control + part for control, part in zip(controls, parts, strict=True))


@given(prefix=prefixes(), line=st.sampled_from(LINES), tail=st.sampled_from(TAILS))
def test_composed_prefix_leaves_text_unchanged(prefix: str, line: str, tail: str) -> None:
    record = read_line(prefix + line + tail)
    assert record.head + record.text + record.tail == prefix + line + tail
    assert strip_controls(record.text) == line
    assert record.usec is not None


@given(prefix=prefixes(), line=st.sampled_from(LINES), tail=st.sampled_from(TAILS))
def test_translate_names_behind_composed_prefix(prefix: str, line: str, tail: str) -> None:
    alone = translate(f"{line}\n".encode(), everywhere_set()).texts[0]
    done = translate(f"{prefix}{line}{tail}\n".encode(), everywhere_set()).texts[0]
    assert done == prefix + alone + tail
    assert ("+0x" in done) is bool(find(line))


CHOSEN = "[    1.000000] RIP: 0010:0xffffffff81123456"


@pytest.mark.parametrize(
    "before",
    [
        "CPU: 0 PID: 5 Comm: ",
        "[   12.345678] CPU: 0 PID: 5 Comm: ",
        "[   12.345678] process '",
        "INFO: task ",
        "Process ",
        'audit: type=1400 audit(1700908867.123:45): name="',
        "Nov 25 10:41:07 web sshd[12]: ",
        "2023-11-25T10:41:07.123456+01:00 web sshd[12]: ",
        "Nov 25 10:41:07 web user.notice root: ",
        "[10:41:07.123] CPU: 0 PID: 5 Comm: ",
        "2023-11-25 10:41:07 web app: ",
        "[2023-11-25 10:41:07] process '",
        "2023-11-25T10:41:07.123456Z INFO app: ",
        "[Sat Nov 25 10:41:07 2023] any text ",
        "[10:41:07.123] wlan0: connect to ssid ",
        "[10:41:07.123] wlan0: ssid: ",
        "[10:41:07.123] ssid=",
        "[2023-11-25 10:41:07] audit: type=1 res ",
        "2023-11-25 10:41:07,123 INFO text of a user - ",
        "25.11.2023 10:41:07.123 usb 1-1: Volume] ",
    ],
)
def test_stamp_behind_chosen_text_is_text(before: str) -> None:
    record = read_line(before + CHOSEN)
    assert CHOSEN in record.text
    assert record.facility != 0 or not record.text.startswith(CHOSEN)


@given(st.text(alphabet="[]<>(){}.:,;|-+=/\\ \t\r\x1b0123456789abTCkernl", max_size=120))
def test_any_line_is_its_three_parts(line: str) -> None:
    record = read_line(line)
    span = ANY_PREFIX.text_span(line)
    assert 0 <= span.first_piece <= span.start <= span.end <= len(line)
    assert record.head + record.text + record.tail == line


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("2023-11-25T10:41:07Z ", "Hardware name: x"),
        ("[2023-11-25 10:41:07] ", "Internal error: Oops: 5"),
        ("[2023-11-25 10:41:07] ", "usb 1-1: new device"),
        ("[   12.345678] ", "c0 11 22 33"),
        ("[   12.345678] ", "[10:41:07] foo"),
        ("[   12.345678] ", "2023-11-25 10:41:07 foo"),
        ("[   12.345678][   T41] ", "blocked\ufffd \ufffd"),
        ("[六 11月 25 10:41:07 2023] ", "x"),
        ("12:2023-11-25T10:41:07.123456+00:00 web kernel: ", "x"),
        ("Sat 2023-11-25 10:41:07 +08 web kernel: [   12.000000] ", "x"),
        ("Sat 2023-11-25 10:41:07 WIB web kernel: [   12.000000] ", "x"),
        ('<4>1 2023-11-25T10:41:07Z web kernel - - [x@1 a="b\\]c d"] ', "x"),
        ("1700908867.123456 kernel: ", "x"),
        ("[   12.345678] ", "[8192m]"),
        ("[   12.345678] ", 'a "quoted" word"'),
        ("[   12.345678] ", "kern warning"),
    ],
)
def test_kernels_own_words_are_no_prefix(before: str, line: str) -> None:
    record = read_line(before + line)
    assert (record.head, record.text, record.facility) == (before, line, 0)


@pytest.mark.parametrize(
    "before",
    [
        "usb 1-1: Product: ",
        "11-25 10:41:07.123  12  12 W app: ",
        "W/app  (   12): ",
        "x web app[1]: ",
    ],
)
def test_stamp_behind_a_users_words_is_text(before: str) -> None:
    assert CHOSEN in read_line(before + CHOSEN).text
