# SPDX-License-Identifier: GPL-2.0-or-later
"""Resolve an oops of a randomised kernel without kallsyms, at the slide that it proves itself."""

import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.program import Program, configure, lines_of
from tests.symbols.oopses import Kernel, kernel, longer, oops
from tests.waiting import wait_until

RUNNING = kernel(Random(20), slide=0x1A000000)
OOPS = oops(RUNNING, Random(20), garbage=1)
STAMPED = [f"<4>[   12.{i:06}] {line}" for i, line in enumerate(OOPS)]
PLAIN = "<6>[   11.000000] NET: up"


@pytest.fixture
def map_of(tmp_path: Path) -> Path:
    path = tmp_path / "System.map"
    path.write_bytes(RUNNING.map)
    return path


def expected(lines: list[str], running: Kernel = RUNNING) -> list[str]:
    """Return the names that the lines of the trace must have, in order."""
    frames = [
        line.split()[-1] for line in lines if line.split("] ")[-1].startswith((" 0x", " ? 0x"))
    ]
    return [running.name_at(int(frame, 16) - 1) for frame in frames]


def names_in(lines: list[str]) -> list[str]:
    return [
        line.split()[-1].partition("+")[0]
        for line in lines
        if "+0x" in line and "RIP: " not in line
    ]


def program_on(folder: Path, map_of: Path) -> Program:
    config = configure(folder, '[file]\nformat = "klogd"\n')
    sink = f"file:{folder}/kern.log"
    return Program(
        folder,
        "--input",
        "-",
        "--input-format",
        "klogd",
        "--map",
        str(map_of),
        "--sink",
        sink,
        config=config,
    )


def test_the_oops_that_proves_is_itself_symbolized(tmp_path: Path, map_of: Path) -> None:
    with program_on(tmp_path, map_of) as program:
        program.feed("\n".join([PLAIN, *STAMPED[:6]]) + "\n")
        wait_until(lambda: lines_of(tmp_path / "kern.log"), "the line before the oops")
        assert lines_of(tmp_path / "kern.log") == [PLAIN]
        program.feed("\n".join(STAMPED[6:]) + "\n")
        wait_until(lambda: len(lines_of(tmp_path / "kern.log")) > len(STAMPED), "the oops")
        program.wait_for_log("slide 0x1a000000, proved: ")
        program.end_of_input()
        assert program.wait() == 0
    assert names_in(lines_of(tmp_path / "kern.log")) == expected(OOPS)


def test_an_endless_oops_is_delivered_after_a_second(tmp_path: Path, map_of: Path) -> None:
    with program_on(tmp_path, map_of) as program:
        program.feed("\n".join(STAMPED[:4]) + "\n")
        wait_until(lambda: len(lines_of(tmp_path / "kern.log")) == 4, "the unfinished oops")
        program.end_of_input()
        assert program.wait() == 0
    assert lines_of(tmp_path / "kern.log") == STAMPED[:4]


def test_another_boot_in_captures_has_own_slide(tmp_path: Path, map_of: Path) -> None:
    elsewhere = Kernel(RUNNING.functions, 0x400000)
    banner = "<5>[    0.000000] Linux version 6.1.0 (gcc 12) #1"
    other = oops(elsewhere, Random(21))
    second = [f"<4>[   22.{i:06}] {line}" for i, line in enumerate(other)]
    with program_on(tmp_path, map_of) as program:
        program.feed("\n".join([banner, *STAMPED, banner, *second]) + "\n")
        program.end_of_input()
        assert program.wait() == 0
        program.wait_for_log("slide 0x400000, proved: ")
    assert names_in(lines_of(tmp_path / "kern.log")) == [
        *expected(OOPS),
        *expected(other, elsewhere),
    ]


@pytest.mark.parametrize("release", ["6.1.0", "6.1.9"])
def test_another_releases_map_names_nothing_in_captures(
    tmp_path: Path, map_of: Path, release: str
) -> None:
    named = map_of.rename(tmp_path / "System.map-6.1.0")
    banner = f"<5>[    0.000000] Linux version {release} (gcc 12) #1"
    with program_on(tmp_path, named) as program:
        program.feed("\n".join([banner, *STAMPED]) + "\n")
        program.end_of_input()
        assert program.wait() == 0
        if release != "6.1.0":
            program.wait_for_log("made for Linux 6.1.0 by its name, the log is of Linux 6.1.9")
    assert names_in(lines_of(tmp_path / "kern.log")) == (
        expected(OOPS) if release == "6.1.0" else []
    )


