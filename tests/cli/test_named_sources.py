# SPDX-License-Identifier: GPL-2.0-or-later
"""A source of symbols that is named must be there; another release is another kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.cli.output import wrap_remark
from tests.fakes import environment

TEXT = "RIP: 0010:[<ffffffff81000010>]\n"
MAP = "ffffffff81000000 T _text\nffffffff81000000 T start_kernel\nffffffff81100000 T _etext\n"
OTHER = "2.6.21-other"
CONFIG = '[symbols]\nsearch = ["{place}/System.map-{{release}}"]\nmodule_files = ""\n'


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose maps are searched in ``place`` only."""
    config = place / "klogd-py.toml"
    config.write_text(CONFIG.format(place=place))
    return subprocess.run(
        [sys.executable, "-m", "klogd_py", words[0], "--config", str(config), *words[1:]],
        input=TEXT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", [("translate",), ("lookup", "vfs_write"), ("maps",)])
@pytest.mark.parametrize("option", ["--root", "--map", "--kallsyms", "--modules", "--module-files"])
def test_named_source_that_is_missing_is_an_error(
    tmp_path: Path, option: str, command: tuple[str, ...]
) -> None:
    done = run(tmp_path, *command, option, "/nowhere")
    kind = "directory" if option in ("--root", "--module-files") else "file"
    assert f"klogd-py: /nowhere: no such {kind}\n" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("option", ["--root", "--module-files"])
def test_file_in_place_of_directory_is_an_error(tmp_path: Path, option: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = run(tmp_path, "translate", option, str(file))
    assert (done.returncode, done.stdout) == (1, TEXT)
    assert done.stderr == f"klogd-py: {file}: not a directory\n"


@pytest.mark.parametrize("option", ["--map", "--kallsyms", "--modules"])
def test_directory_in_place_of_file_is_an_error(tmp_path: Path, option: str) -> None:
    done = run(tmp_path, "translate", option, str(tmp_path))
    assert (done.returncode, done.stdout) == (1, TEXT)
    assert "a directory, not a regular file" in done.stderr


@pytest.mark.parametrize("words", [(), ("--slide", "0x1000000"), ("--release", OTHER)])
def test_translate_without_symbols_says_what_to_type(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = run(tmp_path, "translate", *words)
    assert (done.returncode, done.stdout) == (0, TEXT)
    remark = "no symbols were named: type --map FILE, or --live for a log of this machine"
    assert done.stderr == f"klogd-py: {remark}\n"


def test_lookup_of_other_release_names_nothing_here(tmp_path: Path) -> None:
    done = run(tmp_path, "lookup", "--release", OTHER, "vfs_write")
    assert (done.returncode, done.stdout) == (1, "vfs_write  -  no symbols are loaded\n")
    assert f"no symbols of Linux {OTHER} are here: name its map with --map FILE" in done.stderr


def test_lookup_of_other_release_uses_its_map(tmp_path: Path) -> None:
    (tmp_path / f"System.map-{OTHER}").write_text(MAP)
    done = run(tmp_path, "lookup", "--release", OTHER, "start_kernel")
    assert (done.returncode, done.stdout.split()[0]) == (0, "0xffffffff81000000")


def test_maps_of_other_release_shows_every_place(tmp_path: Path) -> None:
    done = run(tmp_path, "maps", "--release", OTHER)
    assert done.returncode == 0
    assert f"missing  {tmp_path}/System.map-{OTHER}  no such file" in done.stdout
    assert f"note: no symbols of Linux {OTHER} are here" in done.stdout
    assert "kallsyms  not used" in done.stdout


@pytest.mark.parametrize("command", [("translate",), ("lookup", "vfs_write"), ("maps",)])
def test_live_with_another_release_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = run(tmp_path, *command, "--live", "--release", OTHER)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--live means the running kernel, which is not Linux {OTHER}" in done.stderr


def test_live_with_the_running_release_is_accepted(tmp_path: Path) -> None:
    done = run(tmp_path, "translate", "--live", "--release", os.uname().release)
    assert "--live means" not in done.stderr


def test_slide_within_a_page_is_never_used(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(MAP.replace("ffffffff8", "000000008"))
    done = run(tmp_path, "translate", "--map", str(tmp_path / "map"), "--slide", "0x123")
    assert done.returncode == 1
    assert done.stderr.count("--slide is not used: 0x123 is no multiple of 0x1000") == 1


def test_unused_slide_is_told_in_narrow_lines(tmp_path: Path) -> None:
    (tmp_path / "map").write_text(MAP)
    options = ("--map", str(tmp_path / "map"), "--slide", "0x123")
    for command in (("translate", "--style", "replace"), ("lookup", "0xffffffff81001010")):
        done = run(tmp_path, *command, *options)
        assert done.stderr.count("0x123") == 1
        assert max(map(len, done.stderr.splitlines())) <= 80


def test_long_remark_goes_on_indented() -> None:
    words = "slide 0x1a000000, inferred: " + "26 calls before its return addresses " * 4
    first, *others = wrap_remark(words)
    assert " ".join([first, *map(str.strip, others)]) == words.strip()
    assert all(len(f"klogd-py: {part}") <= 80 for part in (first, *others))
    assert all(part.startswith("  ") for part in others)
    path = f"/boot/System.map: {words}"
    assert wrap_remark(path) == [path]


def test_missing_source_hides_no_other_error(tmp_path: Path) -> None:
    """The path of the missing file begins that of the bad one; another has a colon."""
    bad = tmp_path / "bad.map"
    bad.write_text("nonsense\n")
    missing = tmp_path / "ba"
    done = run(
        tmp_path, "lookup", "ffffffff81000010", "--modules", str(missing), "--kallsyms", str(bad)
    )
    assert done.stderr.count(f"{missing}: no such file") == 1
    assert str(bad) in done.stderr
    with_colon = run(tmp_path, "lookup", "ffffffff81000010", "--map", f"{tmp_path}/a:b")
    assert with_colon.stderr.count("no such file") == 1
