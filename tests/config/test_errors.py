# SPDX-License-Identifier: GPL-2.0-or-later
"""Every exception of the configuration has one base and a message of one line."""

import pytest

from klogd_py.config import errors
from klogd_py.config.errors import ConfigError

FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_message_of_any_error_is_printable(kind: type[ConfigError]) -> None:
    assert issubclass(kind, ConfigError)
    error = kind("key user: got \x1b[31m\n\u2028 and \udcff")
    assert str(error) == r"key user: got \x1b[31m\n\u2028 and \udcff"
    # The message of one error becomes a part of another.
    assert str(kind(str(error))) == str(error)
