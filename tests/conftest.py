# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings and fixtures of all tests."""

import os
import signal
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import other_user
from tests.other_user import OtherPython
from tests.signals import restored_signals

# By default hypothesis fails an example that takes more than 0.2 s, as it may on a slow machine.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
# The modes of files that tests expect are those that this leaves, not the caller's.
os.umask(0o022)
# A shell ignores Ctrl-C in what it runs in the background, and so would all that tests run.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that other users may enter, but not write to."""
    open_to_others(tmp_path)
    return tmp_path


def open_to_others(folder: Path) -> None:
    """Let other users enter a directory that pytest has made, and those above it."""
    for each in (folder, *folder.parents):
        if each.name.startswith("pytest-of-"):
            each.chmod(0o755)
            return
        each.chmod(0o755)


@pytest.fixture(scope="session")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> OtherPython:
    """A Python for programs that a test runs as another user."""
    folder = tmp_path_factory.mktemp("packages")
    open_to_others(folder)
    return other_user.provide(folder)


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    """Restore the signals that a Daemon in this process ignores."""
    with restored_signals():
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Run the tests of a file in one worker, and all that use the kernel's log in one, too."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "kmsg" if b"needs_kmsg" in (config.rootpath / file).read_bytes() else file

    return ByFile(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were skipped for each reason, and what to do about it."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if not reasons:
        return
    terminalreporter.write_line("")
    terminalreporter.write_line(f"skipped: {len(skipped)}")
    for reason, count in reasons.most_common():
        start = f"{count:6}  "
        lines = textwrap.wrap(reason, 79, initial_indent=start, subsequent_indent=" " * len(start))
        for line in lines:
            terminalreporter.write_line(line)
