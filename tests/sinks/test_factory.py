# SPDX-License-Identifier: GPL-2.0-or-later
"""Sinks are built as configured, and keep their names and positions."""

import asyncio
import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from klogd_py.config.output_sections import FileSection, SinkTable
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config, StateSection
from klogd_py.config.sink_config import (
    ConsoleSinkConfig,
    FileSinkConfig,
    JournalSinkConfig,
    QueueSettings,
    SinkConfig,
    SyslogSinkConfig,
)
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.daemon import Daemon
from klogd_py.sinks.cursor_file import boot_id
from klogd_py.sinks.cursor_store import CursorStore
from klogd_py.sinks.drop_policy import QueueLimits, WhenFull
from klogd_py.sinks.factory import SinkFactory, build_sink, queue_limits
from klogd_py.sinks.file_format import LineSettings
from klogd_py.sinks.journald_routing import JournaldRouting
from klogd_py.sinks.machine_identity import MachineIdentity
from klogd_py.sinks.manager import SinkManager
from klogd_py.system.privileges import User
from tests.end_to_end.program import lines_of
from tests.entries import entry, gap_entry, numbered_entries
from tests.fakes import FakeRing
from tests.json_documents import read_documents
from tests.needs import needs_other_users
from tests.sockets import DatagramListener

QUEUE = QueueSettings(64, "drop")
TIMEOUT_S = 10


@pytest.mark.parametrize(
    ("config", "keeps_position", "is_blocking"),
    [
        (ConsoleSinkConfig("console", QUEUE, False, "auto"), False, True),
        (FileSinkConfig("kern", QUEUE, "/x", "text", 0o640), True, False),
        (FileSinkConfig("file:-", QUEUE, "-", "text", 0o640), False, True),
        (SyslogSinkConfig("remote", QUEUE, "/x"), True, False),
        (JournalSinkConfig("journal", QUEUE, None), True, True),
        (JournalSinkConfig("second", QUEUE, "/x"), True, False),
    ],
)
def test_built_sink_has_the_configured_name(
    config: SinkConfig, keeps_position: bool, is_blocking: bool
) -> None:
    sink = build_sink(config, LineSettings(), JournaldRouting())
    assert (sink.name, sink.keeps_position, sink.blocking) == (
        config.name,
        keeps_position,
        is_blocking,
    )


def test_two_files_differ_in_format_and_mode(tmp_path: Path) -> None:
    configs = (
        FileSinkConfig("a", QUEUE, str(tmp_path / "a"), "json", 0o600),
        FileSinkConfig("b", QUEUE, str(tmp_path / "b"), "klogd", 0o604),
    )
    for config in configs:
        with closing(build_sink(config, LineSettings(), JournaldRouting())) as sink:
            assert sink.send([entry("eth0: up", prefix=4)]) == 1
    (document,) = read_documents((tmp_path / "a").read_bytes())
    assert document["text"] == "eth0: up"
    assert (tmp_path / "b").read_text() == "<4>eth0: up\n"
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o600, 0o604]


def test_named_syslog_without_socket_is_routed(tmp_path: Path) -> None:
    with DatagramListener(tmp_path / "log") as log:
        routing = JournaldRouting(syslog_path=str(log.path))
        config = SyslogSinkConfig("kern", QUEUE, None)
        with closing(build_sink(config, LineSettings(), routing)) as sink:
            assert sink.send(numbered_entries(range(2))) == 2
        assert len(log.read()) == 2


def test_only_the_running_kernel_lets_records_drop() -> None:
    config = SyslogSinkConfig("syslog:/x", QUEUE, "/x")
    assert queue_limits(config, live=True) == QueueLimits(64 << 10, WhenFull.DROP)
    assert queue_limits(config, live=False) == QueueLimits(64 << 10, WhenFull.WAIT)


def test_limits_of_sinks_come_from_their_tables() -> None:
    (first, second) = parse_sinks(Config(sinks=("syslog", "file:/x")))
    assert queue_limits(first, live=True) == queue_limits(second, live=True)
    assert queue_limits(first, live=True) == QueueLimits(8192 << 10, WhenFull.WAIT)


