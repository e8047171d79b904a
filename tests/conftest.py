# SPDX-License-Identifier: GPL-2.0-or-later
"""What holds for every test."""

import signal
from collections.abc import Iterator
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


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """A Daemon in this process ignores these signals; what runs after it may not."""
    before = {
        number: signal.getsignal(number)
        for number in (signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Have the tests of a file run one after the other, and all those of the kernel's one log as if
    of one file."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "kmsg" if b"needs_kmsg" in (config.rootpath / file).read_bytes() else file

    return ByFile(config, log)
