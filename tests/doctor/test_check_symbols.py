# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.doctor import check_symbols
from klogd_py.doctor.finding import Level
from tests.doctor.machines import host_of, write_machine
from tests.symbols.kernels import KALLSYMS, MAP, moved

ZEROS = b"0000000000000000 T _stext\n0000000000000000 T do_fork\n"


def test_map_proved_by_kallsyms_is_ok(tmp_path: Path) -> None:
    (finding,) = check_symbols.check_map(host_of(write_machine(tmp_path)))
    assert finding.level is Level.OK
    assert "agrees with kallsyms" in finding.words


def test_map_of_another_kernel_is_reported_refused(tmp_path: Path) -> None:
    lines = KALLSYMS.splitlines(keepends=True)
    other = b"".join([lines[0], *moved(b"".join(lines[1:]), 0x10).splitlines(keepends=True)])
    (finding,) = check_symbols.check_map(
        host_of(write_machine(tmp_path, {"boot/System.map-6.1.0": other}))
    )
    assert finding.level is Level.OK
    assert "refused" in finding.words
    assert "kallsyms is used instead" in finding.words


def test_unverified_map_is_a_warning(tmp_path: Path) -> None:
    root = write_machine(tmp_path, {"proc/kallsyms": None, "proc/cmdline": b"nokaslr\n"})
    (finding,) = check_symbols.check_map(host_of(root))
    assert finding.level is Level.WARNING
    assert "unverified" in finding.words


def test_map_without_slide_is_a_warning(tmp_path: Path) -> None:
    (finding,) = check_symbols.check_map(host_of(write_machine(tmp_path, {"proc/kallsyms": ZEROS})))
    assert finding.level is Level.WARNING
    assert "names nothing yet" in finding.words


def test_missing_map_and_kallsyms_are_an_error(tmp_path: Path) -> None:
    root = write_machine(tmp_path, {"proc/kallsyms": None, "boot/System.map-6.1.0": None})
    (finding,) = check_symbols.check_map(host_of(root))
    assert finding.level is Level.ERROR
    assert "/boot/System.map-6.1.0" in finding.remedy


@pytest.mark.parametrize(
    ("content", "level", "words"),
    [
        (KALLSYMS, Level.OK, "shows 41 symbols"),
        (ZEROS, Level.WARNING, "only zeros"),
        (None, Level.OK, "without CONFIG_KALLSYMS"),
        (b"nonsense\n", Level.WARNING, "not in the form"),
    ],
)
def test_hidden_or_invalid_kallsyms_is_a_warning(
    tmp_path: Path, content: bytes | None, level: Level, words: str
) -> None:
    (finding,) = check_symbols.check_kallsyms(
        host_of(write_machine(tmp_path, {"proc/kallsyms": content}))
    )
    assert (finding.level, words in finding.words) == (level, True)


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("etc/debian_version", "apt-get install linux-image-6.1.0-dbg"),
        ("etc/redhat-release", "dnf debuginfo-install kernel-core-6.1.0"),
        ("etc/other", "/usr/lib/debug/boot/vmlinux-6.1.0"),
    ],
)
def test_missing_vmlinux_names_command_of_distribution(
    tmp_path: Path, file: str, command: str
) -> None:
    (finding,) = check_symbols.check_debug_info(host_of(write_machine(tmp_path, {file: b"12\n"})))
    assert (finding.level, command in finding.remedy) == (Level.WARNING, True)


def test_invalid_vmlinux_is_refused_with_reason(tmp_path: Path) -> None:
    (finding,) = check_symbols.check_debug_info(
        host_of(write_machine(tmp_path, {"boot/vmlinux-6.1.0": b""}))
    )
    assert "vmlinux-6.1.0 refused: empty" in finding.words


def test_proved_vmlinux_is_debug_information(tmp_path: Path) -> None:
    (finding,) = check_symbols.check_debug_info(
        host_of(write_machine(tmp_path, {"boot/vmlinux-6.1.0": MAP}))
    )
    assert finding.level is Level.OK


def test_placeholder_of_debian_leads_to_package(tmp_path: Path) -> None:
    text = b"ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n"
    root = write_machine(tmp_path, {"proc/kallsyms": None, "boot/System.map-6.1.0": text})
    (finding,) = check_symbols.check_map(host_of(root))
    assert finding.level is Level.ERROR
    assert finding.remedy == "apt-get install linux-image-6.1.0-dbg"
