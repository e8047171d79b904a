# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration files are read in order, merged and checked, and refused in one line."""

import os
import socket
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from klogd_py.config import loader
from klogd_py.config.errors import BadConfig
from klogd_py.config.schema import Config
from tests.needs import needs_other_users


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sink = 1", "unknown key sink; expected one of: sinks, console_level, user, input"),
        (
            'sinks = ["foo"]',
            "key sinks: expected console, file:PATH, syslog[:SOCKET] "
            "or journal[:SOCKET], got 'foo'",
        ),
        ('sinks = ["file:"]', "key sinks: expected console, file:PATH"),
        (
            '[translate]\nstile = "x"',
            "unknown key translate.stile; expected one of: "
            "style, resymbolize, duplicate_raw, join_continuations, reload_on_oops",
        ),
        (
            '[translate]\nstyle = "x"',
            "key translate.style: expected 'replace', 'append' or 'off', got 'x'",
        ),
        ("sinks = 1", "key sinks: expected a list, got a whole number"),
        (
            '[sinks]\ntype = "console"',
            "key sinks: expected a list, or tables that each begin with [[sinks]], got a table",
        ),
        ("sinks = [1]", "key sinks[0]: expected a string or a table, got a whole number"),
        (
            '[queue]\nlimit_kib = "a"',
            "key queue.limit_kib: expected a whole number, got a string",
        ),
        ("[queue]\nlimit_kib = 1", "key queue.limit_kib: expected 64 to 1048576, got 1"),
        ("input = 3", "key input: expected a table, got a whole number"),
        ("console_level = 9", "key console_level: expected 0 (leave it alone) or 1 to 8, got 9"),
        ('[file]\nmode = "rw"', "key file.mode: expected an octal mode"),
        (
            "[translate\n",
            "not TOML: Expected ']' at the end of a table declaration (at line 1, column 11)",
        ),
    ],
)
def test_wrong_key_is_named_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(BadConfig) as raised:
        loader.parse(text.encode(), "/etc/x.toml")
    assert str(raised.value).startswith(f"/etc/x.toml: {message}")


def test_bytes_outside_utf8_are_not_toml() -> None:
    with pytest.raises(BadConfig, match="not TOML"):
        loader.parse(b"\xff\xfe", "x")


def test_missing_files_mean_the_defaults(tmp_path: Path) -> None:
    assert loader.load(tmp_path / "none.toml") == Config()


def test_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"none\.toml: no such file"):
        loader.load(tmp_path / "none.toml", must_exist=True)


def test_drop_ins_override_in_order_of_names(tmp_path: Path) -> None:
    main = tmp_path / "klogd-py.toml"
    main.write_text('sinks = ["console"]\n[translate]\nstyle = "off"\nduplicate_raw = true\n')
    (tmp_path / "klogd-py.toml.d").mkdir()
    (tmp_path / "klogd-py.toml.d" / "20.toml").write_text('[translate]\nstyle = "append"\n')
    (tmp_path / "klogd-py.toml.d" / "10.toml").write_text('[translate]\nstyle = "replace"\n')
    (tmp_path / "klogd-py.toml.d" / "30.conf").write_text("not read")
    loaded = loader.load(main)
    assert (loaded.sinks, loaded.translate.style, loaded.translate.duplicate_raw) == (
        ("console",),
        "append",
        True,
    )


def test_error_in_a_drop_in_names_it(tmp_path: Path) -> None:
    main = tmp_path / "klogd-py.toml"
    (tmp_path / "klogd-py.toml.d").mkdir()
    (tmp_path / "klogd-py.toml.d" / "x.toml").write_text("nonsense = 1")
    with pytest.raises(BadConfig, match=r"klogd-py\.toml\.d/x\.toml: unknown key nonsense"):
        loader.load(main)


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def write_bytes(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


OTHER_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "FIFO": (os.mkfifo, "a FIFO, not a regular file"),
    "directory": (os.mkdir, "a directory, not a regular file"),
    "socket": (bind_socket, "a socket, not a regular file"),
    "device": (
        lambda path: os.symlink("/dev/zero", path),
        "a character device, not a regular file",
    ),
    "link to itself": (
        lambda path: os.symlink(path.name, path),
        "Too many levels of symbolic links",
    ),
    "link to nothing": (
        lambda path: os.symlink("elsewhere", path),
        "a symbolic link that leads nowhere",
    ),
    "terabyte": (make_sparse, "larger than 64 KiB, which is the limit"),
    "binary": (
        lambda path: write_bytes(path, bytes(range(256))),
        "not TOML: expected text in UTF-8, got byte 0x80",
    ),
    "long number": (
        lambda path: write_bytes(path, b"user = " + b"9" * 5000),
        "not TOML: a number or a key of more than",
    ),
}


