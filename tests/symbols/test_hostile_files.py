# SPDX-License-Identifier: GPL-2.0-or-later
"""Read hostile files: each is refused with the reason, at once and in little memory."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.symbols import elf, kallsyms, packed_files, system_map, vmlinux
from klogd_py.symbols.modules import module_elf
from klogd_py.symbols.symbol_line import MAX_NAME_BYTES
from klogd_py.symbols.symbol_table import SymbolTable
from tests.symbols.hostile import (
    CODE,
    EXECUTABLE,
    FILES,
    TEXT_AT,
    Part,
    image,
    map_of,
    symbol,
    with_symbols,
)

READ = """
import resource, sys
from pathlib import Path
from klogd_py.symbols import system_map, vmlinux
from klogd_py.symbols.modules import module_elf as module_file
path, kind, limit_mib = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (limit_mib << 20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
try:
    if kind == "module":
        module_file.load(path, "nic")
    else:
        (vmlinux if kind == "vmlinux" else system_map).load(path)
    print("accepted")
except (module_file.NoModuleFile, system_map.NotAMap) as error:
    print(error)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
# Of addresses, of which libraries take a quarter
HOSTILE_MIB = 400
# Of memory
LARGE_MIB = 300


def read(path: Path, kind: str, limit_mib: int) -> tuple[str, int]:
    """Read a file in a process of limited memory; return the result and the peak in MiB."""
    command = [sys.executable, "-c", READ, str(path), kind, str(limit_mib)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    words, peak_kib = done.stdout.rstrip("\n").rsplit("\n", 1)
    return words, int(peak_kib) >> 10


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    content, kind, reason = FILES[name]
    path = tmp_path / "file"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    words, _ = read(path, kind, HOSTILE_MIB)
    assert reason in words
    assert "\n" not in words
    assert str(path) in words


def test_the_largest_image_is_read_in_bounded_memory(tmp_path: Path) -> None:
    count = 1_200_000
    name_bytes = 32
    rows = b"".join(symbol(1 + name_bytes * i, TEXT_AT + 16 * i) for i in range(count))
    names = b"\0" + b"".join(b"function_with_number_%010d\0" % i for i in range(count))
    assert len(names) == 1 + name_bytes * count
    path = tmp_path / "vmlinux"
    path.write_bytes(with_symbols(rows, names, EXECUTABLE))
    words, peak_mib = read(path, "vmlinux", 2048)
    assert words == "accepted"
    assert peak_mib < LARGE_MIB


def test_the_largest_untidy_map_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_bytes(map_of([TEXT_AT + 16 * i for i in reversed(range(800_000))], b"f" * 20))
    words, peak_mib = read(path, "map", 2048)
    assert words == "accepted"
    assert peak_mib < LARGE_MIB


def test_an_image_with_debug_information_reads_few_bytes(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(
        with_symbols(symbol(1, TEXT_AT) + symbol(3, TEXT_AT + 64), b"\0f\0g\0", EXECUTABLE)
    )
    os.truncate(path, 900 << 20)
    words, peak_mib = read(path, "vmlinux", HOSTILE_MIB)
    assert words == "accepted"
    assert peak_mib < 64


def test_a_truncated_image_does_not_end_the_process(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(
        with_symbols(symbol(1, TEXT_AT), b"\0f\0", EXECUTABLE, code=b"\x90" * (1 << 20))
    )
    image = vmlinux.load(path)
    assert image.text is not None
    assert image.text.bytes_at(TEXT_AT + 65536, 4) == b"\x90" * 4
    os.truncate(path, 100)
    assert image.text.bytes_at(TEXT_AT + 65536, 4) == b""
    assert SymbolTable(image.lines, "").address_of(b"f") == TEXT_AT


def test_kallsyms_beyond_all_measure_is_refused() -> None:
    with pytest.raises(kallsyms.NotKallsyms, match="are read"):
        kallsyms.parse(b"c0100000 T a\n" * (kallsyms.MAX_SYMBOLS + 1))
    with pytest.raises(kallsyms.NotKallsyms, match="are read"):
        kallsyms.parse(b"c0100000 T a\n" + b"x" * kallsyms.MAX_BYTES)


def test_a_million_symbols_at_one_address_name_nothing() -> None:
    table = SymbolTable(map_of([TEXT_AT] * 300_000 + [TEXT_AT + 64]), "")
    assert str(table.resolve(TEXT_AT + 5)) == "LookupFailure.OUTSIDE"
    assert table.names_at(TEXT_AT) == set()


def test_an_odd_relocation_marks_no_other_code() -> None:
    far = struct.pack("<QQq", (1 << 64) - 8, 1 << 32 | 4, 0) + struct.pack(
        "<QQq", 1 << 40, 9 << 32 | 4, 0
    )
    raw = image(
        (Part(".text", 1, CODE, bytes(64)), Part(".rela.text", elf.RELA, 0, far, info=1, row=24))
    )
    assert module_elf.parse(raw, "nic").core.changed == bytes(64)


def test_the_documents_name_the_limits_in_force() -> None:
    document = " ".join((Path(__file__).parents[2] / "docs/security.md").read_text().split())
    limits = (
        f"{elf.MAX_SECTIONS:,}; {elf.MAX_SYMBOLS:,} (module: {module_elf.MAX_SYMBOLS:,}); ",
        f"; {elf.MAX_NAMES_BYTES >> 20} MiB",
        f"{module_elf.MAX_CODE_BYTES >> 20} MiB; {module_elf.MAX_CALLS:,}; {elf.MAX_RELOCATIONS:,}",
        f"{packed_files.MAX_PACKED_BYTES >> 20} MiB; {packed_files.MAX_BYTES >> 20} MiB",
        f"{system_map.MAX_BYTES >> 30} GiB; "
        f"{system_map.MAX_REBUILT_BYTES >> 20} MiB, {system_map.MAX_REBUILT_LINES:,} lines",
        f"{kallsyms.MAX_BYTES >> 20} MiB, {kallsyms.MAX_SYMBOLS:,} lines",
        f"{MAX_NAME_BYTES:,} printable",
    )
    for limit in limits:
        assert limit in document
