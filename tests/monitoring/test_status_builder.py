# SPDX-License-Identifier: GPL-2.0-or-later
import msgspec
import pytest

from klogd_py.monitoring.status_builder import escape_invalid_utf8


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain \u00e9", "plain \u00e9"), ("Oops: \udcff", "Oops: \\udcff"), ("\ud800", "\\ud800")],
)
def test_invalid_utf8_is_shown_as_escapes(text: str, shown: str) -> None:
    assert escape_invalid_utf8(text) == shown
    assert msgspec.json.decode(msgspec.json.encode(escape_invalid_utf8(text))) == shown
