# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

from klogd_py.system.file_identity import identify


def test_identity_is_of_file_not_name(tmp_path: Path) -> None:
    path = tmp_path / "first"
    path.touch()
    before = identify(path.stat())
    os.link(path, tmp_path / "other name")
    path.rename(tmp_path / "moved")
    path.touch()
    assert identify((tmp_path / "moved").stat()) == before
    assert identify((tmp_path / "other name").stat()) == before
    assert identify(path.stat()) != before
