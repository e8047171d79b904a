"""As klogd, klogd-py does what the classic klogd was recorded to do, or what docs/classic.md says it does instead."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.classic_decisions import DECIDED, wanted
from tests.journeys.classic_run import run
from tests.journeys.classic_vectors import DATA, Vector, load

if not DATA.exists():
    pytest.skip(f"the recorded cases of the classic klogd are not at {DATA}", allow_module_level=True)

VECTORS = {vector.name: vector for vector in load()}


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """A Daemon in this process ignores these signals; what runs after it may not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGQUIT, signal.SIGPIPE)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_a_recorded_case_comes_out_as_wanted(vector: Vector, tmp_path: Path) -> None:
    right = wanted(vector)
    messages, status = run(vector, tmp_path)
    assert messages == right.messages, right.why
    assert status == right.status


def test_every_recorded_case_is_decided_once() -> None:
    open_cases = {name for name, vector in VECTORS.items() if vector.stance != "keep" and not vector.repaired_is_target}
    overridden = {"long_line_1000", "version_without_number", "syslog_priorities"}
    assert set(DECIDED) == open_cases | overridden


def test_the_recording_is_the_one_that_was_decided_on() -> None:
    assert Counter(vector.stance for vector in VECTORS.values()) == {"keep": 75, "fix": 47, "decide": 12}
