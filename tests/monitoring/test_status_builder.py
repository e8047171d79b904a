# SPDX-License-Identifier: GPL-2.0-or-later
import msgspec
import pytest

from klogd_py.monitoring.status_builder import legible


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain \u00e9", "plain \u00e9"), ("Oops: \udcff", "Oops: \\udcff"), ("\ud800", "\\ud800")],
)
def test_bytes_that_are_no_text_are_shown_as_escapes(text: str, shown: str) -> None:
    assert legible(text) == shown
    assert msgspec.json.decode(msgspec.json.encode(legible(text))) == shown
