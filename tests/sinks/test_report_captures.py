# SPDX-License-Identifier: GPL-2.0-or-later
"""What klogd-py writes of a report starts no report when it is read again, whatever the title."""

import json
from collections.abc import Callable

import pytest

from klogd_py.record.report import Report
from klogd_py.reports.announcement import announce
from klogd_py.sinks.console import Colour, ConsoleSink
from klogd_py.sinks.file_format import FileFormat, LineEncoder
from klogd_py.sinks.journal import JournalSink
from klogd_py.sinks.local_syslog import SyslogSink
from tests.corpus.reported import reports_in
from tests.reports.lines import NULL_DEREF, WARNING
from tests.reports_made import make_report

TITLES = (
    "KASAN: slab-use-after-free Read in nic_poll",
    "BUG: unable to handle kernel NULL pointer dereference in nic_read",
    "BUG: KASAN: slab-use-after-free in nic_poll+0x5d/0x140 [nic]",
    "kernel BUG at drivers/net/nic.c:12!",
    "INFO: task nic:12 blocked for more than 120 seconds.",
    "Kernel panic - not syncing: Fatal exception",
    "UBSAN: array-index-out-of-bounds in drivers/net/nic.c:12:3",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [nic:12]",
    "general protection fault, probably for non-canonical address 0xdead000000000100",
    NULL_DEREF[0],
    NULL_DEREF[4],
    WARNING[0],
)


def _lines(format: FileFormat) -> Callable[[Report], str]:
    return lambda report: "".join(LineEncoder(format).encode([announce(report)]))


def _console(report: Report) -> str:
    return ConsoleSink(Colour.NEVER).encode(announce(report)).decode()


def _terminal(report: Report) -> str:
    return ConsoleSink(Colour.ALWAYS).encode(announce(report)).decode()


def _syslog(report: Report) -> str:
    return SyslogSink("/none").encode(announce(report)).decode() + "\n"


def _kern_log(report: Report) -> str:
    """The line that a syslog daemon writes: with a host, and without a priority."""
    stamp, _, rest = _syslog(report).partition(" klogd-py: ")
    return f"{stamp.partition('>')[2]} host klogd-py: {rest}"


def _journal_json(report: Report) -> str:
    """The object of ``journalctl -o json``."""
    fields = {
        key: value.decode() for key, value in JournalSink(None, "/none").fields(announce(report))
    }
    trusted = {"_TRANSPORT": "journal", "_PID": "412", "_COMM": "klogd-py", "_HOSTNAME": "host"}
    time = {"__REALTIME_TIMESTAMP": "1795802645231004", "_BOOT_ID": report.boot.id}
    return json.dumps(fields | trusted | time) + "\n"


def _journal_short(report: Report) -> str:
    message = dict(JournalSink(None, "/none").fields(announce(report)))["MESSAGE"].decode()
    return f"Nov 27 18:04:05 host klogd-py[412]: {message}\n"


def _journal_monotonic(report: Report) -> str:
    message = dict(JournalSink(None, "/none").fields(announce(report)))["MESSAGE"].decode()
    return f"[    5.218310] host klogd-py[412]: {message}\n"


FORMS = {
    "text": _lines(FileFormat.TEXT),
    "klogd": _lines(FileFormat.KLOGD),
    "json": _lines(FileFormat.JSON),
    "console": _console,
    "terminal": _terminal,
    "syslog": _syslog,
    "kern.log": _kern_log,
    "journal json": _journal_json,
    "journal short": _journal_short,
    "journal monotonic": _journal_monotonic,
}
ORDINARY = {
    "text": "2026-11-27T18:04:04.000000+00:00 host kernel: {}\n",
    "klogd": "<4>{}\n",
    "json": "",
    "console": "Nov 27 18:04:04.000000 kernel: {}\n",
    "terminal": "Nov 27 18:04:04.000000 kernel: {}\n",
    "syslog": "<4>Nov 27 18:04:04 kernel: {}\n",
    "kern.log": "Nov 27 18:04:04 host kernel: {}\n",
    "journal json": "",
    "journal short": "Nov 27 18:04:04 host kernel: {}\n",
    "journal monotonic": "[    5.100000] host kernel: {}\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("title", TITLES)
def test_own_entry_read_back_starts_no_report(form: str, title: str) -> None:
    report = make_report(title=title, message=f"x {title} " * 4, doubts=(title,))
    log = "".join(ORDINARY[form].format(f"usb 1-{port}: found") for port in range(1, 4))
    assert reports_in((log + FORMS[form](report)).encode()) == []
    assert reports_in(FORMS[form](report).encode()) == []


@pytest.mark.parametrize("form", [form for form in FORMS if ORDINARY[form]])
def test_crash_before_own_entry_is_found(form: str) -> None:
    log = "".join(ORDINARY[form].format(line) for line in WARNING)
    found = reports_in((log + FORMS[form](make_report(title="WARNING in nic_stop"))).encode())
    assert [report.header.text for report in found] == [WARNING[0]]