@pytest.fixture
def main(tmp_path: Path) -> Path:
    """A valid configuration with a drop-in directory."""
    (tmp_path / "k.toml.d").mkdir()
    path = tmp_path / "k.toml"
    path.write_text("user = 'nobody'\n")
    return path


def refusal(main: Path) -> str:
    """The message with which a configuration is refused, within five seconds."""
    began_s = time.monotonic()
    with pytest.raises(BadConfig) as raised:
        loader.load(main, must_exist=True)
    assert time.monotonic() - began_s < 5
    assert str(raised.value).isprintable()
    return str(raised.value)


@pytest.mark.parametrize("kind", OTHER_FILES)
@pytest.mark.parametrize("place", ["k.toml", "k.toml.d/x.toml"])
def test_file_of_another_kind_is_refused(main: Path, kind: str, place: str) -> None:
    make, reason = OTHER_FILES[kind]
    path = main.parent / place
    path.unlink(missing_ok=True)
    make(path)
    assert refusal(main).startswith(f"{path}: {reason}")


def test_dev_null_counts_as_empty_file(main: Path) -> None:
    assert loader.load(Path(os.devnull), must_exist=True) == Config()
    (main.parent / "k.toml.d" / "x.toml").symlink_to(os.devnull)
    assert loader.load(main).user == "nobody"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.touch, "expected a directory of drop-ins"),
        (os.mkfifo, "expected a directory of drop-ins"),
        (lambda path: os.symlink(path.name, path), "Too many levels of symbolic links"),
        (lambda path: os.symlink("elsewhere", path), "a symbolic link that leads nowhere"),
    ],
    ids=["file", "FIFO", "link to itself", "link to nothing"],
)
def test_drop_in_path_must_be_a_directory(
    main: Path, make: Callable[[Path], None], reason: str
) -> None:
    place = main.parent / "k.toml.d"
    place.rmdir()
    make(place)
    assert refusal(main) == f"{place}: {reason}"


@pytest.mark.parametrize(
    ("count", "name", "reason"),
    [(65, "{}.toml", "more than 64 drop-ins"), (4097, "{}.conf", "more than 4096 files")],
)
def test_too_many_drop_ins_are_refused(main: Path, count: int, name: str, reason: str) -> None:
    for number in range(count):
        (main.parent / "k.toml.d" / name.format(number)).touch()
    assert refusal(main) == f"{main.parent}/k.toml.d: {reason}"


def test_too_many_bytes_in_all_are_refused(main: Path) -> None:
    for number in range(5):
        (main.parent / "k.toml.d" / f"{number}.toml").write_text("#\n" * 32000)
    assert "4.toml: with the files before it larger than 256 KiB" in refusal(main)


@pytest.mark.parametrize("name", [b"\xff.toml", b"a\nb.toml", b"\x1b[31m.toml"])
def test_unprintable_drop_in_name_is_refused(main: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(main.parent / "k.toml.d") + b"/" + name)).touch()
    assert "expected a name of printable characters in UTF-8" in refusal(main)


def test_every_change_changes_the_version_of_files(main: Path) -> None:
    drop_in = main.parent / "k.toml.d" / "x.toml"
    seen = [loader.read_version(main)]
    for change in (
        lambda: drop_in.write_text("user = 'root'\n"),
        lambda: drop_in.write_text("user = 'toor'\n"),
        lambda: drop_in.unlink(),
        lambda: main.write_text(""),
        lambda: main.unlink(),
    ):
        # Longer than the granularity of a file's modification time
        time.sleep(0.02)
        change()
        assert loader.read_version(main) == loader.read_version(main)
        seen.append(loader.read_version(main))
    assert all(before != after for before, after in pairwise(seen))
    (main.parent / "k.toml.d").rmdir()
    (main.parent / "k.toml.d").touch()
    now = loader.read_version(main)
    assert now is not None
    assert now.error is not None
    assert now != seen[-1]


@needs_other_users
def test_inaccessible_files_have_no_known_version(main: Path) -> None:
    main.parent.chmod(0o700)
    os.seteuid(65534)
    try:
        assert loader.read_version(main) is None
    finally:
        os.seteuid(0)


def test_hidden_drop_ins_are_ignored(main: Path) -> None:
    # The lock file of an editor
    (main.parent / "k.toml.d" / ".#x.toml").symlink_to("user@host.4711:1")
    assert loader.load(main).user == "nobody"


def test_drop_ins_may_vanish_while_loading(main: Path) -> None:
    drop_in, stopping = main.parent / "k.toml.d" / "x.toml", threading.Event()

    def flap() -> None:
        while not stopping.is_set():
            drop_in.write_text("user = 'root'\n")
            drop_in.unlink()

    flapping = threading.Thread(target=flap)
    flapping.start()
    try:
        users = {loader.load(main).user for _ in range(500)}
    finally:
        stopping.set()
        flapping.join()
    assert users <= {"nobody", "root"}
