# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import os
import threading
from collections.abc import Mapping, Sequence

import pytest

from klogd_py.record.types import Entry
from klogd_py.sinks.manager import Mailroom, Terms
from tests.entries import announced, numbered
from tests.fakes import ScriptedSink, hurried


def _roomy(name: str) -> Terms:
    return Terms(1 << 24)


def _mailroom(owed: Mapping[str, int] | None = None) -> Mailroom:
    return Mailroom(announced, (owed or {}).get)


def _down(name: str) -> ScriptedSink:
    sink = ScriptedSink(name)
    sink.down = "away"
    return sink


@pytest.mark.parametrize("hindrance", ["down", "full", "gone"])
def test_a_sink_that_takes_nothing_does_not_stop_another(hindrance: str) -> None:
    bad, good = ScriptedSink("bad"), ScriptedSink("good")
    bad.down, bad.gone, bad.room = "away" if hindrance == "down" else "", hindrance == "gone", 0

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([bad, good], _roomy)
        for seq in range(5):
            mailroom.post(numbered([seq]))
        assert good.seqs == [0, 1, 2, 3, 4]
        assert mailroom.positions == {"good": 5}
        assert not mailroom.all_gone
        await mailroom.empty(1)
        assert mailroom.close() == (0 if hindrance == "gone" else 5)

    hurried(carry())


def test_a_thread_that_hangs_in_one_sink_does_not_stop_another() -> None:
    stuck, good = ScriptedSink("stuck", blocking=True), ScriptedSink("good")
    stuck.may_go_on.clear()

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([stuck, good], _roomy)
        mailroom.post(numbered([0]))
        await asyncio.to_thread(stuck.attempted.wait, 5)
        mailroom.post(numbered([1]))
        assert (good.seqs, stuck.seqs) == ([0, 1], [])
        stuck.may_go_on.set()
        while mailroom.busy:
            await asyncio.sleep(0)
        mailroom.close()

    asyncio.run(carry())
    assert stuck.seqs == [0, 1]


def test_stopping_while_a_thread_is_sending_sends_nothing_twice() -> None:
    slow = ScriptedSink("slow", blocking=True)
    slow.may_go_on.clear()

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([slow], _roomy)
        mailroom.post(numbered(range(3)))
        await asyncio.to_thread(slow.attempted.wait, 5)
        stopping = asyncio.create_task(mailroom.empty(5))
        # The drains are cancelled by now
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        slow.may_go_on.set()
        await stopping
        assert mailroom.close() == 0

    asyncio.run(carry())
    assert slow.seqs == [0, 1, 2]


def test_what_waits_is_sent_by_itself_when_the_sink_is_back() -> None:
    sink = _down("a")

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([sink], _roomy)
        mailroom.post(numbered(range(3)))
        await asyncio.sleep(60)
        assert (sink.seqs, mailroom.busy) == ([], True)
        sink.down = ""
        await asyncio.sleep(60)
        assert (sink.seqs, mailroom.busy) == ([0, 1, 2], False)
        mailroom.close()

    hurried(carry())


def test_emptying_waits_for_a_sink_that_comes_back_within_the_limit() -> None:
    sink = _down("a")

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([sink], _roomy)
        mailroom.post(numbered(range(3)))
        asyncio.get_running_loop().call_later(3, lambda: setattr(sink, "down", ""))
        await mailroom.empty(5)
        assert mailroom.close() == 0

    hurried(carry())
    assert sink.seqs == [0, 1, 2]


def test_emptying_ends_at_its_limit_and_what_is_left_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([_down("syslog:/gone"), ScriptedSink("good")], _roomy)
        mailroom.post(numbered(range(3)))
        began_s = asyncio.get_running_loop().time()
        await mailroom.empty(5)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(5, abs=0.5)
        assert mailroom.close() == 3

    hurried(carry())
    assert "syslog:/gone: entries never sent: 3 (away)" in [
        record.getMessage() for record in caplog.records
    ]


def test_a_mailroom_without_a_sink_can_be_emptied() -> None:
    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([], _roomy)
        mailroom.post(numbered(range(3)))
        await mailroom.empty(1)
        assert mailroom.close() == 0

    asyncio.run(carry())


