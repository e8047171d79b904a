# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON as whole runs write it: of this machine, of captures, to several sinks."""

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from klogd_py.config.output_sections import JsonSection, SinkTable, TextSection
from klogd_py.config.schema import Config
from klogd_py.config.sink_config import writes_json
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.lifecycle.running_kernel import running_kernel
from klogd_py.record.types import Entry, Machine, Record, SymbolAddress
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sinks.factory import SinkFactory
from klogd_py.sinks.formats import host_name
from klogd_py.sinks.machine_identity import MachineIdentity
from klogd_py.sinks.manager import SinkManager
from klogd_py.system.machine_id import MACHINE_ID, read_application_id
from tests.entries import WALL_US, entry, gap_entry, numbered_entries
from tests.fakes import environment
from tests.json_documents import SCHEMA_FILE, JsonDocument, read_documents

PROJECT = Path(__file__).parents[2]
KERNEL = MachineIdentity(boot_id="b" * 32, release="6.1.0", build_id="c0ffee")
FOREIGN = Entry(Record("x", 6, machine=Machine("router", "d" * 32, "5.15.0")), WALL_US, "x")


def deliver(config: Config, entries: Sequence[Entry], *, live: bool = True) -> None:
    """Give a batch to the sinks of a configuration."""

    async def run() -> int:
        cursors = CursorStore(None, "", lambda: None)
        manager = SinkManager(gap_entry, cursors.position)
        SinkFactory(manager, cursors, KERNEL, live=live).configure(config)
        manager.enqueue(entries)
        return manager.close()

    assert asyncio.run(run()) == 0


def files(*paths: Path) -> tuple[SinkTable, ...]:
    return tuple(SinkTable(type="file", path=str(path), format="json") for path in paths)


class CountingSymbol:
    """A symbol that counts how often it is written."""

    def __init__(self) -> None:
        self.times = 0

    @property
    def kernel_form(self) -> str:
        self.times += 1
        return "vfs_write+0x1d/0x40"


@pytest.mark.parametrize("names", ["a", "ab", "abcd"])
def test_entry_is_encoded_once_for_all_files(names: str, tmp_path: Path) -> None:
    symbol = CountingSymbol()
    made = Entry(Record("at ffff", 4, 3), WALL_US, "at x", (cast(SymbolAddress, symbol),))
    sinks = files(*(tmp_path / name for name in names))
    deliver(Config(sinks=sinks), [*numbered_entries(range(3)), made])
    found = [(tmp_path / name).read_bytes() for name in names]
    assert found == [found[0]] * len(names)
    assert [document["seq"] for document in read_documents(found[0])] == [0, 1, 2, 3]
    assert symbol.times == 1


def test_sinks_of_json_are_told_apart() -> None:
    tables = (*files(Path("/a")), SinkTable(type="console", format="json"))
    sinks = parse_sinks(Config(sinks=(*tables, "file:/b", "syslog", "journal")))
    assert [writes_json(sink) for sink in sinks] == [True, True, False, False, False]


def test_live_documents_describe_machine_and_kernel(tmp_path: Path) -> None:
    deliver(Config(sinks=files(tmp_path / "a")), [entry(), FOREIGN])
    own, foreign = read_documents((tmp_path / "a").read_bytes())
    assert (own["host"], own["boot_id"], own["kernel"]) == (
        host_name(),
        "b" * 32,
        {"release": "6.1.0", "build_id": "c0ffee"},
    )
    assert (foreign["host"], foreign["boot_id"]) == ("router", "d" * 32)
    assert "machine_id" not in own


def test_capture_does_not_get_this_machine(tmp_path: Path) -> None:
    config = Config(
        sinks=(*files(tmp_path / "a"), f"file:{tmp_path}/b"), json=JsonSection(machine_id=True)
    )
    deliver(config, [entry(), FOREIGN], live=False)
    unknown, foreign = read_documents((tmp_path / "a").read_bytes())
    assert not {"host", "machine_id", "boot_id", "kernel"} & {*unknown}
    assert (foreign["host"], foreign["kernel"]) == ("router", {"release": "5.15.0"})
    hosts = [line.split(" ")[1] for line in (tmp_path / "b").read_text().splitlines()]
    assert hosts == ["-", "router"]


def test_machine_id_is_written_if_wanted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(sinks=files(tmp_path / "a"), json=JsonSection(machine_id=True))
    with caplog.at_level(logging.WARNING):
        deliver(config, [entry()])
    (document,) = read_documents((tmp_path / "a").read_bytes())
    if MACHINE_ID.exists() and MACHINE_ID.read_text().strip():
        assert document["machine_id"] == read_application_id(MACHINE_ID)
        assert MACHINE_ID.read_text().strip() not in json.dumps(document)
    else:
        assert "JSON documents have no machine_id" in caplog.text


