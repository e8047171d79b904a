# SPDX-License-Identifier: GPL-2.0-or-later
"""What every stage can rely on, and what a batch costs."""

from collections.abc import Callable

import pytest

from klogd_py.oops import address_scanner
from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.provenance import Origin
from klogd_py.oops.trace_buffer import MAX_HOLD_S
from klogd_py.pipeline import symbol_stage, symbolize
from klogd_py.pipeline.batch import Batch
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.stage import Stage, SymbolRequest
from klogd_py.pipeline.stage_list import StageList, raise_error
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Gap, LookupFailure, Record, Severity, SymbolAddress
from klogd_py.reports.detection.detector import DEFAULT_KINDS
from klogd_py.reports.detection.open_report import SILENCE_S
from klogd_py.symbols.resolver import Resolve
from klogd_py.symbols.symbol_set import SymbolSet
from tests.reports.lines import NULL_DEREF, WARNING
from tests.symbolizer import FixedResolver

FRAME = "RIP: 0010:0xffffffff81000100"


def records(*texts: str, prefix: int = 4) -> list[Record | Gap]:
    return [Record(text, prefix, seq, seq) for seq, text in enumerate(texts)]


class LaterStage(Stage):
    """Holds every record until it is flushed or its time has come."""

    def __init__(self, due_s: float) -> None:
        self._due_s = due_s
        self._held: list[Record | Gap] = []

    def push(self, batch: Batch, now_s: float) -> Batch:
        self._held += batch.items
        return batch.with_items([]).followed_by(self.flush() if now_s >= self._due_s else Batch([]))

    def flush(self) -> Batch:
        held, self._held = self._held, []
        return Batch(held)

    def deadline(self) -> float | None:
        return self._due_s if self._held else None

    @property
    def pending(self) -> list[Record | Gap]:
        return self._held


class AskingStage(Stage):
    """Asks for symbols before each batch, as often as it may."""

    depends_on_symbols = True

    def __init__(self) -> None:
        self.asked = 0

    def request(self, batch: Batch) -> SymbolRequest | None:
        self.asked += bool(batch.items)
        return SymbolRequest.LOADED if batch.items else None


class UnprovenSymbols(BootSymbols):
    """Symbols of which each trace may prove something."""

    reads_traces = True


def resolve_nothing(_address: int) -> SymbolAddress | LookupFailure:
    return LookupFailure.OUTSIDE


def make_stages(
    resolve: Resolve = resolve_nothing, *, live: bool = True, has_reports: bool = False
) -> Stages:
    boots = BootSymbols(SymbolSet(FixedResolver(resolve)))
    naming = Naming(Origin.RECORDS if live else Origin.CAPTURE)
    kinds = DEFAULT_KINDS if has_reports else frozenset[CrashKind]()
    return Stages(boots, CaptureClock(), naming, raise_error, live=live, report_kinds=kinds)


def texts_of(batch: Batch) -> list[str]:
    return [record.text for record in batch.records]


def test_last_batch_takes_along_what_is_held() -> None:
    first, second = LaterStage(9.0), LaterStage(5.0)
    stages = StageList([first, second], raise_error)
    assert not stages.push(Batch(records("a", "b")), 0.0).items
    assert stages.deadline() == 9.0
    assert not stages.push(Batch([]), 8.9).items
    assert [item.seq for item in first.pending if isinstance(item, Record)] == [0, 1]
    assert texts_of(stages.push(Batch(records("c"), is_last=True), 1.0)) == ["a", "b", "c"]
    assert (stages.deadline(), first.pending, second.pending) == (None, [], [])


def test_batch_waits_before_stage_that_asks() -> None:
    asking = AskingStage()
    stages = StageList([Stage(), asking, Stage()], raise_error)
    assert not stages.push(Batch(records("a")), 0.0).items
    assert stages.request is SymbolRequest.LOADED
    passed = Batch([])
    while stages.request is not None:
        passed = stages.resume(0.0)
    assert texts_of(passed) == ["a"]
    assert 1 < asking.asked < 10, "loads without end hold up no batch"


def test_later_stage_is_asked_afresh() -> None:
    first, second = AskingStage(), AskingStage()
    stages = StageList([first, second], raise_error)
    stages.push(Batch(records("a")), 0.0)
    while stages.request is not None:
        stages.resume(0.0)
    assert first.asked == second.asked


@pytest.mark.parametrize("live", [True, False])
def test_batch_without_work_passes_as_it_is(live: bool) -> None:
    batch = Batch(records("eth0: link up", "pci: [mem 0xfed00000-0xfed003ff] reserved", prefix=6))
    assert make_stages(live=live).push(batch, 0.0) is batch
    assert batch.symbolized is not None
    assert [entry.text for entry in batch.symbolized.entries] == batch.texts


def count_calls(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, function: Callable[..., object]
) -> list[object]:
    calls: list[object] = []

    def counting(*arguments: object, **named: object) -> object:
        calls.append(arguments[0])
        return function(*arguments, **named)

    monkeypatch.setattr(module, name, counting)
    return calls


