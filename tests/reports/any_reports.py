# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports with any content, for the tests of what is made of them."""

from hypothesis import strategies as st

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.report import (
    Access,
    Boot,
    Confidence,
    Fingerprint,
    Frame,
    Kernel,
    Module,
    Process,
    Report,
    ReportSeverity,
    Source,
    Span,
    Stack,
    Taint,
)
from tests.reports_made import TEXT

TEXTS = st.text(max_size=40) | st.sampled_from(TEXT)
NUMBERS = st.none() | st.integers(0, 1 << 63)
FRAMES = st.builds(
    Frame,
    st.text(min_size=1, max_size=30) | st.sampled_from(["nic_poll", "0xffffffff81078690"]),
    st.none() | st.integers(0, 1 << 40),
    st.none() | st.integers(0, 1 << 40),
    st.sampled_from(["", "nic", "nic-x"]) | st.text(max_size=8),
    reliable=st.booleans(),
    noise=st.booleans(),
    file=st.sampled_from(["", "mm/slub.c"]) | st.text(max_size=8),
    line=st.integers(0, 99),
)
TIMES = st.sampled_from(["", "2026-11-27T18:04:05.218310Z", "1970-01-01T00:00:00Z"])
REPORTS = st.builds(
    Report,
    id=st.just("5f0c9a1e-000005218310-1a2b3c4d"),
    kind=st.sampled_from([kind.value for kind in CrashKind]),
    title=TEXTS.filter(bool),
    severity=st.sampled_from(ReportSeverity),
    fingerprint=st.just(Fingerprint("1:0123456789abcdef", "1:1", "1:2")),
    crash_class=st.just("bad-access"),
    function=st.sampled_from(["", "nic_poll"]) | TEXTS,
    module=TEXTS,
    at=TEXTS,
    source=st.none() | st.builds(Source, TEXTS, st.integers(0, 1 << 30)),
    confidence=st.sampled_from(Confidence),
    doubts=st.lists(TEXTS, max_size=2).map(tuple),
    count=st.integers(1, 1 << 40),
    first_seen=TIMES,
    last_seen=TIMES,
    boot=st.builds(Boot, TEXTS, st.integers(-9, 0)),
    seq=st.none() | st.builds(Span, st.integers(0, 9), st.integers(9, 99)),
    usec=st.none() | st.builds(Span, st.integers(0, 9), st.integers(9, 1 << 60)),
    host=TEXTS,
    panicked=st.booleans(),
    message=TEXTS,
    process=st.builds(Process, TEXTS, NUMBERS, NUMBERS, NUMBERS, TEXTS),
    kernel=st.builds(
        Kernel,
        st.sampled_from(["6.12.4-200.fc41.x86_64", "6.12"]) | TEXTS,
        *([TEXTS] * 4),
        st.builds(Taint, st.text(max_size=5) | st.just("PWOE"), st.just(())),
        *([TEXTS] * 2),
    ),
    modules=st.lists(st.builds(Module, TEXTS, TEXTS), max_size=3).map(tuple),
    last_unloaded=st.lists(TEXTS, max_size=1).map(tuple),
    access=st.none() | st.builds(Access, TEXTS, TEXTS, TEXTS, NUMBERS),
    stacks=st.lists(
        st.builds(Stack, TEXTS, st.lists(FRAMES, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    code=TEXTS,
    locks=st.lists(TEXTS, max_size=2).map(tuple),
    text=st.lists(TEXTS, max_size=4).map(tuple),
    context_before=st.lists(TEXTS, max_size=2).map(tuple),
)
