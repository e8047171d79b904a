# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be a prefix, but is not surely one, stays in the text."""

import pytest

from klogd_py.line_prefix.common_prefix import match_prefix
from klogd_py.line_prefix.grammar import grammar_of
from klogd_py.line_prefix.pieces import BY_NAME, FACILITIES
from klogd_py.line_prefix.reader import PrefixReader, read_line
from klogd_py.line_prefix.terminal import strip_controls
from tests.line_prefixes import PREFIXES


@pytest.mark.parametrize(
    "line",
    [
        "[INFO] eth0: link up",
        "[main] eth0: link up",
        "[m] eth0: link up",
        "INFO:console:eth0: link up",
        "(d1) eth0: link up",
        "##[error]eth0: link up",
        "W( 0) eth0: link up",
        "W/wifi   : eth0: link up",
        "section_start:1700000000:boot eth0: link up",
        "a\tb\teth0: link up",
    ],
)
def test_text_without_a_sure_prefix_stays(line: str) -> None:
    assert read_line(line).text == line


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2023-11-25 10:41:07.123456 | ", "node | eth0: link up"),
        ("2023-11-25T10:41:07.123456Z ", "##[error]eth0: link up"),
        ("2023-11-25T10:41:07.123456Z ", "stdout X eth0: link up"),
        ("[2023-11-25 10:41:07,123] ", "[main] eth0: link up"),
    ],
)
def test_words_behind_a_time_stay_text(time: str, text: str) -> None:
    record = read_line(time + text)
    assert (record.head, record.text) == (time, text)
    assert record.wall_us is not None


@pytest.mark.parametrize("text", ["", " indented", "usb 1-1: new device", "web sshd[1]: x"])
def test_line_of_a_container_has_no_host(text: str) -> None:
    record = read_line(f"2023-11-25T10:41:07.123456789Z stdout F {text}")
    assert (record.text, record.machine, record.prefix) == (text, None, None)


@pytest.mark.parametrize(
    "tail",
    [
        *("^[[0m", "^[[K", "^[[J", "^[[?25h", "^[[?25l", "^[[H", "^[[0m^M", "^M", "^M$", "[0m"),
        *(
            "ESC[0m",
            "\\x1b[0m",
            "\\033[K",
            "\\e[0m",
            "\u241b[0m",
            "<br>",
            "<br/>",
            "<br />",
            "</p>",
            "</pre>",
            "</code>",
            "</div>",
            "</span>",
            "</li>",
            "</td>",
        ),
    ],
)
def test_shown_controls_behind_text_are_removed(tail: str) -> None:
    line = f"[   12.345678] eth0: up{tail}"
    (fast,) = PrefixReader().read_printable([line])
    for record in (fast, read_line(line), read_line(f"<4>{line}")):
        assert (record.text, record.tail) == ("eth0: up", tail)


@pytest.mark.parametrize(
    "text", ["<TASK>", "a [x] full", "a [8192m]", "size 5m", "a^b", "ip [::1]h"]
)
def test_text_that_ends_as_controls_stays(text: str) -> None:
    (fast,) = PrefixReader().read_printable([f"[   12.345678] {text}"])
    assert (fast.text, fast.tail) == (text, "")


@pytest.mark.parametrize("text", ["eth0: up", "eth0: \udcf5", "eth0: \x1b[1mup"], ids=ascii)
@pytest.mark.parametrize("tail", ["", "[0m", "^M"])
def test_shown_record_keeps_what_a_terminal_shows(text: str, tail: str) -> None:
    line = f"[   12.345678] {text}{tail}"
    record = PrefixReader().read_shown(line)
    assert (record.text, record.tail) == (strip_controls(text), tail)


MARKS = [("", " "), ("", ": "), ("<", ">: "), ("[", "] "), ("host ", " "), ("host <", ">: ")]
SYSLOG_HEADS = [
    "Nov 23 08:13:42 host kernel: ",
    "<6>2026-11-23T08:13:42.123456+01:00 host.name kernel: ",
]


# What may stand behind "kernel: "
BEHIND = [
    *(prefix.before.replace("{us}", "345678") for prefix in PREFIXES),
    *(f"{before}{facility}.err{after}" for facility in FACILITIES for before, after in MARKS),
    "vmunix: ",
    "host vmunix: ",
]


@pytest.mark.parametrize("head", SYSLOG_HEADS)
@pytest.mark.parametrize("behind", BEHIND, ids=ascii)
def test_common_prefix_is_read_as_by_grammar(behind: str, head: str) -> None:
    lines = [f"{head}{blanks}{behind}eth0: link up" for blanks in ("", " ", "  ")]
    # Equal to the grammar that has the fast way, but not that one
    by_grammar = PrefixReader(grammar=grammar_of(BY_NAME))
    assert list(map(PrefixReader().read, lines)) == list(map(by_grammar.read, lines))


@pytest.mark.parametrize("head", SYSLOG_HEADS)
def test_syslog_head_without_stamp_is_common(head: str) -> None:
    found = match_prefix(f"{head}pci 0000:00:1f.3: [mem 0xfed00000-0xfed003ff]")
    assert found is not None
    assert found[0] == head
