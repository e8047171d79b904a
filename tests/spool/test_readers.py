# SPDX-License-Identifier: GPL-2.0-or-later
"""Who can read the reports: members of the group of the directory, and nobody else."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from klogd_py.spool.pending import Batch
from klogd_py.spool.reader import Spool
from klogd_py.spool.retention import Limits
from klogd_py.spool.writer import SpoolWriter
from tests.needs import NOBODY, needs_other_users
from tests.other_user import OtherPython, provide
from tests.reports_made import BOOT_ID, REPORT

pytestmark = needs_other_users
# A user of another group, who exists nowhere
STRANGER = NOBODY - 7
LISTS = (
    "import sys\nfrom pathlib import Path\nfrom klogd_py.spool.reader import Spool\n"
    "spool = Spool(Path(sys.argv[1]))\n"
    "print([one.id for one in spool.list().summaries], spool.load(sys.argv[2]).title)\n"
)


@pytest.fixture
def path() -> Iterator[Path]:
    """The spool of user `NOBODY`, written by root, in a directory that is as the service's."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        state = Path(name) / "state"
        state.mkdir(mode=0o750)
        os.chown(state, STRANGER, NOBODY)
        batch = Batch()
        batch.add(REPORT, 1840)
        SpoolWriter(state / "reports", Limits(), BOOT_ID).store(batch)
        yield state / "reports"


@pytest.fixture(scope="module")
def python() -> Iterator[OtherPython]:
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield provide(Path(name))


def listed(python: OtherPython, path: Path, user: int, group: int) -> str:
    command = [python.command, "-B", "-c", LISTS, str(path), REPORT.id]
    done = subprocess.run(
        command,
        user=user,
        group=group,
        extra_groups=(),
        cwd="/",
        env=python.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_member_of_the_group_lists_reports(python: OtherPython, path: Path) -> None:
    shown = listed(python, path, NOBODY, NOBODY)
    assert shown == f"{[REPORT.id]} {REPORT.title}\n"


def test_stranger_may_not_read_any_report(python: OtherPython, path: Path) -> None:
    shown = listed(python, path, STRANGER - 1, STRANGER)
    assert "SpoolNotUsable" in shown
    assert "Permission denied" in shown


def test_what_root_writes_belongs_to_owner(path: Path) -> None:
    owners = {(one.stat().st_uid, one.stat().st_gid) for one in (path, *path.iterdir())}
    assert owners == {(STRANGER, NOBODY)}


def test_root_follows_no_link_of_owner(path: Path) -> None:
    secret = path.parent.parent / "secret"
    secret.write_text("{}")
    report = path / f"{REPORT.id}.json"
    report.unlink()
    report.symlink_to(secret)
    os.lchown(report, STRANGER, NOBODY)
    assert Spool(path).list().summaries == ()
    batch = Batch()
    batch.add_open(REPORT)
    SpoolWriter(path, Limits(), BOOT_ID).store(batch)
    assert secret.read_text() == "{}"
    assert Spool(path).load(REPORT.id) == REPORT
