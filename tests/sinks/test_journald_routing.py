# SPDX-License-Identifier: GPL-2.0-or-later
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from klogd_py.config.schema import Config
from klogd_py.config.sink_config import SinkConfig
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.record.types import Cause
from klogd_py.sinks.factory import build_sink
from klogd_py.sinks.file_format import LineSettings
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.journald_routing import (
    DUPLICATES,
    FORWARDED_TWICE,
    FORWARDS_ADDITIONS,
    SOCKET,
    SYSLOG_LEFT_OUT,
    SYSLOGD,
    Journald,
    JournaldRouting,
    JournalMode,
    choose,
    detect,
    reads_kernel,
)
from klogd_py.sinks.local_syslog import SyslogSink
from tests.entries import PLACE, entry, lost_entry, numbered_entries
from tests.sockets import DatagramListener, JournalListener

READS = Journald(running=True, reads_kernel=True, has_dev_log=True)
FEEDS = Journald(
    running=True, reads_kernel=True, has_dev_log=True, syslogd="/run/systemd/journal/syslog"
)
IGNORES_KERNEL = Journald(running=True, has_dev_log=True)


def sinks(*shorthands: str) -> tuple[SinkConfig, ...]:
    return parse_sinks(Config(sinks=shorthands))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """A machine whose journal runs and has /dev/log."""
    (tmp_path / SOCKET).parent.mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/log").symlink_to("/run/systemd/journal/dev-log")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as journal:
        journal.bind(str(tmp_path / SOCKET))
        yield tmp_path


