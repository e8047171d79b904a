# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from klogd_py.record.types import SymbolAddress
from klogd_py.symbols import system_map
from klogd_py.symbols.symbol_table import SymbolTable
from klogd_py.symbols.system_map import NotAMap

GOOD = b"c0100000 T _text\nc010b800 T do_fork\nc010b900 T sys_fork\nc0200000 A _end\n"


def written(folder: Path, content: bytes) -> Path:
    path = folder / "System.map"
    path.write_bytes(content)
    return path


def named(content: bytes, folder: Path, address: int = 0xC010B860) -> str:
    place = SymbolTable(system_map.load(written(folder, content)).lines, "").resolve(address)
    return place.classic_form if isinstance(place, SymbolAddress) else place.name


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (GOOD, None),
        (GOOD.rstrip(b"\n"), "tidied in memory"),
        (GOOD.upper().replace(b"DO_FORK", b"do_fork"), None),
        (GOOD.replace(b"\n", b"\r\n\r\n"), "tidied in memory"),
        (b"0xC0100000 T _text\n0XC010B800 T do_fork\nC010B900 T sys_fork\n", "tidied in memory"),
        (
            b"  c0100000\tT\t_text\n c010b800   T   do_fork\nc010b900 T sys_fork\n",
            "tidied in memory",
        ),
        (b"# made by nm\n         U printk\n" + GOOD, "tidied in memory"),
        (b"c010b900 T sys_fork\nc0100000 T _text\nc010b800 T do_fork\n", "sorted in memory"),
        (b"00000000c010b800 T do_fork\nc010b900 T sys_fork\n", "tidied in memory"),
        (GOOD + b"!!\n", "1 damaged line"),
    ],
)
def test_an_untidy_map_is_repaired_with_remark(
    content: bytes, remark: str | None, tmp_path: Path
) -> None:
    assert named(content, tmp_path) == "do_fork+0x60/0x100"
    assert system_map.load(tmp_path / "System.map").remark == remark


@pytest.mark.parametrize(
    ("content", "known", "unknown"),
    [
        (
            b"c0100000 T _text\nc010b800 T do_fork\n--- garbage ---\n"
            b"c0120000 T schedule\nc0200000 A _end\n",
            0xC0100010,
            0xC010B850,
        ),
        (
            b"c0100000 T _text\nc010b800 do_fork\nc0120000 T schedule\nc0200000 A _end\n",
            0xC0100010,
            0xC010B860,
        ),
        (
            b"c0100000 T _text\nc010b800 Tx do_fork\nc0120000 T schedule\nc0200000 A _end\n",
            0xC0100010,
            0xC010B860,
        ),
    ],
)
def test_a_damaged_line_only_leaves_a_hole(
    content: bytes, known: int, unknown: int, tmp_path: Path
) -> None:
    assert named(content, tmp_path, known) == "_text+0x10/0xb800"
    assert named(content, tmp_path, unknown) == "OUTSIDE"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "no symbols"),
        (b"!!\n", "no symbols"),
        (os.urandom(5000).replace(b"\n", b"\0") + b"\n", "no symbols"),
        (b"Lorem ipsum dolor sit amet\n" * 60_000, "no symbols"),
        (b"\0" * 3_000_000, "no symbols"),
        (b"one\ntwo\n" + GOOD[:17], "only 1 of 3"),
        (
            b"ffffffffffffffff B The real System.map is in the "
            b"linux-image-6.1.0-28-amd64-dbg package\n",
            "linux-image-6.1.0-28-amd64-dbg",
        ),
    ],
)
def test_a_file_that_is_no_map_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(NotAMap, match=reason) as raised:
        system_map.load(written(tmp_path, content))
    assert "\n" not in raised.value.reason


def test_debians_placeholder_map_names_the_real_package(tmp_path: Path) -> None:
    path = tmp_path / "System.map-6.1.0-50-cloud-amd64"
    path.write_bytes(
        b"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n"
    )
    with pytest.raises(NotAMap, match=r"linux-image-6\.1\.0-50-cloud-amd64-dbg"):
        system_map.load(path)


def test_a_directory_is_no_map(tmp_path: Path) -> None:
    with pytest.raises(NotAMap, match="a directory"):
        system_map.load(tmp_path)


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(NotAMap, match="not a regular file"):
        system_map.load(tmp_path / "fifo")


def test_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(NotAMap, match="NUL"):
        system_map.load(Path("System\0.map"))


def test_dangling_links_are_missing_circular_ones_refused(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "ring").symlink_to("ring")
    with pytest.raises(FileNotFoundError):
        system_map.load(tmp_path / "nowhere")
    with pytest.raises(NotAMap, match="symbolic links"):
        system_map.load(tmp_path / "ring")


