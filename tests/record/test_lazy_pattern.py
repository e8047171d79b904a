# SPDX-License-Identifier: GPL-2.0-or-later
import re
import subprocess
import sys

import pytest

from klogd_py.record.lazy_pattern import lazy_pattern

# Counts the long expressions that the parts of every run compile when they are imported.
COUNT = """
import re, sys
count = 0
compile = re._compiler.compile
def counted(*arguments):
    global count
    count += len(str(arguments[0])) > 1000
    return compile(*arguments)
re._compiler.compile = counted
import klogd_py.daemon, klogd_py.lifecycle.record_flow, klogd_py.pipeline.text_stream
print(count)
"""


def test_lazy_pattern_finds_what_others_find() -> None:
    lazy, other = lazy_pattern(r"(?P<n>\d+)", re.ASCII), re.compile(r"(?P<n>\d+)", re.ASCII)
    for _ in range(2):
        assert [found["n"] for found in lazy.finditer("1 22")] == ["1", "22"]
        assert lazy.match("x") is None
        assert (lazy.pattern, lazy.flags, lazy.groupindex) == (
            other.pattern,
            other.flags,
            other.groupindex,
        )


def test_wrong_pattern_is_an_error_at_use() -> None:
    lazy = lazy_pattern("(")
    with pytest.raises(re.error):
        lazy.search("")


def test_start_compiles_no_long_expression() -> None:
    found = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, check=True)
    assert int(found.stdout) == 0
