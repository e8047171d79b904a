# SPDX-License-Identifier: GPL-2.0-or-later
"""Define what the recorder of reports needs to know of the configuration."""

from pathlib import Path

from msgspec import Struct

from klogd_py.reports.storm import MIN_PERIOD_S
from klogd_py.spool.retention import Limits


class HookSettings(Struct, frozen=True):
    """The program that is called, with its arguments; none if there is no ``command``.

    ``is_public``: it gets only what anybody may read.
    """

    command: tuple[str, ...] = ()
    timeout_s: float = 30.0
    is_public: bool = False


class ReportSettings(Struct, frozen=True):
    """How reports are kept and announced; without a ``spool`` they are only announced."""

    enabled: bool = True
    spool: Path | None = None
    limits: Limits = Limits()
    period_s: float = MIN_PERIOD_S
    hook: HookSettings = HookSettings()
