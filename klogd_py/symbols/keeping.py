# SPDX-License-Identifier: GPL-2.0-or-later
"""Which map stays in use when what lies in its place now is refused?

The kernel that runs is the one of yesterday, whatever an upgrade has put into /boot since. So a map
that was right stays right, as long as it was read into memory and nobody took it away on purpose.
"""

from collections.abc import Sequence

import msgspec

from klogd_py.symbols.map_check import MapStatus, Verdict
from klogd_py.symbols.system_map import SystemMap

KEPT = "kept as it was read, since what is there now is refused"


def keep(
    used: Verdict | None, candidate: SystemMap | None, verdicts: Sequence[Verdict]
) -> Verdict | None:
    """The verdict under which a map stays in use.

    ``verdicts`` are those on what is there now, of which none was accepted.
    """
    if (
        used is None
        or candidate is None
        or candidate.text is not None
        or not isinstance(candidate.lines, bytes)
    ):
        return None
    statuses = {verdict.path: verdict.status for verdict in verdicts}
    if MapStatus.REFUSED not in statuses.values() or statuses.get(used.path) is MapStatus.MISSING:
        return None
    reason = used.reason if used.reason.endswith(KEPT) else f"{used.reason}; {KEPT}"
    return msgspec.structs.replace(used, reason=reason)