def test_a_later_contradiction_warns_and_ends_naming(tmp_path: Path, map_of: Path) -> None:
    elsewhere = Kernel(RUNNING.functions, 0x400000)
    second = [f"<4>[   22.{i:06}] {line}" for i, line in enumerate(oops(elsewhere, Random(21)))]
    with program_on(tmp_path, map_of) as program:
        program.feed("\n".join([*STAMPED, *second, *STAMPED]) + "\n")
        program.wait_for_log("names nothing any more: slide 0x1a000000 revoked")
        program.end_of_input()
        assert program.wait() == 0


def translate(text: str, *options: str, file: Path | None = None) -> tuple[list[str], str]:
    command = [sys.executable, "-m", "klogd_py", "translate", *options]
    if file is not None:
        file.write_text(text)
        command.append(str(file))
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("through", ["file", "pipe"])
def test_the_filter_uses_the_slide_it_proves(through: str, tmp_path: Path, map_of: Path) -> None:
    file = tmp_path / "log" if through == "file" else None
    lines, errors = translate("\n".join(OOPS), "--map", str(map_of), file=file)
    assert names_in(lines) == expected(OOPS)
    assert "slide 0x1a000000, proved: " in errors


@pytest.mark.parametrize("through", ["file", "pipe"])
@pytest.mark.parametrize(
    "banner", ["[    0.000000] Linux version 6.1.0 (gcc 12) #1", "[    0.000000] x"]
)
def test_boots_between_oopses_are_still_found(
    through: str, banner: str, tmp_path: Path, map_of: Path
) -> None:
    """Megabytes of lines that say nothing.

    The second oops is of another boot, in which the first one's slide names wrongly.
    """
    elsewhere = Kernel(RUNNING.functions, 0x400000)
    first = [f"[   12.{i:06}] {line}" for i, line in enumerate(OOPS)]
    other = oops(elsewhere, Random(21))
    second = [f"[   22.{i:06}] {line}" for i, line in enumerate(other)]
    filling = [
        f"[   {10 + i // 1000}.{i % 1000:03}000] eth0: link up, 1000Mbps, full-duplex, lpa 45E1"
        for i in range(2000)
    ]
    text = [
        *filling,
        *first,
        *filling[-1:] * 9000,
        *filling[-1:],
        banner,
        *filling,
        *second,
        *filling[-1:] * 9000,
    ]
    lines, errors = translate(
        "\n".join(text) + "\n",
        "--map",
        str(map_of),
        file=tmp_path / "log" if through == "file" else None,
    )
    assert names_in(lines) == [*expected(first), *expected(second, elsewhere)]
    assert [line for line in lines if "+0x" not in line] == [
        line for line, after in zip(text, lines, strict=True) if "+0x" not in after
    ]
    assert "slide 0x400000, proved: " in errors


@pytest.mark.parametrize("through", ["file", "pipe"])
@pytest.mark.parametrize("prefixes", [("[  T123]", "[    C0]"), ("[ T2001]", "[ T2002]")])
def test_interleaved_oopses_are_separated_by_caller(
    through: str, prefixes: tuple[str, str], tmp_path: Path, map_of: Path
) -> None:
    seconds = oops(RUNNING, Random(33), garbage=1)
    both = zip_longest(
        [f"[   12.{i:06}]{prefixes[0]} {line}" for i, line in enumerate(OOPS)],
        [f"[   12.{i:06}]{prefixes[1]} {line}" for i, line in enumerate(seconds)],
    )
    mixed = [line for pair in both for line in pair if line is not None]
    lines, errors = translate(
        "\n".join(mixed), "--map", str(map_of), file=tmp_path / "log" if through == "file" else None
    )
    assert "slide 0x1a000000, proved: " in errors
    for prefix, own in zip(prefixes, (OOPS, seconds), strict=True):
        assert names_in([line for line in lines if prefix in line]) == expected(own)
    assert [line[: len("[   12.000000][  T123]")] for line in lines] == [
        line[: len("[   12.000000][  T123]")] for line in mixed
    ]


def test_each_boot_in_a_file_has_own_slide(tmp_path: Path, map_of: Path) -> None:
    rebooted = Kernel(RUNNING.functions, 0x7600000)
    later = oops(rebooted, Random(22))
    banner = "Linux version 6.1.192 (root@vm) (gcc) #1 SMP"
    lines, _ = translate(
        "\n".join([banner, *OOPS, banner, *later]), "--map", str(map_of), file=tmp_path / "log"
    )
    assert names_in(lines) == expected(OOPS) + expected(later, rebooted)


