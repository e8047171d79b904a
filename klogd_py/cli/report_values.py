# SPDX-License-Identifier: GPL-2.0-or-later
"""Check and convert the values of the options for reports.

Each function raises ArgumentTypeError.
"""

import re
from argparse import ArgumentTypeError
from datetime import datetime

from klogd_py.cli.argument_types import one_of
from klogd_py.cli.selection_values import boot, parse_time
from klogd_py.config.errors import WrongText
from klogd_py.config.reports_section import check_kind
from klogd_py.config.value_text import format_value

ALL_BOOTS = "all"
_NAME_OF_REPORT = re.compile(r"last|1:[0-9a-f]{1,16}|[0-9a-f]{4,16}(?:-[0-9a-f-]{0,40})?", re.ASCII)
FORMATS = ("text", "json", "html", "ureport2", "sentry")
report_format = one_of(FORMATS)


def kinds(text: str) -> frozenset[str]:
    """Return kinds of crashes such as ``kasan,warning``."""
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        try:
            check_kind(name)
        except WrongText as error:
            raise ArgumentTypeError(f"expected {error}, got {format_value(name)}") from error
    return frozenset(names)


def boot_or_all(text: str) -> int | str:
    """Return the number of a boot, 0 or negative, or `ALL_BOOTS`."""
    if text == ALL_BOOTS:
        return text
    try:
        number = boot(text)
    except ArgumentTypeError:
        number = 1
    if number > 0:
        raise ArgumentTypeError(f"expected 0, -1, -2 or all, got {format_value(text)}")
    return number


def is_report_name(text: str) -> bool:
    """Whether a word has the form of an id, a fingerprint or its beginning, or is ``last``."""
    return _NAME_OF_REPORT.fullmatch(text) is not None


def age(text: str) -> int:
    """Return the time, in microseconds since the Unix epoch, that is so long ago: ``30d``."""
    found = parse_time(f"-{text.strip().lstrip('-')}", datetime.now().astimezone())
    if found is None:
        raise ArgumentTypeError(f"expected a time such as 30d or 12h, got {format_value(text)}")
    return found