def test_the_first_owed_record_is_that_of_the_sink_that_is_furthest_behind() -> None:
    async def arrange() -> None:
        mailroom = _mailroom({"a": 7, "b": 5})
        mailroom.arrange([ScriptedSink("a"), ScriptedSink("b")], _roomy)
        assert mailroom.first_owed == 5
        mailroom.arrange([ScriptedSink("a")], _roomy)
        assert mailroom.first_owed == 7
        mailroom.arrange([ScriptedSink("a"), ScriptedSink("new")], _roomy)
        assert mailroom.first_owed == 0
        mailroom.close()

    hurried(arrange())


def test_each_sink_goes_on_where_it_stood_itself() -> None:
    ahead, behind, new = ScriptedSink("ahead"), ScriptedSink("behind"), ScriptedSink("new")
    console = ScriptedSink("console", keeps_position=False)

    async def carry() -> None:
        mailroom = _mailroom({"ahead": 8, "behind": 5, "console": 9})
        mailroom.arrange([ahead, behind, new, console], _roomy)
        mailroom.post(numbered(range(3, 10)))
        assert mailroom.positions == {"ahead": 10, "behind": 10, "new": 10}
        mailroom.close()

    hurried(carry())
    assert ahead.seqs == [8, 9]
    assert behind.seqs == [5, 6, 7, 8, 9]
    assert new.seqs == console.seqs == [3, 4, 5, 6, 7, 8, 9]


def test_a_sink_keeps_what_waits_for_it_when_the_sinks_are_arranged_anew() -> None:
    before, after, added = _down("a"), ScriptedSink("a"), ScriptedSink("b")

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([before], _roomy)
        mailroom.post(numbered(range(3)))
        mailroom.arrange([after, added], _roomy)
        mailroom.post(numbered(range(3, 5)))
        await mailroom.empty(5)
        mailroom.close()

    hurried(carry())
    assert before.closed == 1
    assert after.seqs == [0, 1, 2, 3, 4]
    assert added.seqs == [3, 4]


def test_a_sink_that_is_no_longer_wanted_is_closed_and_gets_nothing_more() -> None:
    removed, kept = ScriptedSink("a"), ScriptedSink("b")

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([removed, kept], _roomy)
        mailroom.post(numbered([0]))
        mailroom.arrange([kept], _roomy)
        mailroom.post(numbered([1]))
        assert list(mailroom.outboxes) == ["b"]
        mailroom.close()

    hurried(carry())
    assert (removed.seqs, removed.closed, kept.seqs) == ([0], 1, [0, 1])


class _Ring(Mailroom):
    """A mailroom whose source can go back."""

    def __init__(self, owed: Mapping[str, int] | None = None) -> None:
        super().__init__(announced, (owed or {}).get, rereadable=True)


def test_a_removed_sink_counts_what_its_thread_still_delivers() -> None:
    sink = ScriptedSink("slow", blocking=True)
    sink.may_go_on.clear()

    async def carry() -> None:
        mailroom = _Ring({"slow": 0})
        mailroom.arrange([sink], _roomy)
        mailroom.post(numbered(range(3)))
        await asyncio.to_thread(sink.attempted.wait, 5)
        mailroom.arrange([], _roomy)
        assert (mailroom.positions, sink.closed) == ({"slow": 0}, 0)
        mailroom.arrange([ScriptedSink("slow", blocking=True)], _roomy)
        mailroom.arrange([], _roomy)
        sink.may_go_on.set()
        while not sink.closed:
            await asyncio.sleep(0.001)
        mailroom.close()

    asyncio.run(carry())
    assert sink.seqs == [0, 1, 2]


def test_a_sink_that_returns_while_its_thread_sends_gets_nothing_twice() -> None:
    before, after = ScriptedSink("slow", blocking=True), ScriptedSink("slow", blocking=True)
    before.may_go_on.clear()

    async def carry() -> None:
        mailroom = _Ring({"slow": 0})
        mailroom.arrange([before], _roomy)
        mailroom.post(numbered(range(3)))
        await asyncio.to_thread(before.attempted.wait, 5)
        mailroom.arrange([], _roomy)
        mailroom.post(numbered(range(3, 5)))
        mailroom.arrange([after], _roomy)
        before.may_go_on.set()
        while mailroom.busy:
            await asyncio.sleep(0.001)
        assert mailroom.wanted_again == 3
        mailroom.catch_up()
        mailroom.post(numbered(range(6)))
        await mailroom.empty(5)
        assert mailroom.positions == {"slow": 6}
        mailroom.close()

    asyncio.run(carry())
    assert [*before.seqs, *after.seqs] == [0, 1, 2, 3, 4, 5]


