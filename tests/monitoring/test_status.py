# SPDX-License-Identifier: GPL-2.0-or-later
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.monitoring.status import Status, summarize, without_addresses
from klogd_py.monitoring.status_table import format_duration, render_table
from klogd_py.record.address_mask import HIDDEN
from tests.documents import sink, status


def test_document_survives_json_round_trip() -> None:
    whole = status(sink(error="No such file"))
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Status) == whole


def test_document_of_a_later_version_is_readable() -> None:
    later = msgspec.to_builtins(status()) | {"later": "value"}
    assert msgspec.json.decode(msgspec.json.encode(later), type=Status) == status()


def test_no_kernel_address_is_left_for_others() -> None:
    text = msgspec.json.encode(without_addresses(status())).decode()
    assert not re.search(r"0x|ffff", text)
    assert text.count(HIDDEN) == 5
    assert "agrees with kallsyms in 512 symbols" in text
    assert "51b3d661323f440e91e8247518fc635c" in text


@given(st.integers(1 << 31, (1 << 64) - 1), st.sampled_from(["0x{:x}", "{:016x}", "0x{:016X}"]))
def test_address_is_hidden_in_every_kernel_format(address: int, form: str) -> None:
    changed = msgspec.structs.replace(status(), version=f"at {form.format(address)}: x")
    assert without_addresses(changed).version == f"at {HIDDEN}: x"


def test_offset_of_a_symbol_is_no_address() -> None:
    changed = msgspec.structs.replace(status(), version="nic_poll+0x5d/0x140 [nic]")
    assert without_addresses(changed).version == "nic_poll+0x5d/0x140 [nic]"


@pytest.mark.parametrize("form", ["+{}", "/{}", "={}", "'{}'"])
def test_long_number_is_hidden_behind_any_sign(form: str) -> None:
    changed = msgspec.structs.replace(status(), version=form.format("0xffffffff8119d0a1"))
    assert without_addresses(changed).version == form.format(HIDDEN)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            status(),
            "1201 records from /dev/kmsg to 1 sink, none lost; "
            "names from /boot/System.map-6.1.0 and 183241 symbols of kallsyms",
        ),
        (
            status(sink(lost=5), sink(), overrun=2),
            "1201 records from /dev/kmsg to 2 sinks, 7 lost; names",
        ),
        (status(sink("a"), sink("b", "down", "gone"), paused=True), "; paused; down: b"),
        (status(sees_losses=False), "; losses cannot be seen through this interface"),
    ],
)
def test_summary_names_losses_and_down_sinks(document: Status, words: str) -> None:
    assert words in summarize(document)


def test_table_shows_every_part_in_columns() -> None:
    lines = render_table(
        status(sink("file:/a", "down", "No such file", 5), sink()), colour=False
    ).splitlines()
    assert lines[0].startswith("klogd-py 1.0, process 4711, up 3 h 12 min, since 20")
    assert "/dev/kmsg  1201  1200    1201     live" in lines
    assert "overrun  5        file:/a" in lines
    assert any(
        re.fullmatch(r"file:/a +down +3 +2/8192 +1201 +5 +1201 +No such file \(.*\)", line)
        for line in lines
    )
    assert any(
        re.fullmatch(r"syslog:/dev/log  up +0 +0/8192 +1201 +0 +1201 +-", line) for line in lines
    )
    assert any(re.match(r"slide +0x1a000000, proved", line) for line in lines)
    assert any(re.match(r"crashes +- +1 kasan, 1 page-fault, 3 warning$", line) for line in lines)
    assert any(
        re.match(r"failed: file watcher +20.* RuntimeError\('no'\) \(3 times\)", line)
        for line in lines
    )
    assert any(re.match(r"refused +/boot/System.map: another kernel's", line) for line in lines)
    assert any(
        re.search(r"SIGHUP: refused, the old is kept \(key sinks: expected one\)", line)
        for line in lines
    )


def test_table_without_crashes_has_no_line_of_them() -> None:
    quiet = msgspec.structs.replace(status(), crashes={"kasan": 0, "warning": 0})
    assert "crashes" not in render_table(quiet, colour=False)
    assert "crashes" in render_table(status(), colour=False)


def test_document_of_an_earlier_version_is_readable() -> None:
    earlier = msgspec.to_builtins(status())
    del earlier["crashes"], earlier["reports"]
    read = msgspec.convert(earlier, Status)
    assert (read.crashes, read.reports) == ({}, None)


def test_colour_changes_no_text_of_the_table() -> None:
    document = status(sink("file:up  down  x", "down", "No such file"))
    coloured = render_table(document, colour=True)
    assert re.sub(r"\x1b\[\d*m", "", coloured) == render_table(document, colour=False)
    assert "\x1b[31mdown\x1b[0m" in coloured


def test_kernel_text_cannot_control_the_terminal() -> None:
    text = render_table(status(), colour=False)
    assert ("\x1b" in text, "ffff888003a1c000 \\x1b[31m" in text) == (False, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (86399, "23 h 59 min"),
    ],
)
def test_duration_has_its_two_largest_units(seconds: int, words: str) -> None:
    assert format_duration(seconds) == words
