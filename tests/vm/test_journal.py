# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py beside a journald that reads the kernel's messages itself, and in its place."""

import json
from collections.abc import Iterator

import pytest

from tests.vm.lab.session import Session

DEBIANS = ("debian12", "debian13")
LEVELS = [f"klogd_trouble: level {number}" for number in range(8)]
EXCLUSIVE = "/usr/local/share/doc/klogd-py/journald-exclusive.conf"
RULE = "/usr/local/share/doc/klogd-py/rsyslog-klogd-py.conf"
DROP_IN = "/etc/systemd/journald.conf.d/exclusive.conf"


def journal(session: Session, cursor: str) -> list[dict[str, object]]:
    """Return the entries since a cursor, after the kernel's last record has been delivered."""
    session.wait_until_written()
    session.machine.run("journalctl --sync")
    reported = session.machine.run(f"journalctl -o json --no-pager --after-cursor='{cursor}'")
    return [json.loads(line) for line in reported.splitlines() if line.startswith("{")]


def cursor_of(session: Session) -> str:
    session.machine.run("journalctl --sync")
    shown = session.machine.run("journalctl -n1 -o json --no-pager")
    return str(json.loads(shown.splitlines()[-1])["__CURSOR"])


@pytest.mark.guests(*DEBIANS)
def test_journald_reading_kmsg_gets_only_additions(
    session: Session,
) -> None:
    cursor = cursor_of(session)
    session.crash("levels")
    session.crash("raw")
    entries = journal(session, cursor)
    assert [entry["MESSAGE"] for entry in entries if entry["MESSAGE"] in LEVELS] == LEVELS
    read = {entry["MESSAGE"] for entry in entries if entry.get("_TRANSPORT") == "kernel"}
    ours = [entry for entry in entries if "KLOGD_SEQ" in entry]
    assert ours
    assert [entry for entry in ours if "KLOGD_SYMBOL" not in entry] == []
    assert {entry["KLOGD_RAW"] for entry in ours} <= read, (
        "each is linked to a line that the journal has"
    )


@pytest.mark.guests(*DEBIANS)
def test_syslogd_rule_drops_lines_copied_by_journald(
    session: Session,
) -> None:
    session.machine.run(f"cp {RULE} /etc/rsyslog.d/ && systemctl restart rsyslog")
    session.crash("levels")
    session.machine.run("truncate -s 0 /var/log/syslog")
    session.crash("raw")
    session.wait_until_written()
    session.machine.wait_until("grep -q 'vm-lab mark' /var/log/syslog")
    named = session.machine.run("grep 'raw_trace+0x.*klogd_trouble' /var/log/syslog").splitlines()
    assert len(named) == 1
    assert all(" kernel: " in line for line in named)


@pytest.fixture
def exclusive(session: Session) -> Iterator[None]:
    """Configure journald by the installed example not to read the kernel's messages."""
    session.machine.run(
        f"mkdir -p $(dirname {DROP_IN}) && cp {EXCLUSIVE} {DROP_IN} && "
        "systemctl restart systemd-journald"
    )
    session.restart()
    yield
    session.machine.run(f"rm {DROP_IN} && systemctl restart systemd-journald")
    session.restart()


@pytest.mark.guests(*DEBIANS)
def test_exclusive_mode_delivers_every_line_once(session: Session, exclusive: None) -> None:
    cursor = cursor_of(session)
    session.crash("levels")
    entries = [entry for entry in journal(session, cursor) if entry["MESSAGE"] in LEVELS]
    assert [entry["MESSAGE"] for entry in entries] == LEVELS
    assert [entry["PRIORITY"] for entry in entries] == [str(number) for number in range(8)]
    assert {
        (entry["_TRANSPORT"], entry["SYSLOG_IDENTIFIER"], entry["SYSLOG_FACILITY"])
        for entry in entries
    } == {("journal", "kernel", "0")}
