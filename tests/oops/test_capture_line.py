# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.oops.capture_line import banner_release

BANNER = "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP"


@pytest.mark.parametrize("head", ["", "[    0.000000] ", "<5>[    0.000000][    T0] "])
def test_banner_states_the_release_behind_any_head(head: str) -> None:
    assert banner_release(head + BANNER) == "6.1.0-56-cloud-amd64"


@pytest.mark.parametrize("line", ["", "NET: up", "nicd: Linux version 6.1.0 (x)", "Linux version "])
def test_other_line_states_no_release(line: str) -> None:
    assert banner_release(line) is None