@needs_other_users
def test_preopened_files_have_modes_of_their_own(tmp_path: Path) -> None:
    first = SinkTable(type="file", path=str(tmp_path / "a"), mode="0600")
    config = Config(
        sinks=(first, f"file:{tmp_path}/b", "file:-", "syslog"),
        file=FileSection(mode="0604"),
        state=StateSection(cursor_file=""),
    )
    cursors = CursorStore(None, "", lambda: None)
    manager = SinkManager(gap_entry, cursors.position)
    SinkFactory(manager, cursors, MachineIdentity(), live=True).preopen(
        User("nobody", 65534, 65534), config
    )
    found = [(path.name, path.owner(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()]
    assert sorted(found) == [("a", "nobody", 0o600), ("b", "nobody", 0o604)]


class Machine:
    """Runs of the daemon in one directory, with a ring of records and a cursor file."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "kern.log"
        self._cursors = folder / "position.json"
        self._config = folder / "k.toml"
        self._ring = FakeRing()
        self._count = 0

    def configure(self, sinks: str) -> None:
        """Write the configuration with these lines about sinks, behind the other keys."""
        self._config.write_text(
            f'state.cursor_file = "{self._cursors}"\nstatus.socket = ""\nwatch.files = false\n'
            f'watch.modules = false\nsymbols.kallsyms = ""\nsymbols.search = []\n{sinks}\n'
        )

    def save_cursors(self, positions: dict[str, int]) -> None:
        """Write a cursor file as versions without tables of sinks did."""
        self._cursors.write_text(json.dumps({"boot_id": boot_id(), "next": positions}))

    def run(self, records: int, sinks: str, *reloads: str) -> list[str]:
        """Run a daemon with ``records`` more in the ring; after each reload come two more.

        Returns the names of its sinks in the end, as the status has them.
        """
        self.configure(sinks)
        # A daemon closes its source, so each has a ring of its own, with the same records.
        self._ring = FakeRing()
        self._ring.log(self._count + records)

        async def run() -> list[str]:
            daemon = Daemon(RunOptions(config_path=str(self._config)), self._ring.device)
            running = asyncio.create_task(daemon.run())
            await self._until_delivered(daemon)
            for text in reloads:
                self.configure(text)
                await daemon.reactions.reloader.reload("test")
                self._ring.log(2)
                await self._until_delivered(daemon)
            status = daemon.reporting.status_builder.build(daemon.symbol_manager.symbols)
            names = [sink.name for sink in status.sinks]
            daemon.stop()
            await running
            self._count = self._ring.next_seq
            return names

        return asyncio.run(run())

    async def _until_delivered(self, daemon: Daemon) -> None:
        manager = daemon.flow.sink_manager
        async with asyncio.timeout(TIMEOUT_S):
            while {position.next_seq for position in manager.positions.values()} != {
                self._ring.next_seq
            }:
                await asyncio.sleep(0.01)
            # A console has no position, and its thread may be behind the files.
            await manager.wait_until_drained()


@pytest.fixture
def machine(tmp_path: Path, signals_as_before: None) -> Machine:
    return Machine(tmp_path)


def seqs(lines: list[str]) -> list[int]:
    """Return the numbers of records in lines of any format."""
    return [int(number) for line in lines for number in re.findall(r"record (\d+)", line)]


def test_cursor_file_of_the_version_before_continues(machine: Machine) -> None:
    name = f"file:{machine.log}"
    machine.save_cursors({name: 3, "syslog:/dev/log": 5})
    table = f'[[sinks]]\ntype = "file"\npath = "{machine.log}"\nformat = "json"'
    assert machine.run(6, table) == [name]
    assert seqs(lines_of(machine.log)) == [3, 4, 5]


def test_sink_that_becomes_a_table_keeps_position(machine: Machine) -> None:
    shorthand = f'sinks = ["file:{machine.log}"]'
    table = f'[[sinks]]\ntype = "file"\npath = "{machine.log}"\nqueue_kib = 64'
    for sinks in (shorthand, table, shorthand):
        assert machine.run(3, sinks) == [f"file:{machine.log}"]
    assert seqs(lines_of(machine.log)) == list(range(9))


def test_sink_that_gets_a_name_keeps_position(machine: Machine) -> None:
    shorthand = f'sinks = ["file:{machine.log}"]'
    named = f'[[sinks]]\nname = "kern"\ntype = "file"\npath = "{machine.log}"'
    assert machine.run(3, shorthand, named) == ["kern"]
    assert machine.run(3, named) == ["kern"]
    assert seqs(lines_of(machine.log)) == list(range(8))
    # In the other direction nothing tells which name it had.
    assert machine.run(0, shorthand) == [f"file:{machine.log}"]
    assert seqs(lines_of(machine.log)) == [*range(8), *range(8)]


def test_format_changes_at_reload_without_a_loss(machine: Machine) -> None:
    table = f'[[sinks]]\nname = "kern"\ntype = "file"\npath = "{machine.log}"\nformat = '
    assert machine.run(3, f'{table}"klogd"', f'{table}"json"', f'{table}"text"') == ["kern"]
    lines = lines_of(machine.log)
    assert seqs(lines) == list(range(7))
    assert [line[:1] for line in lines[:5]] == ["<", "<", "<", "{", "{"]
    assert [" kernel: record " in line for line in lines[5:]] == [True, True]


def test_named_sink_moves_to_another_type(machine: Machine, tmp_path: Path) -> None:
    file = f'[[sinks]]\nname = "kern"\ntype = "file"\npath = "{machine.log}"'
    with DatagramListener(tmp_path / "log") as log:
        socket = f'[[sinks]]\nname = "kern"\ntype = "syslog"\nsocket = "{log.path}"'
        assert machine.run(3, file, socket, file) == ["kern"]
        received = [datagram.decode() for datagram in log.read()]
    assert (seqs(lines_of(machine.log)), seqs(received)) == ([0, 1, 2, 5, 6], [3, 4])


@pytest.mark.parametrize("stays", [True, False], ids=["beside a file", "beside one that is read"])
def test_file_after_standard_output_gets_the_ring(
    stays: bool, machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    # If the other sink comes back together with the console, the ring is read again for it.
    other = '[[sinks]]\nname = "file:/dev/null"\n'
    stdout = f'{other}[[sinks]]\nname = "out"\ntype = "console"'
    file = f'[[sinks]]\nname = "out"\ntype = "file"\npath = "{machine.log}"'
    file = f"{other}{file}" if stays else file
    names = machine.run(3, stdout, file, stdout, file)
    assert names == (["file:/dev/null", "out"] if stays else ["out"])
    # Each time it is the console it shows the log from there on.
    assert seqs(capfd.readouterr().out.splitlines()) == [0, 1, 2, 5, 6]
    assert seqs(lines_of(machine.log)) == list(range(9))


def test_sink_added_at_reload_gets_the_ring(machine: Machine, tmp_path: Path) -> None:
    first, second = (f'[[sinks]]\nname = "file:{tmp_path}/{name}"\n' for name in "ab")
    assert machine.run(3, first, first + second, second) == [f"file:{tmp_path}/b"]
    assert seqs(lines_of(tmp_path / "a")) == list(range(5))
    assert seqs(lines_of(tmp_path / "b")) == list(range(7))