def setting(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_journal_reads_kernel_messages_by_default(machine: Path) -> None:
    assert detect(machine) == READS
    setting(machine, "etc/systemd/journald.conf", "[Journal]\n#ReadKMsg=yes\nReadKMsg = no\n")
    assert detect(machine) == IGNORES_KERNEL


def test_journald_is_not_detected_without_its_socket(tmp_path: Path) -> None:
    assert detect(tmp_path) == Journald()


def test_syslogd_of_the_journal_is_found(machine: Path) -> None:
    with DatagramListener(machine / SYSLOGD):
        assert detect(machine).syslogd == str(machine / SYSLOGD)


@pytest.mark.parametrize(
    ("files", "reads"),
    [
        ({}, True),
        ({"etc/systemd/journald.conf": "ReadKMsg=0"}, False),
        ({"etc/systemd/journald.conf": "", "usr/lib/systemd/journald.conf": "ReadKMsg=no"}, True),
        ({"usr/lib/systemd/journald.conf": "ReadKMsg=no"}, False),
        (
            {
                "usr/lib/systemd/journald.conf": "ReadKMsg=no",
                "run/systemd/journald.conf.d/a.conf": "ReadKMsg=yes",
            },
            True,
        ),
        (
            {
                "etc/systemd/journald.conf.d/a.conf": "ReadKMsg=no",
                "run/systemd/journald.conf.d/b.conf": "ReadKMsg=yes",
            },
            True,
        ),
        (
            {
                "etc/systemd/journald.conf.d/b.conf": "ReadKMsg=no",
                "run/systemd/journald.conf.d/b.conf": "ReadKMsg=yes",
            },
            False,
        ),
        ({"etc/systemd/journald.conf.d/b.conf": "ReadKMsg=no\nReadKMsg="}, True),
    ],
)
def test_systemd_file_precedence_decides_about_readkmsg(
    files: dict[str, str], reads: bool, tmp_path: Path
) -> None:
    for name, text in files.items():
        setting(tmp_path, name, text)
    assert reads_kernel(tmp_path) is reads


@pytest.mark.parametrize(
    ("mode", "found", "journal_additions_only", "syslog_additions_only", "syslog_path"),
    [
        (JournalMode.AUTO, Journald(), False, False, None),
        (JournalMode.AUTO, IGNORES_KERNEL, False, False, None),
        (JournalMode.AUTO, READS, True, True, None),
        (JournalMode.AUTO, FEEDS, True, False, FEEDS.syslogd),
        (JournalMode.ADDITIONS, FEEDS, True, True, None),
        (JournalMode.ADDITIONS, Journald(running=True, reads_kernel=True), True, False, None),
        (JournalMode.EXCLUSIVE, FEEDS, False, False, None),
        (JournalMode.FORWARD, FEEDS, True, False, FEEDS.syslogd),
        (JournalMode.FORWARD, READS, True, False, "/run/systemd/journal/syslog"),
        (JournalMode.FORWARD, Journald(running=True, reads_kernel=True), True, False, None),
    ],
)
def test_journal_gets_no_copy_of_what_it_read(
    mode: JournalMode,
    found: Journald,
    journal_additions_only: bool,
    syslog_additions_only: bool,
    syslog_path: str | None,
) -> None:
    chosen = choose(mode, found, sinks("syslog"))
    assert (chosen.journal_additions_only, chosen.syslog_additions_only, chosen.syslog_path) == (
        journal_additions_only,
        syslog_additions_only,
        syslog_path,
    )


def test_exclusive_mode_reports_duplicates_if_journald_reads() -> None:
    assert choose(JournalMode.EXCLUSIVE, READS, sinks("syslog")).reasons == (DUPLICATES,)
    assert choose(JournalMode.EXCLUSIVE, IGNORES_KERNEL, sinks("syslog")).reasons == ()


@pytest.mark.parametrize(
    ("mode", "found", "is_redundant"),
    [
        (JournalMode.EXCLUSIVE, IGNORES_KERNEL, True),
        (JournalMode.EXCLUSIVE, Journald(running=True), False),
        (JournalMode.ADDITIONS, READS, True),
        (JournalMode.ADDITIONS, Journald(running=True, reads_kernel=True), False),
        (JournalMode.FORWARD, FEEDS, False),
    ],
)
def test_redundant_syslog_sink_is_left_out_and_reported(
    mode: JournalMode, found: Journald, is_redundant: bool
) -> None:
    chosen = choose(mode, found, sinks("file:/x", "syslog", "journal"))
    assert chosen.syslog_is_redundant is is_redundant
    assert (SYSLOG_LEFT_OUT in chosen.reasons) is is_redundant
    assert not choose(mode, found, sinks("syslog")).syslog_is_redundant


def test_forward_mode_reports_what_journald_forwards() -> None:
    assert choose(JournalMode.FORWARD, FEEDS, sinks("syslog", "journal")).reasons == (
        FORWARDS_ADDITIONS,
        FORWARDED_TWICE,
    )
    assert choose(JournalMode.FORWARD, FEEDS, sinks("syslog")).reasons == (FORWARDS_ADDITIONS,)


def test_sink_with_its_own_socket_gets_everything(tmp_path: Path) -> None:
    adds = JournaldRouting(
        journal_additions_only=True, syslog_additions_only=True, syslog_path="/nowhere"
    )
    with (
        DatagramListener(tmp_path / "log") as log,
        JournalListener(tmp_path / "journal") as journal,
    ):
        for spec in (f"syslog:{log.path}", f"journal:{journal.path}"):
            with closing(build_sink(sinks(spec)[0], LineSettings(), adds)) as sink:
                assert sink.send(numbered_entries(range(3))) == 3
        assert (len(log.read()), len(journal.read())) == (3, 3)


def test_routed_sink_keeps_its_name_for_the_position() -> None:
    assert (
        build_sink(
            sinks("syslog")[0], LineSettings(), JournaldRouting(syslog_path="/elsewhere")
        ).name
        == "syslog:/dev/log"
    )


def test_plain_records_count_as_accepted_but_unsent(tmp_path: Path) -> None:
    named = entry("at vfs_write+0x1d/0x40", seq=1)
    named = type(named)(named.record, named.wall_us, named.text, (PLACE,))
    batch = [entry(seq=0), named, lost_entry(2, 4, Cause.OVERRUN), entry(seq=5)]
    with (
        JournalListener(tmp_path / "journal") as journal,
        closing(JournalSink("b", str(journal.path), additions=True)) as sink,
    ):
        assert sink.send(batch) == 4
        received = [dict(fields) for fields in journal.entries()]
    assert [(sent.get("KLOGD_SEQ"), sent.get("KLOGD_GAP_FIRST")) for sent in received] == [
        (b"1", None),
        (None, b"2"),
    ]
    with (
        DatagramListener(tmp_path / "log") as log,
        closing(SyslogSink(str(log.path), additions=True)) as syslog,
    ):
        assert syslog.send(batch) == 4
        assert len(log.read()) == 2
