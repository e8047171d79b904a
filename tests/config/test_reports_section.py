# SPDX-License-Identifier: GPL-2.0-or-later
"""The table [reports]: what is refused says why."""

import pytest

from klogd_py.config import loader
from klogd_py.config.errors import ConfigError


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        loader.convert(loader.parse(f"[reports]\n{text}\n".encode(), "x"), "x")
    return str(raised.value)


def test_unknown_kind_is_refused_with_others() -> None:
    assert refusal('kinds = ["warnin"]').endswith(
        "expected a kind such as kasan, warning or hung-task (did you mean warning?), got 'warnin'"
    )
    assert refusal('kinds = ["xyzzy"]').endswith("warning or hung-task, got 'xyzzy'")


def test_program_without_path_is_refused() -> None:
    assert "absolute path of a program first, got 'mail'" in refusal('exec = ["mail", "root"]')


def test_shell_line_as_string_is_refused() -> None:
    assert "key reports.exec: expected a list" in refusal('exec = "/bin/mail root"')


def test_spool_has_a_path_of_its_own() -> None:
    wrong = 'spool = "/var/lib/klogd-py/position.json"'
    assert "which state.cursor_file already has" in refusal(wrong)