def test_a_sink_added_before_anything_was_posted_misses_nothing() -> None:
    async def arrange() -> None:
        mailroom = _Ring({"a": 7})
        mailroom.arrange([ScriptedSink("a")], _roomy)
        mailroom.arrange([ScriptedSink("a"), ScriptedSink("new")], _roomy)
        assert mailroom.wanted_again == 0, (
            "what lies before 7 may have been left out of what is read just now"
        )
        mailroom.close()

    hurried(arrange())


def test_numbers_are_told_apart_where_one_sink_stands_between() -> None:
    async def arrange() -> None:
        mailroom = _Ring({"a": 7, "b": 9})
        mailroom.arrange([ScriptedSink("a"), ScriptedSink("b")], _roomy)
        assert [mailroom.tells_apart(6, other) for other in (5, 7, 9)] == [False, True, True]
        assert not mailroom.tells_apart(9, 10)
        mailroom.close()

    hurried(arrange())


def test_all_are_gone_only_when_each_is() -> None:
    first, second = ScriptedSink("a"), ScriptedSink("b")

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([first, second], _roomy)
        first.gone = True
        mailroom.post(numbered([0]))
        assert not mailroom.all_gone
        second.gone = True
        mailroom.post(numbered([1]))
        assert mailroom.all_gone
        mailroom.close()

    hurried(carry())


class _Faulty(ScriptedSink):
    """Fails once in a way that no sink should."""

    def __init__(self) -> None:
        super().__init__("faulty")
        self.down = "away"
        self.failed = False

    def send(self, entries: Sequence[Entry]) -> int:
        if not self.down and not self.failed:
            self.failed = True
            raise RuntimeError("a mistake")
        return super().send(entries)


def test_a_drain_that_fails_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    sink = _Faulty()

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([sink], _roomy)
        mailroom.post(numbered(range(3)))
        sink.down = ""
        await asyncio.sleep(60)
        mailroom.close()

    hurried(carry())
    assert sink.seqs == [0, 1, 2]
    assert "a mistake" in caplog.text


def test_a_sink_that_hangs_has_one_thread_however_often_it_comes_and_goes() -> None:
    stuck, good = ScriptedSink("stuck", blocking=True), ScriptedSink("good")
    stuck.may_go_on.clear()

    async def flap() -> None:
        mailroom = _mailroom()
        mailroom.arrange([stuck, good], _roomy)
        mailroom.post(numbered([0]))
        await asyncio.to_thread(stuck.attempted.wait, 5)
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for number in range(1, 25):
            mailroom.arrange([good], _roomy)
            mailroom.arrange([stuck, good], _roomy)
            mailroom.post(numbered([number]))
            await asyncio.sleep(0.002)
        assert threading.active_count() <= threads
        assert len(os.listdir("/proc/self/fd")) == descriptors
        stuck.may_go_on.set()
        while mailroom.busy:
            await asyncio.sleep(0.001)
        mailroom.close()

    asyncio.run(flap())
    assert good.seqs == [*range(25)]
    assert stuck.seqs == [*range(25)], (
        "what waits for a sink that has not stopped yet goes on waiting for it"
    )


def test_an_error_in_one_sink_is_that_sinks_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Troubled(ScriptedSink):
        left = 5

        def send(self, entries: Sequence[Entry]) -> int:
            if self.left:
                self.left -= 1
                raise (RuntimeError, MemoryError, RecursionError)[self.left % 3]("trouble")
            return super().send(entries)

        def close(self) -> None:
            raise KeyError("trouble")

    bad, good = Troubled("bad"), ScriptedSink("good")

    async def carry() -> None:
        mailroom = _mailroom()
        mailroom.arrange([bad, good], _roomy)
        mailroom.post(numbered(range(3)))
        assert good.seqs == [0, 1, 2]
        assert mailroom.outboxes["bad"].last_error
        await asyncio.sleep(60)
        mailroom.post(numbered(range(3, 5)))
        await mailroom.empty(5)
        assert mailroom.close() == 0

    hurried(carry())
    assert bad.seqs == good.seqs == [0, 1, 2, 3, 4]
    assert good.closed == 1
    assert (
        len([record for record in caplog.records if "unexpected error" in record.getMessage()]) == 1
    )
