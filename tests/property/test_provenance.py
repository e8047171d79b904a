# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a user writes into a kernel message changes no symbol, slide, module base, report or
gap."""

from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from klogd_py.oops import provenance
from klogd_py.oops.crash_signatures import SIGNATURES
from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.types import Record
from klogd_py.symbols.symbol_set import SymbolSet
from tests.printk_forms import FORMS, Form
from tests.symbolizer import Symbolizer, symbol_set_of
from tests.symbols.oopses import ALIGN, BASE, ENTRY, Kernel, kernel, oops

RUNNING = kernel(Random(7), slide=5 * ALIGN)
FORGED = Kernel(RUNNING.functions, 2 * ALIGN)


_AT = BASE + RUNNING.slide + 0x123
_CHAIN = [
    FORGED.starts[name] + FORGED.slide + 0x8
    for name in ("vfs_write", "ksys_write", "do_syscall_64", ENTRY)
]
_TRACE = "".join(f"\n [<{address:x}>]" for address in _CHAIN)

# What somebody would write who knows klogd-py.
ATTACKS = {
    "bracket": f"guess_[<{_AT:x}>]",
    "bracket alone": f"[<{_AT:x}>]",
    "short bracket": "[<c0155f90>]",
    "trace": f"aaaaaaaaaaaaaaa\nCall Trace:{_TRACE}\n",
    "trace in one line": "aaaaaaaaaaaaaaa" + _TRACE.replace("\n", " "),
    "offset": f"aaaaaaaaaaaaaaa\nKernel Offset: {ALIGN:#x} from {BASE:#x}",
    "oops": "\n".join(["a", *oops(FORGED, Random(3))]),
    "header": "BUG: kernel NULL pointer dereference, address: 0000000000000000",
    "oops word": "Oops: 0000 [#1]",
    "panic": "Kernel panic - not syncing: Fatal exception",
    "gap": 'klogd-py: 3 kernel records lost [gap first="5" last="7" count="3" cause="overrun"]',
    "stamped": f"\n<4>[    1.000000]  0x{_AT:x}",
    "end": "---[ end trace 0000000000000000 ]---",
}
_PIECES = [
    *ATTACKS.values(),
    "\n",
    " ",
    ": ",
    "\x1b[1m",
    "é",
    f"0x{_AT:x}",
    f"RIP: 0010:0x{_AT:x}",
    "? ",
    "[",
    "]",
    "x" * 15,
]
USERS = st.one_of(
    st.sampled_from(sorted(ATTACKS.values())),
    st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=6)), max_size=8).map("".join),
)


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> SymbolSet:
    """A map whose slide no oops has shown."""
    path = tmp_path_factory.mktemp("map") / "System.map"
    path.write_bytes(RUNNING.map)
    return symbol_set_of(path)


@pytest.fixture(scope="module")
def proved(unknown: SymbolSet) -> SymbolSet:
    """The same after an oops has shown it."""
    symbolizer = Symbolizer(unknown)
    symbolizer.process(
        [Record(line, 4, seq=at, usec=at) for at, line in enumerate(oops(RUNNING, Random(3)))]
    )
    assert symbolizer.symbols.slide is not None
    return symbolizer.symbols


def effects(found: SymbolSet, text: str, prefix: int = 4) -> list[str]:
    """What one record changes: symbols, the slide, reports."""
    symbolizer = Symbolizer(found)
    symbolizer.process([Record(text, prefix, seq=9, usec=9_000_000, caller="T9")])
    slides = (found.slide, symbolizer.symbols.slide)
    changes = [f"named {place.kernel_form}" for place in symbolizer.resolved]
    changes += [f"slide {slides[1]}"] if slides[0] != slides[1] else []
    changes += (
        ["map refused"]
        if found.map_in_use is not None and symbolizer.symbols.map_in_use is None
        else []
    )
    changes += (
        [f"bases {symbolizer.symbols.modules.bases}"]
        if found.modules.bases != symbolizer.symbols.modules.bases
        else []
    )
    changes += (
        [f"{symbolizer.counters.crashes.oopses} reports"]
        if symbolizer.counters.crashes.oopses
        else []
    )
    changes += [
        f"{count} {kind.value}"
        for kind, count in symbolizer.counters.crashes.by_kind.items()
        if count
    ]
    changes += ["gap"] if any(entry.gap is not None for entry in symbolizer.entries) else []
    changes += ["text changed"] if [entry.text for entry in symbolizer.entries] != [text] else []
    return changes


def test_the_document_lists_more_than_thirty_messages() -> None:
    assert len(FORMS) > 100
    assert sum("{user}" in form.message for form in FORMS) == len(FORMS)
    assert sum(form.message.startswith("{user}") for form in FORMS) > 20


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FORMS), USERS)
@example(FORMS[0], ATTACKS["offset"])
def test_text_of_a_user_changes_nothing(
    unknown: SymbolSet, proved: SymbolSet, form: Form, user: str
) -> None:
    for found in (unknown, proved):
        assert effects(found, form.text(user)) == effects(found, form.text("x"))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.source.split()[0])
def test_no_known_attack_succeeds_in_any_message(
    unknown: SymbolSet, proved: SymbolSet, form: Form
) -> None:
    for found in (unknown, proved):
        harmless = effects(found, form.text("x"))
        assert {
            name: effects(found, form.text(user)) for name, user in ATTACKS.items()
        } == dict.fromkeys(ATTACKS, harmless)


SEGFAULT = next(
    form for form in FORMS if "segfault at" in form.message and form.source.startswith("arch/x86")
)


PANIC = next(row for row in SIGNATURES if row.kind is CrashKind.PANIC)


@pytest.fixture
def without_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patch the checks so that any line with an address or a word of an oops counts."""
    monkeypatch.setattr(provenance, "withheld_reason", lambda *_: None)
    monkeypatch.setattr(provenance, "evidence_lines", lambda record, _: record.text.split("\n"))
    monkeypatch.setattr(provenance, "is_trace_start", lambda *_: True)
    monkeypatch.setattr(provenance, "identify", lambda *_: PANIC)


@pytest.mark.usefixtures("without_anchors")
@pytest.mark.parametrize(
    ("attack", "is_proved", "effect"),
    [
        ("trace", False, "slide"),
        ("trace in one line", False, "slide"),
        ("trace", True, "map refused"),
        ("bracket", True, "named"),
        ("header", True, "reports"),
    ],
)
def test_without_anchors_the_attacks_succeed(
    unknown: SymbolSet, proved: SymbolSet, attack: str, is_proved: bool, effect: str
) -> None:
    """The tests above can fail."""
    found = effects(proved if is_proved else unknown, SEGFAULT.text(ATTACKS[attack]))
    assert any(effect in change for change in found)


@pytest.mark.usefixtures("without_anchors")
@pytest.mark.parametrize(
    "text", [f"panic of the last boot: RIP: [<{_AT:x}>]", f"RIP: 0010:0x{_AT:x}"]
)
def test_without_anchors_text_of_a_process_is_named(proved: SymbolSet, text: str) -> None:
    assert any("named" in change for change in effects(proved, text, prefix=1 << 3 | 4))


def test_text_of_a_process_is_never_named(proved: SymbolSet) -> None:
    for text in (f"RIP: 0010:0x{_AT:x}", f" [<{_AT:x}>]", f"PC is at 0x{_AT:x}"):
        assert effects(proved, text, prefix=1 << 3 | 4) == []
        assert effects(proved, text) != []
