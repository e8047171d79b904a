# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests for the tests: each is booted once, with klogd-py in it, and serves all tests that name
it.

`make vm` runs them all, `make vm GUEST=NAME` those in one guest.
"""

import os
from collections.abc import Iterator

import pytest

from tests.vm.lab.guests import GUESTS
from tests.vm.lab.session import Session

SUMMARY = pytest.StashKey[list[str]]()
CHOSEN = os.environ.get("VM_GUEST", "").split() or sorted(GUESTS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a guest runs once in each chosen one that its mark names."""
    mark = metafunc.definition.get_closest_marker("guests")
    if mark is None:
        return
    names = [pytest.param(name, marks=pytest.mark.vm) for name in mark.args if name in CHOSEN]
    fixture = "packaged" if "packaged" in metafunc.fixturenames else "session"
    metafunc.parametrize(
        fixture, names, indirect=True, scope="session" if fixture == "session" else "module"
    )


@pytest.fixture(scope="session")
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """A running guest with klogd-py in it."""
    guest = GUESTS[request.param]
    with guest.machine(tmp_path_factory.mktemp(guest.name)) as machine:
        guest.prepare(machine)
        session = Session(guest, machine)
        session.start("json")
        yield session
        request.config.stash[SUMMARY].append(
            f"{guest.name}: booted in {machine.boot_s:.1f} s; of {session.tally.addresses} code addresses that the kernel left "
            f"without a name {session.tally.named} were named, {session.tally.right} rightly; "
            f"{session.tally.astray} pointed into data"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of what the guests showed."""
    config.stash[SUMMARY] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Tell what the guests showed."""
    for line in config.stash[SUMMARY]:
        terminalreporter.write_line(line)