def test_files_show_kernel_stamps_if_configured(tmp_path: Path) -> None:
    config = Config(sinks=(f"file:{tmp_path}/a",), text=TextSection(kernel_stamp=True))
    deliver(config, [Entry(Record("eth0: up", 6, 1, 5_140_900), WALL_US, "eth0: up")])
    assert (tmp_path / "a").read_text().endswith(" kernel: [    5.140900] eth0: up\n")


def test_running_kernel_has_its_own_release(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    order = sys.byteorder
    header = b"".join(number.to_bytes(4, order) for number in (4, 3, 3))
    notes.write_bytes(header + b"GNU\0\xc0\xff\xee\0")
    release = os.uname().release
    assert running_kernel("b", notes) == MachineIdentity("", "", "b", release, "c0ffee")
    assert running_kernel(None, tmp_path / "missing") == MachineIdentity("", "", "", release, "")


def play(folder: Path, *options: str, log: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``klogd-py --input`` to the console."""
    (folder / "log").write_text(log)
    command = [sys.executable, "-m", "klogd_py", "--config", os.devnull, "--sink", "console"]
    return subprocess.run(
        [*command, "--input", str(folder / "log"), *options],
        env=environment(TZ="UTC0"),
        capture_output=True,
        timeout=30,
        check=True,
    )


def test_option_shows_stamps_of_a_capture(tmp_path: Path) -> None:
    date = "2026-11-23T08:13:42.123456+00:00"
    log = f"{date} a kernel: [    5.140900][    T1] eth0: up\n"
    log += f"{date} a kernel: [    5.140901] eth0: down\n"
    shown = play(tmp_path, "--kernel-stamp", log=log)
    assert [line.partition(b" kernel: ")[2] for line in shown.stdout.splitlines()] == [
        b"[    5.140900][    T1] eth0: up",
        b"[    5.140901] eth0: down",
    ]
    assert b"[" not in play(tmp_path, log=log).stdout


def test_host_of_a_syslog_file_is_kept(tmp_path: Path) -> None:
    log = (
        "2026-11-23T08:13:42.123456+00:00 router kernel: [    5.140900] eth0: up\n"
        "2026-11-23T08:13:43.123456+00:00 router kernel: [    6.140900] eth0: down\n"
    )
    documents = read_documents(play(tmp_path, "--json", log=log).stdout)
    assert [(document["host"], document["usec"]) for document in documents] == [
        ("router", 5140900),
        ("router", 6140900),
    ]
    play(tmp_path, "--sink", f"file:{tmp_path}/kern.log", log=log)
    lines = (tmp_path / "kern.log").read_text().splitlines()
    assert lines == [
        "2026-11-23T08:13:42.123456+00:00 router kernel: eth0: up",
        "2026-11-23T08:13:43.123456+00:00 router kernel: eth0: down",
    ]


def test_console_prints_json_by_the_schema(tmp_path: Path) -> None:
    log = "6,1,5140900,-;sda: ok\n SUBSYSTEM=block\n DEVICE=b8:0\n4,5,9,-;caf\\xe9\n"
    documents = read_documents(play(tmp_path, "--json", log=log).stdout)
    records = [document for document in documents if "gap" not in document]
    assert [(record["seq"], record["text"]) for record in records] == [
        (1, "sda: ok"),
        (5, "caf\\xe9"),
    ]
    assert documents[0]["device"] == {"kind": "block", "major": 8, "minor": 0}
    assert [record["time_quality"] for record in records] == ["receipt"] * 2


def test_schema_command_prints_the_shipped_file() -> None:
    command = [sys.executable, "-m", "klogd_py", "schema"]
    printed = subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert (printed.stdout, printed.stderr) == (SCHEMA_FILE.read_bytes(), b"")


def keys_of(schema: JsonDocument, whole: JsonDocument) -> set[str]:
    """The keys of a schema; those of an object in it with a dot: ``gap.first``.

    A device and a report are described elsewhere.
    """
    found = set()
    for key, value in schema["properties"].items():
        inner = whole["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
        if "properties" in inner and key not in ("device", "report"):
            found |= {f"{key}.{name}" for name in inner["properties"]}
        else:
            found.add(key)
    return found


def test_manual_page_describes_each_json_key() -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    page = (PROJECT / "docs" / "klogd-py.8").read_text()
    described = re.findall(r"^\.It .*? Ta Li (\S+) Ta ", page, re.MULTILINE)
    assert sorted(described) == sorted(keys_of(schema, schema))
