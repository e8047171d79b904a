# SPDX-License-Identifier: GPL-2.0-or-later
import gzip
import lzma
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klogd_py.symbols.elf import Elf
from klogd_py.symbols.elf_header import AARCH64, Note, NotElf, build_id, find_note, parse_notes
from klogd_py.symbols.modules import module_elf, module_files
from klogd_py.symbols.modules.module_elf import NoModuleFile
from tests.symbols.module_builder import build, needs_gcc

pytestmark = needs_gcc


def nm(path: Path, *options: str) -> set[tuple[int, str]]:
    output = subprocess.run(
        ["nm", "-n", *options, str(path)], capture_output=True, text=True, check=True
    ).stdout
    return {
        (int(line.split()[0], 16), line.split()[2])
        for line in output.splitlines()
        if len(line.split()) == 3
    }


def test_the_symbols_are_those_of_nm(tmp_path: Path) -> None:
    path = build(tmp_path)
    ours = {
        (symbol.value, symbol.name.decode())
        for symbol in Elf(path.read_bytes()).iter_symbols()
        if symbol.section and symbol.name
    }
    assert ours == nm(path)


def test_code_sections_are_laid_out_in_order(
    tmp_path: Path,
) -> None:
    file = module_elf.load(build(tmp_path), "probe_it")
    names = [found.name.decode() for found in file.core.functions]
    assert names == ["helper", "outer", "logs", "far_away", "cold", "cleanup_module"]
    assert [found.name for found in file.init.functions] == [b"init_module"]
    offsets = {found.name.decode(): found.offset for found in file.core.functions}
    raw = Elf(file.path.read_bytes())
    text, cold = raw.section(".text"), raw.section(".text.unlikely")
    assert text is not None
    assert cold is not None
    assert offsets["cold"] == text.size + -text.size % max(cold.align, 1)
    assert file.core.text[offsets["cleanup_module"]] == 0xC3


def test_code_behind_plt_is_refused(tmp_path: Path) -> None:
    """As in modules of several objects for arm64, where the kernel sizes it."""
    raw = build(tmp_path).read_bytes()
    arm64 = raw[:18] + AARCH64.to_bytes(2, "little") + raw[20:]
    assert module_elf.parse(arm64, "probe_it").core.text
    with pytest.raises(NotElf, match=r"unlikely stands behind \.plt"):
        module_elf.parse(arm64.replace(b".text\0", b".plt\0\0"), "probe_it")
    assert module_elf.parse(raw.replace(b".text\0", b".plt\0\0"), "probe_it").core.text


def test_direct_calls_have_names_or_offsets(
    tmp_path: Path,
) -> None:
    core = module_elf.load(build(tmp_path), "probe_it").core
    offsets = {found.name.decode(): found.offset for found in core.functions}
    assert core.calls[offsets["logs"] + 6] == "_printk"
    assert core.calls[offsets["outer"] + 13] == offsets["helper"]
    assert core.calls[offsets["cold"] + 5] == offsets["outer"]


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    file = module_elf.load(build(tmp_path), "probe_it")
    assert (file.name, file.srcversion) == ("probe_it", None)
    assert file.vermagic is not None
    assert file.vermagic.split()[0] == "6.1.0"


@pytest.mark.parametrize("packed", [".xz", ".gz"])
def test_a_packed_file_is_unpacked(packed: str, tmp_path: Path) -> None:
    plain = build(tmp_path)
    path = tmp_path / f"probe-it.ko{packed}"
    path.write_bytes(
        lzma.compress(plain.read_bytes()) if packed == ".xz" else gzip.compress(plain.read_bytes())
    )
    assert module_elf.load(path, "probe_it").core == module_elf.load(plain, "probe_it").core


@pytest.mark.parametrize(
    "content",
    [b"", b"\x7fELF", b"\xfd7zXZ\0broken", b"\x1f\x8bbroken", b"\x28\xb5\x2f\xfdbroken", b"x" * 99],
)
def test_a_file_that_is_no_module_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.ko"
    path.write_bytes(content)
    with pytest.raises(NoModuleFile, match=r"a\.ko"):
        module_elf.load(path, "a")


def test_a_program_is_no_module() -> None:
    with pytest.raises(NotElf, match="not a module"):
        module_elf.parse(Path("/bin/true").read_bytes(), "true")


def test_module_files_are_found_by_kernel_name(tmp_path: Path) -> None:
    (tmp_path / "kernel/drivers").mkdir(parents=True)
    for name in ("snd-hda.ko", "nic.ko.xz", "ext4.ko.zst", "readme.txt", "x.ko.bak"):
        (tmp_path / "kernel/drivers" / name).touch()
    assert set(module_files.find_module_files(tmp_path)) == {"snd_hda", "nic", "ext4"}
    assert module_files.read_modules_dep(tmp_path) == {}
    (tmp_path / "modules.dep").write_text("kernel/net/af-key.ko.gz: kernel/x.ko\n")
    assert module_files.read_modules_dep(tmp_path) == {
        "af_key": tmp_path / "kernel/net/af-key.ko.gz"
    }
    assert module_files.find_module_files(tmp_path / "missing") == {}


def test_notes_are_read_with_their_padding() -> None:
    raw = (
        b"\x04\0\0\0\x03\0\0\0\x03\0\0\0GNU\0\xab\xcd\xef\0"
        + b"\x06\0\0\0\x01\0\0\0\x01\1\0\0Linux\0\0\0\x07\0\0\0"
    )
    assert list(parse_notes(raw)) == [
        Note(b"GNU", 3, b"\xab\xcd\xef"),
        Note(b"Linux", 257, b"\x07"),
    ]
    assert find_note(raw, b"Linux", 257) == b"\x07"
    assert find_note(raw, b"Linux", 3) is None
    assert build_id(raw) == "abcdef"
    assert build_id(raw[:17]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_module_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(
        build(tmp_path).read_bytes()
        if not (tmp_path / "probe-it.ko").exists()
        else (tmp_path / "probe-it.ko").read_bytes()
    )
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(
            st.one_of(
                st.integers(0, 63),
                st.integers(0, len(raw) - 1),
                st.integers(len(raw) - 1200, len(raw) - 1),
            )
        )
        raw[at] = data.draw(st.integers(0, 255))
    content = bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        found = module_elf.parse(content, "x")
    except NotElf:
        return
    assert content.startswith(b"\x7fELF")
    assert all(function.name in content for function in found.core.functions)
