"""What holds for every test."""

from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no wrong answer: hypothesis would fail an example that took more than 0.2 s.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that other users may pass through, but not write to."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/tmp"):
            folder.chmod(0o755)
    return tmp_path
