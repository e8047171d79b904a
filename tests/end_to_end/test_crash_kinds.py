# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of the crashes in real logs, compared with the titles that others gave them."""

import re
from pathlib import Path

import pytest

from klogd_py.line_prefix.reader import read_line
from klogd_py.oops import provenance
from klogd_py.oops.crash_signatures import CRASH_MARKERS, Signature
from klogd_py.oops.provenance import Origin
from tests.corpus.logs import COLLECTION, OWN, OWN_AND_COLLECTION, log_files, needs_collection

# Titles of syzkaller, by their beginnings, and the kind that belongs to them.
KINDS = {
    "BUG: Bad page": "bad-page",
    "BUG: MAX_STACK_TRACE_ENTRIES": "lockdep",
    "BUG: bad unlock balance": "lockdep",
    "BUG: bad usercopy": "bug",
    "BUG: corrupted list": "bug",
    "BUG: held lock freed": "lockdep",
    "BUG: rwlock": "spinlock",
    "BUG: scheduling while atomic": "atomic-sleep",
    "BUG: sleeping function": "atomic-sleep",
    "BUG: soft lockup": "soft-lockup",
    "BUG: spinlock": "spinlock",
    "BUG: stack guard page": "stack-overflow",
    "BUG: still has locks held": "lockdep",
    "BUG: unable to handle kernel NULL": "null-deref",
    "BUG: unable to handle kernel": "page-fault",
    "BUG: using ": "preemptible",
    "BUG: workqueue lockup": "workqueue-lockup",
    "INFO: rcu detected stall": "rcu-stall",
    "INFO: suspicious RCU": "suspicious-rcu",
    "INFO: task ": "hung-task",
    "INFO: trying to register": "lockdep",
    "KASAN: ": "kasan",
    "KCSAN: ": "kcsan",
    "KFENCE: ": "kfence",
    "KMSAN: ": "kmsan",
    "PANIC: double fault": "double-fault",
    "UBSAN: ": "ubsan",
    "Unhandled fault": "unhandled-fault",
    "WARNING: bad unlock balance": "lockdep",
    "WARNING: foo": "",
    "WARNING: kernel stack": "",
    "WARNING: lock held": "lockdep",
    "WARNING: nested lock": "lockdep",
    "WARNING: possible": "lockdep",
    "WARNING: still has locks held": "lockdep",
    "WARNING: suspicious RCU": "suspicious-rcu",
    "WARNING": "warning",
    "divide error": "divide-error",
    "general protection fault": "general-protection",
    "inconsistent lock state": "lockdep",
    "kernel BUG": "bug",
    "kernel panic": "panic",
    "possible deadlock": "lockdep",
}
_TITLE = re.compile(r"TITLE: (.*)")
# What a title asks for stands in the log, but cut or mixed with other lines, and no more often.
MAX_MISSED = 5


def signatures(path: Path) -> list[tuple[str, Signature]]:
    """Each line of a log that begins a crash report."""
    lines = path.read_bytes().decode("latin-1").splitlines()
    found = [
        (line, provenance.identify(read_line(line), Origin.CAPTURE))
        for line in lines
        if not line.startswith(("TITLE: ", "ALT: "))
    ]
    return [(line, signature) for line, signature in found if signature is not None]


def kinds(path: Path) -> set[str]:
    return {row.kind.value for _, row in signatures(path) if row.kind is not None}


def titled_logs() -> list[tuple[str, Path]]:
    """Each log of syzkaller with the kind that its title asks for, if that is in `KINDS`."""
    logs = []
    for path in log_files(COLLECTION / "syzkaller/linux/report"):
        title = _TITLE.match(path.read_bytes().decode("latin-1"))
        kind = next(
            (kind for start, kind in KINDS.items() if title and title[1].startswith(start)), ""
        )
        logs += [(kind, path)] if kind else []
    return logs


@needs_collection
def test_kinds_fit_the_titles_of_real_logs() -> None:
    logs = titled_logs()
    assert len(logs) > 250
    assert len({kind for kind, _ in logs}) > 20
    missed = [f"{path.name}: {kind}" for kind, path in logs if kind not in kinds(path)]
    assert len(missed) <= MAX_MISSED, missed


@pytest.mark.parametrize("folder", OWN_AND_COLLECTION)
def test_marker_of_the_signature_is_in_the_line(folder: Path) -> None:
    found = [one for path in log_files(folder) for one in signatures(path)]
    assert len(found) > 1
    assert [line for line, row in found if row.marker not in line] == []
    assert {row.marker for _, row in found} <= set(CRASH_MARKERS)


@needs_collection
def test_logs_of_other_systems_have_no_kind() -> None:
    logs = [
        *log_files(COLLECTION / "loghub-negative"),
        *log_files(COLLECTION / "syzkaller-otheros"),
    ]
    assert len(logs) > 50
    assert [path.name for path in logs if kinds(path)] == []


def test_own_log_has_a_dereference_and_an_oops() -> None:
    assert kinds(OWN / "x86_64-6.1-exception.log") == {"null-deref", "oops"}
    assert kinds(OWN / "frames.log") == set()
