# SPDX-License-Identifier: GPL-2.0-or-later
"""Crashes of several hosts in the file of one syslog daemon are told apart."""

from collections.abc import Iterable
from itertools import chain, zip_longest

from klogd_py.reports.describe import describe
from tests.corpus.reported import reports_in
from tests.reports.lines import NULL_DEREF, PANIC, WARNING, texts_of

# Two have been up for the same time
UPTIMES_S = {"alpha": 100_000, "beta": 55, "gamma": 777, "delta": 100_000}


def lines_of(host: str, texts: Iterable[str]) -> list[str]:
    head = f"Nov 27 10:00:00 {host} kernel: [{UPTIMES_S[host]:5}"
    return [f"{head}.{at:06}] {text}\n" for at, text in enumerate(texts)]


def by_turns(*logs: list[str]) -> bytes:
    return "".join(line for line in chain(*zip_longest(*logs)) if line).encode()


def test_report_of_each_host_is_whole() -> None:
    crashes = {"alpha": NULL_DEREF, "beta": WARNING, "gamma": WARNING}
    found = reports_in(by_turns(*(lines_of(host, texts) for host, texts in crashes.items())))
    assert [describe(report).host for report in found] == list(crashes)
    assert [texts_of(report) for report in found] == [list(texts) for texts in crashes.values()]
    assert not any(report.truncated for report in found)


def test_panic_of_another_host_joins_no_report() -> None:
    crashed = lines_of("alpha", NULL_DEREF[:-2])
    found = reports_in(by_turns(crashed, ["" for _ in crashed[2:]] + lines_of("delta", PANIC)))
    assert [report.panicked for report in found] == [False, True]


def test_oops_of_another_host_taints_no_report() -> None:
    log = [*lines_of("alpha", NULL_DEREF), *lines_of("delta", WARNING)]
    assert [report.after_oops for report in reports_in(by_turns(log))] == [False, False]


def test_boot_of_another_host_cuts_no_report() -> None:
    beta = lines_of("beta", ["eth0: link up", "Linux version 6.1.0 (x)", "eth0: link up"])
    (report,) = reports_in(by_turns(lines_of("alpha", NULL_DEREF), beta))
    assert texts_of(report) == list(NULL_DEREF)
