# SPDX-License-Identifier: GPL-2.0-or-later
"""Each option of the command line changes exactly what it names."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from klogd_py.cli.commands import KLOGD_PY
from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.parser import parse
from klogd_py.config.run_options import Capture, RunOptions
from klogd_py.config.schema import Config
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.record.selection import Following, Selection
from klogd_py.sources import proc_kmsg
from tests.needs import needs_console_level
from tests.test_documents import options_of

PRINTK = Path("/proc/sys/kernel/printk")

# What an option changes in the configuration, key by key.
IN_CONFIGURATION: dict[tuple[str, ...], dict[str, object]] = {
    ("--style", "append"): {"translate.style": "append"},
    ("-x",): {"translate.style": "off"},
    ("--no-translate",): {"translate.style": "off"},
    ("-2",): {"translate.duplicate_raw": True},
    ("--duplicate-raw",): {"translate.duplicate_raw": True},
    ("-p",): {"translate.reload_on_oops": True},
    ("--reload-on-oops",): {"translate.reload_on_oops": True},
    ("--resymbolize",): {"translate.resymbolize": True},
    ("--sink", "console", "--sink", "file:/x"): {"sinks": ["console", "file:/x"]},
    ("-f", "/x"): {"sinks": ["file:/x"], "file.format": "klogd"},
    ("--file", "-"): {"sinks": ["file:-"], "file.format": "klogd"},
    ("--json",): {"console.json": True},
    ("--kernel-stamp",): {"text.kernel_stamp": True},
    ("-s",): {"input.source": "syslog"},
    ("--syscall",): {"input.source": "syslog"},
    ("-c", "5"): {"console_level": 5},
    ("--console-level", "5"): {"console_level": 5},
    ("--user", "nobody"): {"user": "nobody"},
    ("-d",): {"log.level": "debug"},
    ("--debug",): {"log.level": "debug"},
    ("--log-level", "error"): {"log.level": "error"},
    ("-k", "/x"): {"symbols.map": "/x"},
    ("--map", "/x"): {"symbols.map": "/x"},
    ("--kallsyms", "/x"): {"symbols.kallsyms": "/x"},
    ("--modules", "/x"): {"symbols.modules": "/x"},
    ("--module-files", "/x"): {"symbols.module_files": "/x"},
}
# What an option changes in the options of the run alone.
IN_RUN: dict[tuple[str, ...], dict[str, object]] = {
    ("--input", "-"): {"capture": Capture(("-",)), "prints_by_default": True},
    ("--input", "-", "--input-format", "dmesg"): {
        "capture": Capture(("-",), "dmesg"),
        "prints_by_default": True,
    },
    **{
        words: {"selection": selection, "sinks": ("console",)}
        for words, selection in (
            (("-l", "err"), Selection(levels=frozenset((3,)))),
            (("--level", "err"), Selection(levels=frozenset((3,)))),
            (("--facility", "user"), Selection(facilities=frozenset((1,)))),
            (("-S", "@5"), Selection(since_us=5_000_000)),
            (("--since", "@5"), Selection(since_us=5_000_000)),
            (("-U", "@5"), Selection(until_us=5_000_000)),
            (("--until", "@5"), Selection(until_us=5_000_000)),
            (("-g", "x"), Selection(grep="x")),
            (("--grep", "x"), Selection(grep="x")),
            (("-w",), Selection(following=Following.ALL)),
            (("--follow",), Selection(following=Following.ALL)),
            (("-W",), Selection(following=Following.NEW)),
            (("--follow-new",), Selection(following=Following.NEW)),
        )
    },
    **{
        ("--input", "-", flag, "1"): {
            "capture": Capture(("-",)),
            "prints_by_default": True,
            "selection": Selection(boot=1),
        }
        for flag in ("-b", "--boot")
    },
    ("-o",): {"once": True},
    ("--once",): {"once": True},
    ("--slide", "0x1a000000"): {"symbols": SymbolOptions(slide=0x1A000000)},
    ("--root", "/x"): {"symbols": SymbolOptions(root="/x")},
    ("--release", "6.1.0"): {"symbols": SymbolOptions(release="6.1.0")},
    ("--live",): {"symbols": SymbolOptions(live=True)},
    ("--no-resymbolize",): {"keys": {"translate.resymbolize": False}},
}
# Options that the program carries out before a run, or of one command; tested with the program.
ELSEWHERE = {"-h", "--help", "-v", "--version", "--config", "--pid-file", "-i", "-I", "--socket"}


def flattened(content: dict[str, object], table: str = "") -> Iterator[tuple[str, object]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{table}{key}.")
        else:
            yield f"{table}{key}", value


def options_from(folder: Path, words: tuple[str, ...]) -> RunOptions:
    config = folder / "klogd-py.toml"
    config.touch()
    return to_run_options(parse(KLOGD_PY, ["--config", str(config), *words]).line)


def as_keys(config: Config) -> dict[str, object]:
    return dict(flattened(msgspec.json.decode(msgspec.json.encode(config))))


def test_every_option_of_the_help_is_listed() -> None:
    words = {word for given in (*IN_CONFIGURATION, *IN_RUN) for word in given}
    assert {word for word in words if word.startswith("-") and word != "-"} == (
        options_of("klogd-py") - ELSEWHERE
    )
    assert options_of("klogd-py") >= ELSEWHERE


@pytest.mark.parametrize("words", IN_CONFIGURATION, ids=" ".join)
def test_option_changes_only_its_keys(words: tuple[str, ...], tmp_path: Path) -> None:
    found = as_keys(options_from(tmp_path, words).load_config())
    plain = as_keys(options_from(tmp_path, ()).load_config())
    changed = {key: value for key, value in found.items() if plain.get(key) != value}
    assert changed == IN_CONFIGURATION[words]


@pytest.mark.parametrize("words", IN_RUN, ids=" ".join)
def test_option_changes_only_its_run(words: tuple[str, ...], tmp_path: Path) -> None:
    found = msgspec.structs.asdict(options_from(tmp_path, words))
    plain = msgspec.structs.asdict(options_from(tmp_path, ()))
    assert {key: value for key, value in found.items() if plain[key] != value} == IN_RUN[words]


@needs_console_level
def test_console_level_is_set_in_the_kernel() -> None:
    before = int(PRINTK.read_text().split()[0])
    other = before % 8 + 1
    try:
        proc_kmsg.set_console_level(other)
        assert int(PRINTK.read_text().split()[0]) == other
    finally:
        PRINTK.write_text(str(before))