def test_an_almost_right_map_names_nothing(tmp_path: Path) -> None:
    almost = tmp_path / "System.map"
    almost.write_bytes(longer(RUNNING, 0, 1).map)
    lines, errors = translate("\n".join(OOPS), "--map", str(almost))
    assert lines == OOPS
    assert "not this kernel's: a call leads to" in errors


def test_a_slide_given_by_hand_is_used(map_of: Path) -> None:
    alone = [line for line in OOPS if line.startswith(" 0x")][-1:]
    assert translate(alone[0], "--map", str(map_of))[0] == alone
    named, _ = translate(alone[0], "--map", str(map_of), "--slide", "0x1a000000")
    assert names_in(named) == expected(alone)


@pytest.mark.parametrize("through", ["file", "pipe"])
def test_a_contradiction_precedes_the_names_it_revokes(
    through: str, tmp_path: Path, map_of: Path
) -> None:
    file = tmp_path / "log" if through == "file" else None
    lines, errors = translate(
        "\n".join(OOPS), "--map", str(map_of), "--slide", "0x1a200000", file=file
    )
    assert lines == OOPS
    assert "slide 0x1a200000 revoked" in errors


def test_no_name_is_printed_and_then_revoked(tmp_path: Path, map_of: Path) -> None:
    elsewhere = Kernel(RUNNING.functions, 0x400000)
    second = [f"<4>[   22.{i:06}] {line}" for i, line in enumerate(oops(elsewhere, Random(21)))]
    with program_on(tmp_path, map_of) as program:
        program.feed("\n".join(STAMPED) + "\n")
        wait_until(lambda: len(lines_of(tmp_path / "kern.log")) == len(STAMPED), "the first oops")
        program.feed("\n".join(second) + "\n")
        program.wait_for_log("names nothing any more: slide 0x1a000000 revoked")
        program.end_of_input()
        assert program.wait() == 0
    assert names_in(lines_of(tmp_path / "kern.log")) == expected(OOPS)


def stamped(lines: list[str], first_s: int) -> list[str]:
    return [f"[{first_s:5}.{i:06}] {line}" for i, line in enumerate(lines)]


@pytest.mark.parametrize("through", ["file", "pipe"])
def test_a_boot_without_banner_has_no_slide(through: str, tmp_path: Path, map_of: Path) -> None:
    file = tmp_path / "log" if through == "file" else None
    (frame,) = [line for line in OOPS if line.startswith(" 0x")][-1:]
    capture = [*stamped(OOPS, 12), *stamped(["Booting", frame], 0)]
    lines, _ = translate("\n".join(capture), "--map", str(map_of), file=file)
    assert names_in(lines) == expected(OOPS)
    assert lines[-1] == capture[-1]


@pytest.mark.parametrize("odd", ["\f", "\r", "\x1c", "\x1e", "\u0085"])
def test_odd_characters_do_not_shift_boots(odd: str, tmp_path: Path, map_of: Path) -> None:
    rebooted = Kernel(RUNNING.functions, 0x7600000)
    later = oops(rebooted, Random(22))
    banner = "Linux version 6.1.192 (root@vm) (gcc) #1 SMP"
    text = "\n".join([f"{banner} {odd}{banner}", *OOPS, banner, *later])
    (tmp_path / "log").write_bytes(text.encode("latin-1"))
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "translate",
        "--map",
        str(map_of),
        str(tmp_path / "log"),
    ]
    lines = (
        subprocess.run(command, capture_output=True, timeout=30, check=False)
        .stdout.decode("latin-1")
        .split("\n")
    )
    assert names_in(lines) == expected(OOPS) + expected(later, rebooted)


def test_a_forged_line_revokes_no_slide(tmp_path: Path, map_of: Path) -> None:
    forged = (
        "Kernel Offset: 0x400000 from 0xffffffff81000000 "
        "(relocation range: 0xffffffff80000000-0xffffffffbfffffff)"
    )
    capture = [f"kern  :alert : [   12.{i:06}] {line}" for i, line in enumerate(OOPS)]
    lines, _ = translate(
        "\n".join([*capture, f"user  :notice: [   13.000000] {forged}"]), "--map", str(map_of)
    )
    assert names_in(lines) == expected(OOPS)
