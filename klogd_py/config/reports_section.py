# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the table of the configuration that is about reports of crashes.

It is a part of `klogd_py.config.schema`, and described in the same way.
"""

from typing import Annotated

from msgspec import Struct

from klogd_py.config.errors import WrongText
from klogd_py.config.value_types import MAX_ENTRIES, Length, OptionalPath, Range, Seconds, TextCheck
from klogd_py.record.crash_kind import CrashKind

# MAX_ARG_STRLEN of the kernel is 128 KiB; nobody types that.
MAX_ARGUMENT_CHARS = 4096
# More than any name of a kind
MAX_KIND_CHARS = 40
_NAMES = frozenset(kind.value for kind in CrashKind)


def check_kind(text: str) -> None:
    """Check for the name of a kind of crash; the error has the one that was probably meant."""
    if text not in _NAMES:
        # Imported here, as only a mistake needs it
        import difflib

        nearest = difflib.get_close_matches(text[:MAX_KIND_CHARS], sorted(_NAMES), n=1)
        meant = f" (did you mean {nearest[0]}?)" if nearest else ""
        raise WrongText(f"a kind such as kasan, warning or hung-task{meant}")


def check_argument(text: str) -> None:
    """Check for an argument of a program."""
    if not 0 < len(text) <= MAX_ARGUMENT_CHARS or not text.isprintable():
        raise WrongText(f"an argument of 1 to {MAX_ARGUMENT_CHARS} printable characters")


Kinds = Annotated[
    tuple[Annotated[str, TextCheck(check_kind, "a kind")], ...], Length(0, MAX_ENTRIES, "kind")
]
Arguments = Annotated[
    tuple[Annotated[str, TextCheck(check_argument, "an argument")], ...],
    Length(0, MAX_ENTRIES, "argument"),
]
ReportCount = Annotated[int, Range(1, 10_000)]
MiB = Annotated[int, Range(1, 4096, unit="MiB")]
Days = Annotated[int, Range(1, 3650, unit="days")]


class ReportsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Reports of crashes: one for each oops, warning or stall of the kernel, with what happened and
    where. `klogd-py reports` shows them.
    """

    enabled: bool = True
    """Collect reports, and announce them in every sink.

    Only the running daemon does so, not `--once` and not `--input`.
    """
    kinds: Kinds = ()
    """The kinds of crashes that are reported, such as "kasan", "warning" or "hung-task". An empty
    list stands for all.
    """
    notes: bool = False
    """Report what is worth a note and no crash, too: an interrupt that nobody cared for, a failed
    allocation of pages, a machine check, a process that was killed for want of memory.
    """
    spool: OptionalPath = "/var/lib/klogd-py/reports"
    """The directory of the reports, a JSON file for each. Members of its group may read them. An
    empty string keeps none.

    It is made if it is missing; the directory above must exist. The service needs a drop-in with
    ``ReadWritePaths=`` for another place. Of a crash that happens again and again, the first three
    and the last three reports are kept, and all are counted.
    """
    limit_reports: ReportCount = 1000
    """How many reports are kept. Repeats are removed before the first report of a crash, the oldest
    first.
    """
    limit_mib: MiB = 64
    """How much room they may take."""
    limit_days: Days = 90
    """How long a report is kept."""
    period_s: Seconds = 60
    """A crash that happens again within so many seconds is counted, and announced once at their
    end. The time doubles with each announcement, up to an hour.
    """
    exec: Arguments = ()
    """A program and its arguments, called for each announcement, without a shell. An empty list
    calls none.

    It gets the report as JSON on its standard input, and the variables KLOGD_REPORT_ID, _KIND,
    _SEVERITY, _TITLE, _FUNCTION, _MODULE, _FINGERPRINT, _COUNT and _CONFIDENCE. It runs as the user
    of the daemon, one call at a time; at most 16 reports wait for it. The service allows no program
    outside of /usr, and no network: see docs/security.md::

        [reports]
        exec = ["/usr/local/bin/report-to-team", "--queue", "kernel"]
    """
    exec_public: bool = False
    """Give the program only what anybody may read, as `klogd-py reports export --public` does."""
    exec_timeout_s: Seconds = 30
    """How long the program may take. It is killed then with its process group. What it has started
    in a session or a group of its own goes on, until the service stops."""
