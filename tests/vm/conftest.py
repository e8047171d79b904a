# SPDX-License-Identifier: GPL-2.0-or-later
"""Provide the guests to the tests: each is booted once, with klogd-py, for all tests that name it.

`make vm` runs them all, `make vm GUEST=NAME` those in one guest.
"""

import os
from collections.abc import Iterator

import pytest

from tests.vm.lab.guests import GUESTS
from tests.vm.lab.session import Session

SUMMARY = pytest.StashKey[list[str]]()
# Fixtures of a module, each with a machine of its own
OWN_MACHINE = ("packaged", "crashed")
CHOSEN = os.environ.get("VM_GUEST", "").split() or sorted(GUESTS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once in each guest that its mark names."""
    mark = metafunc.definition.get_closest_marker("guests")
    if mark is None:
        return
    names = [pytest.param(name, marks=pytest.mark.vm) for name in mark.args]
    fixture = next((name for name in OWN_MACHINE if name in metafunc.fixturenames), "session")
    metafunc.parametrize(
        fixture, names, indirect=True, scope="session" if fixture == "session" else "module"
    )


def _guests_of(item: pytest.Item) -> set[str]:
    callspec = getattr(item, "callspec", None)
    parameters = callspec.params if callspec is not None else {}
    return {str(parameters[name]) for name in ("session", *OWN_MACHINE) if name in parameters}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests in guests that were not chosen."""
    others = [item for item in items if not _guests_of(item) <= set(CHOSEN)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if _guests_of(item) <= set(CHOSEN)]


@pytest.fixture(scope="session")
def session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """Yield a running guest with klogd-py."""
    guest = GUESTS[request.param]
    with guest.machine(tmp_path_factory.mktemp(guest.name)) as machine:
        guest.prepare(machine)
        session = Session(guest, machine)
        session.start("json")
        yield session
        request.config.stash[SUMMARY].append(
            f"{guest.name}: booted in {machine.boot_s:.1f} s; "
            f"of {session.tally.addresses} code addresses without a name "
            f"{session.tally.named} were named, {session.tally.right} rightly; "
            f"{session.tally.in_data} pointed into data"
        )


def pytest_configure(config: pytest.Config) -> None:
    """Create the list of results of the guests."""
    config.stash[SUMMARY] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the results of the guests."""
    for line in config.stash[SUMMARY]:
        terminalreporter.write_line(line)
