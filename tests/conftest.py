"""What holds for every test."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.journeys.program import needs_kmsg

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


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have those that write to the kernel's log, and want to find there what they wrote, run one after the other."""
    for item in items:
        if needs_kmsg.mark in item.own_markers or needs_kmsg.mark in item.iter_markers("skipif"):
            item.add_marker(pytest.mark.xdist_group("kmsg"))
        if "vacant_place" in getattr(item, "fixturenames", ()):  # the journal's own socket, where there is no journal
            item.add_marker(pytest.mark.xdist_group("journal"))
