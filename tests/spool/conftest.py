# SPDX-License-Identifier: GPL-2.0-or-later
"""The directory of a spool, and who reads it."""

from pathlib import Path

import pytest

from klogd_py.spool.reader import Spool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reports"


@pytest.fixture
def spool(path: Path) -> Spool:
    path.mkdir()
    return Spool(path)
