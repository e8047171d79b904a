# SPDX-License-Identifier: GPL-2.0-or-later
"""The families of functions that report, check or serve others, and so are never to blame.

A crash often shows in a function that is right: it was given a bad pointer. Each family names such
functions and says why. The names are those of
`klogd_py.reports.anatomy.function_names.plain_name`; a stem is a regular expression that a name
begins with, up to its end if it ends with ``$``.

Source of truth: the kernel's sources; the directories are named with the reasons.
"""

from functools import lru_cache

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.reports.anatomy.function_names import plain_name
from klogd_py.reports.blame.noise_family import NoiseFamily
from klogd_py.reports.blame.noise_memory import MEMORY
from klogd_py.reports.blame.noise_reporting import REPORTING
from klogd_py.reports.blame.noise_services import SERVICES

FAMILIES: tuple[NoiseFamily, ...] = (*REPORTING, *MEMORY, *SERVICES)
# Names that are remembered; a machine's crashes name a few hundred
_MAX_KNOWN = 4096


_GROUPS = {f"f{number}": family for number, family in enumerate(FAMILIES)}
_NAMES = {name: family for family in FAMILIES for name in family.names}
_STEMS = lazy_pattern(
    "|".join(
        f"(?P<{group}>{'|'.join(family.stems)})"
        for group, family in _GROUPS.items()
        if family.stems
    )
)


@lru_cache(_MAX_KNOWN)
def noise_family(function: str) -> str:
    """Return the name of the family that a function belongs to; empty if it is none's."""
    name = plain_name(function)
    family = _NAMES.get(name)
    if family is None:
        found = _STEMS.match(name)
        if found is None or found.lastgroup is None:
            return ""
        family = _GROUPS[found.lastgroup]
    return family.name


def is_noise(function: str) -> bool:
    """Whether a function is never to blame, whatever the kind of the report."""
    return bool(noise_family(function))