def test_a_sparse_file_of_4_gib_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    os.truncate(path, 4 << 30)
    with pytest.raises(NotAMap, match="not a map"):
        system_map.load(path)


def test_a_long_ordered_map_is_not_rebuilt(tmp_path: Path) -> None:
    lines = b"".join(b"%016x T f%d\n" % (0xFFFFFFFF81000000 + 64 * i, i) for i in range(60_000))
    loaded = system_map.load(written(tmp_path, lines))
    assert (loaded.remark, loaded.lines) == (None, lines)
    assert named(lines, tmp_path, 0xFFFFFFFF81000000 + 64 * 59_998 + 1) == "f59998+0x1/0x40"


def test_a_long_map_out_of_order_is_sorted(tmp_path: Path) -> None:
    lines = [b"%016x T f%d\n" % (0xFFFFFFFF81000000 + 64 * i, i) for i in range(60_000)]
    content = b"".join(lines[30_000:] + lines[:30_000])
    assert named(content, tmp_path, 0xFFFFFFFF81000000 + 64 * 31 + 1) == "f31+0x1/0x40"
    assert system_map.load(tmp_path / "System.map").remark == "sorted in memory"


def test_a_long_map_with_neighbours_swapped_is_sorted(tmp_path: Path) -> None:
    lines = [b"%016x T f%d\n" % (0xFFFFFFFF81000000 + 64 * i, i) for i in range(60_000)]
    lines[31], lines[32] = lines[32], lines[31]
    assert named(b"".join(lines), tmp_path, 0xFFFFFFFF81000000 + 64 * 31 + 1) == "f31+0x1/0x40"
    assert system_map.load(tmp_path / "System.map").remark == "sorted in memory"


@pytest.mark.parametrize("before", [0, 1, 2])
def test_neighbours_swapped_between_pieces_are_sorted(before: int, tmp_path: Path) -> None:
    lines = [b"%016x T f%d\n" % (0xFFFFFFFF81000000 + 64 * i, i) for i in range(60_000)]
    # The first line of the second piece, or one of those before it
    content = b"".join(lines)
    at = content.count(b"\n", 0, content.index(b"\n", 1 << 20) + 1) - before
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    address = 0xFFFFFFFF81000000 + 64 * at + 1
    assert named(b"".join(lines), tmp_path, address) == f"f{at}+0x1/0x40"
    assert system_map.load(tmp_path / "System.map").remark == "sorted in memory"


def test_opening_takes_little_more_than_the_map(tmp_path: Path) -> None:
    lines = b"".join(b"%016x T f%d\n" % (0xFFFFFFFF81000000 + 64 * i, i) for i in range(300_000))
    path = written(tmp_path, lines)
    tracemalloc.start()
    try:
        loaded = system_map.load(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(loaded.lines) == len(lines)
    assert peak_bytes < 3 * len(lines)


@pytest.mark.parametrize(
    ("symbol", "version"),
    [
        (b"Version_132629", 132629),
        (b"_Version_132629", 132629),
        (b"Version_132629x", 132629),
        (b"Version_", 0),
        (b"__Version_132629", None),
        (b"MyVersion_132629", None),
    ],
)
def test_map_version_comes_from_version_symbol_alone(
    symbol: bytes, version: int | None, tmp_path: Path
) -> None:
    content = GOOD.replace(b"c0200000 A _end", b"c0190000 A " + symbol + b"\nc0200000 A _end")
    assert system_map.load(written(tmp_path, content)).version == version


def test_the_first_of_two_version_symbols_counts(tmp_path: Path) -> None:
    content = b"c0100000 A Version_132629\nc0100000 A Version_132630\nc0200000 T x\n"
    assert system_map.load(written(tmp_path, content)).version == 132629


def test_a_name_of_any_length_is_a_name(tmp_path: Path) -> None:
    assert named(GOOD.replace(b"do_fork", b"z" * 600), tmp_path) == "z" * 600 + "+0x60/0x100"


TRUNCATED = """
import os, sys
from pathlib import Path
from klogd_py.symbols import system_map
from klogd_py.symbols.symbol_table import SymbolTable
path, lines = Path(sys.argv[1]), int(sys.argv[2])
with path.open("w") as file:
    for i in range(lines):
        file.write(f"{0xFFFFFFFF81000000 + 64 * i:016x} T function_number_{i}\\n")
table = SymbolTable(system_map.load(path).lines, "")
os.truncate(path, 4096)
print(table.resolve(0xFFFFFFFF81000000 + 64 * (lines - 2)))
"""


@pytest.mark.parametrize(
    ("lines", "answer"), [(2000, "function_number_1998"), (500_000, "NO_SYMBOLS")]
)
def test_a_map_truncated_in_place_kills_nothing(lines: int, answer: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRUNCATED, str(tmp_path / "System.map"), str(lines)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert answer in ran.stdout
