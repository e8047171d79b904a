# SPDX-License-Identifier: GPL-2.0-or-later
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.symbols.kaslr import call_pairs
from klogd_py.symbols.kaslr.call_pairs import (
    IMPOSSIBLE_CALL_PAIRS,
    KNOWN_CALL_PAIRS,
    has_impossible_pair,
    has_known_pair,
)

# Callers, callees and both, some of which are aliases of one another on a real kernel
NAMES = (
    *("entry_SYSCALL_64_after_hwframe", "do_syscall_64", "x64_sys_call", "__x64_sys_read"),
    *("__x64_sys_ioctl", "__se_sys_read", "__do_sys_write", "ksys_read", "ksys_pread64"),
    *("vfs_read", "vfs_write", "vfs_llseek", "new_sync_read", "do_read", "do_readv", "do_ioctl"),
    *("sys_ioctl", "asm_exc_int3", "exc_int3", "exc_page_fault", "ret_from_fork", "kthread"),
    *("worker_thread", "process_one_work", "el0t_64_sync", "el0t_64_sync_handler", "panic"),
    *("__x64_sys_a.b", "do_axb", "unrelated"),
)


def is_known(caller: str, callee: str) -> bool:
    for caller_pattern, callee_pattern in KNOWN_CALL_PAIRS:
        found = caller_pattern.fullmatch(caller)
        if found is not None:
            for group, value in found.groupdict().items():
                callee_pattern = callee_pattern.replace(f"(?P={group})", re.escape(value))
            if re.fullmatch(callee_pattern, callee):
                return True
    return False


def is_impossible(caller: str, callee: str) -> bool:
    matches = [
        (caller_pattern.fullmatch(caller), callee_pattern.fullmatch(callee))
        for caller_pattern, callee_pattern in IMPOSSIBLE_CALL_PAIRS
    ]
    return any(
        here is not None and there is not None and here["what"] != there["what"]
        for here, there in matches
    )


@given(st.frozensets(st.sampled_from(NAMES)), st.frozensets(st.sampled_from(NAMES)))
def test_sets_of_names_answer_as_all_pairs(
    callers: frozenset[str], callees: frozenset[str]
) -> None:
    pairs = [(caller, callee) for caller in callers for callee in callees]
    assert has_known_pair(callers, callees) == any(is_known(*pair) for pair in pairs)
    assert has_impossible_pair(callers, callees) == any(is_impossible(*pair) for pair in pairs)


class CountedPattern:
    """An expression that counts how often it is tried."""

    def __init__(self, pattern: str) -> None:
        self.tried = 0
        self._pattern = re.compile(pattern)

    def fullmatch(self, text: str) -> re.Match[str] | None:
        self.tried += 1
        return self._pattern.fullmatch(text)


@pytest.mark.parametrize("count", [200, 400])
def test_each_alias_is_tried_by_itself(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = CountedPattern(r"__x64_sys_(?P<what>\w+)")
    callee = CountedPattern(r"vfs_(?P<what>\w+)")
    monkeypatch.setattr(call_pairs, "IMPOSSIBLE_CALL_PAIRS", ((caller, callee),))
    monkeypatch.setattr(call_pairs, "KNOWN_CALL_PAIRS", ((caller, r"sys_(?P=what)"),))
    callers = frozenset(f"__x64_sys_{number}" for number in range(count))
    callees = frozenset(f"function_{number}" for number in range(count))
    assert not has_impossible_pair(callers, callees)
    assert (caller.tried, callee.tried) == (count, count)
    assert not has_known_pair(callers, callees)
    assert caller.tried == 2 * count
