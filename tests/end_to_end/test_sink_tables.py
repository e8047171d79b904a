# SPDX-License-Identifier: GPL-2.0-or-later
"""Drop-ins add files in formats of their own, also while the daemon runs."""

import signal
from pathlib import Path

import pytest

from tests.end_to_end.program import Program, configure, lines_of
from tests.json_documents import read_document
from tests.waiting import wait_until


def write_drop_in(folder: Path, name: str, file: Path, format: str) -> None:
    path = folder / "klogd-py.toml.d" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'[[sinks]]\ntype = "file"\npath = "{file}"\nformat = "{format}"\n')


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one file, to which two drop-ins add a file each."""
    write_drop_in(tmp_path, "10-json.toml", tmp_path / "kern.json", "json")
    write_drop_in(tmp_path, "20-klogd.toml", tmp_path / "kern.klogd", "klogd")
    return configure(tmp_path, f'sinks = ["file:{tmp_path}/kern.log"]\nwatch.files = false\n')


def test_drop_ins_add_files_of_different_formats(tmp_path: Path, config: Path) -> None:
    log, as_json, as_klogd, late = (
        tmp_path / f"kern.{suffix}" for suffix in ("log", "json", "klogd", "late")
    )
    with Program(tmp_path, "--input", "-", config=config) as program:
        program.feed("<4>[    1.000000] first\n")
        wait_until(lambda: all(map(lines_of, (log, as_json, as_klogd))), "the first line")
        # One file gets another format, one is removed, one is new.
        write_drop_in(tmp_path, "10-json.toml", as_json, "klogd")
        (tmp_path / "klogd-py.toml.d" / "20-klogd.toml").unlink()
        write_drop_in(tmp_path, "30-late.toml", late, "json")
        program.send(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        program.feed("<4>[    2.000000] second\n")
        program.end_of_input()
        assert program.wait() == 0
    assert [line.partition(" kernel: ")[2] for line in lines_of(log)] == ["first", "second"]
    first, second = lines_of(as_json)
    assert (read_document(first)["text"], second) == ("first", "<4>[    2.000000] second")
    assert lines_of(as_klogd) == ["<4>[    1.000000] first"]
    assert [read_document(line)["text"] for line in lines_of(late)] == ["second"]


def test_wrong_drop_in_leaves_the_sinks_in_use(tmp_path: Path, config: Path) -> None:
    with Program(tmp_path, "--input", "-", config=config) as program:
        (tmp_path / "klogd-py.toml.d" / "30.toml").write_text(
            '[[sinks]]\ntype = "journal"\nformat = "json"\n'
        )
        program.send(signal.SIGHUP)
        program.wait_for_log("30.toml: key sinks[0].format: the journal has no format")
        program.feed("<4>[    1.000000] first\n")
        program.end_of_input()
        assert program.wait() == 0
    files = [tmp_path / f"kern.{suffix}" for suffix in ("log", "json", "klogd")]
    assert [len(lines_of(file)) for file in files] == [1, 1, 1]
