# SPDX-License-Identifier: GPL-2.0-or-later
import os
import struct
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.symbols.kaslr import vmcoreinfo
from klogd_py.symbols.kaslr.inference import SlideSource
from klogd_py.symbols.kaslr.vmcoreinfo import Vmcoreinfo
from klogd_py.symbols.map_check import MapStatus
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import RunningKernel, Sources
from tests.needs import needs_other_users
from tests.symbols.oopses import Kernel, kernel, longer

SLIDE = 0x1A000000
RUNNING = kernel(Random(30), slide=SLIDE)


def note(owner: bytes, kind: int, content: bytes) -> bytes:
    name = owner + b"\0"
    padded = [part + bytes(-len(part) % 4) for part in (name, content)]
    return struct.pack("<III", len(name), len(content), kind) + b"".join(padded)


def core(text: bytes) -> bytes:
    """Return a core file as /proc/kcore, with a note of another owner first."""
    notes = note(b"CORE", 1, b"\1\2\3") + note(b"VMCOREINFO", 0, text)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1" + bytes(9), 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 7, 0x1000, 0xFFFFFFFF81000000, 0, 64, 64, 4096)
    note_segment = struct.pack("<IIQQQQQQ", 4, 0, 64 + 2 * 56, 0, 0, len(notes), len(notes), 4)
    return header + load + note_segment + notes


def text_of(running: Kernel) -> bytes:
    stext, other = running.starts["vfs_write"], running.starts["kthread"]
    lines = "OSRELEASE=6.1.0\nBUILD-ID=3b43fa\n"
    lines += f"SYMBOL(vfs_write)={stext + SLIDE:x}\nSYMBOL(kthread)={other + SLIDE:x}\n"
    return (lines + f"SYMBOL(nowhere)=zz\nNUMBER(x)=1\nKERNELOFFSET={SLIDE:x}\n").encode()


def test_the_note_among_others_is_read(tmp_path: Path) -> None:
    path = tmp_path / "kcore"
    path.write_bytes(core(text_of(RUNNING)))
    found = vmcoreinfo.load(path)
    assert (found.offset, found.refused) == (SLIDE, False)
    assert found.symbols == {
        name: RUNNING.starts[name] + SLIDE for name in ("vfs_write", "kthread")
    }


@pytest.mark.parametrize("content", [b"", b"\x7fELF\2\1", b"x" * 500, core(b"")[:100]])
def test_other_or_missing_file_gives_empty_vmcoreinfo(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "kcore"
    path.write_bytes(content)
    assert vmcoreinfo.load(path) == Vmcoreinfo()
    assert vmcoreinfo.load(tmp_path / "missing") == Vmcoreinfo()


@needs_other_users
def test_an_unreadable_kcore_is_reported_as_refused(tmp_path: Path) -> None:
    path = tmp_path / "kcore"
    path.write_bytes(core(text_of(RUNNING)))
    path.chmod(0o400)
    os.seteuid(65534)
    try:
        assert vmcoreinfo.load(path) == Vmcoreinfo(refused=True)
    finally:
        os.seteuid(0)


# Of the program headers, of the notes
@pytest.mark.parametrize("place", [32, 64 + 56 + 8])
def test_an_offset_beyond_all_files_is_ignored(place: int, tmp_path: Path) -> None:
    path = tmp_path / "kcore"
    damaged = bytearray(core(b""))
    damaged[place : place + 8] = b"\xff" * 8
    path.write_bytes(damaged)
    assert vmcoreinfo.load(path) == Vmcoreinfo()


def test_the_pointer_mem_section_is_ignored() -> None:
    assert vmcoreinfo.parse(
        note(
            b"VMCOREINFO",
            0,
            b"SYMBOL(mem_section)=ff2855192f009000\nSYMBOL(kthread)=ffffffff9b001000\n",
        )
    ).symbols == {"kthread": 0xFFFFFFFF9B001000}


@given(st.binary(max_size=300))
def test_any_bytes_are_notes_or_nothing(raw: bytes) -> None:
    for found in (vmcoreinfo.parse(raw), vmcoreinfo.parse(note(b"VMCOREINFO", 0, raw))):
        assert found.offset is None or b"KERNELOFFSET=" in raw
        assert not found.symbols or b"SYMBOL(" in raw
        assert not found.refused


def load_with_kcore(folder: Path, map_of: Kernel) -> SymbolSet:
    (folder / "System.map").write_bytes(map_of.map)
    (folder / "kcore").write_bytes(core(text_of(RUNNING)))
    return load_symbols(
        Sources(
            "6.1.0",
            given_map=folder / "System.map",
            running=RunningKernel(kcore=folder / "kcore"),
        )
    )


def test_the_slide_of_kcore_is_used(
    tmp_path: Path,
) -> None:
    found = load_with_kcore(tmp_path, RUNNING)
    assert found.slide is not None
    assert (found.slide.value, found.slide.source) == (SLIDE, SlideSource.KCORE)


def test_kcore_symbols_refuse_one_longer_function(tmp_path: Path) -> None:
    found = load_with_kcore(tmp_path, longer(RUNNING, 0))
    assert found.verdicts[0].status is MapStatus.REFUSED
    assert "in kcore, at 0x" in found.verdicts[0].reason
