# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.record.gaps import announce, explain
from klogd_py.record.sequence import SequenceRange
from klogd_py.record.types import Cause, Gap, Severity

OVERRUN, EINVAL, UNPARSABLE = Cause.OVERRUN, Cause.EINVAL, Cause.UNPARSABLE


@pytest.mark.parametrize(
    ("last", "events", "gaps"),
    [
        (5, [], [Gap(5, 5, OVERRUN)]),
        (5, [EINVAL], [Gap(5, 5, EINVAL)]),
        (6, [EINVAL, EINVAL], [Gap(5, 6, EINVAL)]),
        (6, [EINVAL, UNPARSABLE], [Gap(5, 5, EINVAL), Gap(6, 6, UNPARSABLE)]),
        (9, [OVERRUN, EINVAL], [Gap(5, 8, OVERRUN), Gap(9, 9, EINVAL)]),
        (9, [UNPARSABLE, OVERRUN], [Gap(5, 5, UNPARSABLE), Gap(6, 9, OVERRUN)]),
        (9, [UNPARSABLE], [Gap(5, 5, UNPARSABLE), Gap(6, 9, OVERRUN)]),
        (5, [EINVAL, UNPARSABLE, OVERRUN], [Gap(5, 5, EINVAL)]),
    ],
)
def test_missing_numbers_are_split_by_cause(
    last: int, events: list[Cause], gaps: list[Gap]
) -> None:
    assert explain(SequenceRange(5, last), events) == gaps


@given(
    st.integers(0, 2**63),
    st.integers(1, 50),
    st.lists(st.sampled_from([OVERRUN, EINVAL, UNPARSABLE])),
)
def test_gaps_cover_each_missing_number_once(first: int, count: int, events: list[Cause]) -> None:
    gaps = explain(SequenceRange(first, first + count - 1), events)
    assert [seq for gap in gaps for seq in range(gap.first, gap.last + 1)] == [
        *range(first, first + count)
    ]


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_words_and_facts(cause: Cause) -> None:
    entry = announce(Gap(5, 7, cause), lambda record: 0)
    assert "3 kernel records" in entry.record.text
    assert "(sequence numbers 5 to 7)" in entry.record.text
    assert (
        entry.text
        == f'{entry.record.text} [gap first="5" last="7" count="3" cause="{cause.value}"]'
    )


@pytest.mark.parametrize(
    ("cause", "severity"), [(Cause.PRE_START, Severity.NOTICE), (Cause.OVERRUN, Severity.WARNING)]
)
def test_only_a_loss_is_a_warning(cause: Cause, severity: Severity) -> None:
    assert announce(Gap(0, 1, cause), lambda record: 0).record.severity is severity
