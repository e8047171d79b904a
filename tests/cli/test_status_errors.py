# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py status`` where no daemon answers: what is wrong, and what to type."""

from pathlib import Path

import pytest

from klogd_py.cli import main as cli
from klogd_py.cli import status
from klogd_py.monitoring import status_client


def run(path: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    assert cli.main(["status", "--socket", str(path)]) == 1
    found = capfd.readouterr()
    assert found.out == ""
    return found.err.splitlines()


@pytest.mark.parametrize(
    ("has_systemd", "asked"), [(True, "systemctl status klogd-py"), (False, "pgrep -af klogd-py")]
)
def test_stopped_daemon_is_said_with_remedy(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    has_systemd: bool,
    asked: str,
) -> None:
    monkeypatch.setattr(status, "_SYSTEMD", tmp_path if has_systemd else tmp_path / "none")
    assert run(tmp_path / "status.sock", capfd) == [
        f"klogd-py: no daemon answers at {tmp_path}/status.sock: No such file or directory",
        f"klogd-py: is it running? type: {asked}",
    ]


def test_refused_user_is_told_to_use_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(status_client, "_connect", refuse)
    monkeypatch.setattr("sys.argv", ["klogd-py", "status", "--json"])
    assert run(tmp_path / "status.sock", capfd) == [
        f"klogd-py: {tmp_path}/status.sock: Permission denied",
        "klogd-py: type: sudo klogd-py status --json",
    ]