def test_each_text_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = count_calls(monkeypatch, address_scanner, "find", address_scanner.find)
    searched = count_calls(
        monkeypatch,
        address_scanner,
        "candidate_lines",
        address_scanner.candidate_lines,
    )
    stages = make_stages()
    stages.push(Batch(records("eth0: link up", FRAME, "[mem 0x1-0x2]")), 0.0)
    while stages.request is not None:
        stages.resume(0.0)
    assert len(searched) == 1
    assert found == [FRAME, "[mem 0x1-0x2]"]


@pytest.mark.parametrize(("changed", "times"), [(False, 1), (True, 2)])
def test_unknown_address_is_looked_up_again_after_change(
    changed: bool, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = count_calls(monkeypatch, symbol_stage, "symbolize", symbolize.symbolize)
    boots = BootSymbols(SymbolSet(FixedResolver(resolve_nothing)))
    stages = Stages(boots, CaptureClock(), Naming(Origin.RECORDS), raise_error, live=True)
    stages.push(Batch(records(FRAME)), 0.0)
    assert stages.request is SymbolRequest.AFTER_FAILURE
    if changed:
        name = SymbolAddress("loaded", 1, 2, "", "t", "map")
        boots.set_current(SymbolSet(FixedResolver(lambda address: name)))
    passed = stages.resume(0.0)
    assert len(made) == times
    assert passed.symbolized is not None
    assert ("loaded" in passed.symbolized.entries[0].text) == changed
    assert len(passed.symbolized.lookups) == 1, "each lookup counts once"


def test_suppressed_oops_header_still_reloads_symbols() -> None:
    stages = make_stages()
    stages.kaslr_stage.reload_on_oops = True
    stages.rate_limiter.configure(Severity.ERR)
    stages.push(Batch(records("Oops: 0002 [#1] SMP")), 0.0)
    assert stages.request is SymbolRequest.AT_OOPS
    assert [type(item) for item in stages.resume(0.0).items] == []
    assert [type(item) for item in stages.push(Batch([], is_last=True), 0.0).items] == [Gap]


def test_piece_of_next_boot_continues_no_line() -> None:
    before = Record("the last line of a boot:", 4, 90, 9_000_000, caller="T1")
    piece = Record(" a piece", 4, 40, 1_000, "c", "T1")
    stages = make_stages(live=False)
    ended = stages.push(Batch([before, piece]), 0.0)
    assert (ended.records, ended.next_boot) == ([before], NextBoot())
    assert stages.push(Batch([]), 0.0).records == [piece]


def test_limiter_returns_batch_that_it_did_not_change() -> None:
    stages = make_stages()
    stages.rate_limiter.configure(burst=2)
    batch = Batch(records("a", "b", prefix=6))
    assert stages.push(batch, 0.0) is batch


def test_silence_begins_while_lines_are_held() -> None:
    """The lines of a trace without its end are held for a second."""
    boots = UnprovenSymbols(SymbolSet(FixedResolver(resolve_nothing)))
    naming = Naming(Origin.RECORDS)
    stages = Stages(
        boots, CaptureClock(), naming, raise_error, live=True, report_kinds=DEFAULT_KINDS
    )
    assert not stages.push(Batch(records(*WARNING[:-1])), 10.0).items
    due_s = stages.deadline()
    assert due_s == 10.0 + MAX_HOLD_S
    assert texts_of(stages.push(Batch([]), due_s)) == [*WARNING[:-1]]
    assert stages.deadline() == 10.0 + SILENCE_S


def test_silence_begins_before_symbols_are_loaded() -> None:
    """A batch that waited meanwhile comes before the silence is over."""
    stages = make_stages(has_reports=True)
    stages.kaslr_stage.reload_on_oops = True
    stages.push(Batch(records(*NULL_DEREF[:5])), 10.0)
    assert stages.request is SymbolRequest.AT_OOPS
    stages.resume(10.0 + 2 * SILENCE_S)
    assert stages.deadline() == 10.0 + SILENCE_S
    rest = records(*NULL_DEREF)[5:]
    (early,) = stages.push(Batch(rest), 10.0 + 2 * SILENCE_S).reports
    assert not early.is_complete
    (report,) = stages.push(Batch([]), 10.0 + 3 * SILENCE_S).reports
    assert len(report.lines) == len(NULL_DEREF)


def test_suppressed_lines_are_in_their_report() -> None:
    stages = make_stages(has_reports=True)
    stages.rate_limiter.configure(Severity.ERR)
    passed = stages.push(Batch(records(*WARNING), is_last=True), 0.0)
    while stages.request is not None:
        passed = stages.resume(0.0)
    (report,) = passed.reports
    assert [line.text for line in report.lines] == list(WARNING)
    assert [type(item) for item in passed.items] == [Gap]
    assert passed.symbolized is not None
    assert [entry.gap for entry in passed.symbolized.entries] == passed.items
