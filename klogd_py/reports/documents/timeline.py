# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw the occurrences of an issue on a line of time, as SVG inside of HTML."""

from datetime import datetime, tzinfo
from html import escape

from klogd_py.record.quantity import quantity
from klogd_py.reports.documents.facts import format_time
from klogd_py.reports.documents.occurrences import Occurrences

_WIDTH, _HEIGHT, _MARGIN = 1000, 40, 6
# More marks than that cannot be told apart.
_MAX_MARKS = 200


def timeline(occurrences: Occurrences, zone: tzinfo | None) -> str:
    """Return the drawing, the oldest occurrence to the left; empty if there is but one time."""
    known = (occurrences.first_seen, *occurrences.times)
    moments = {datetime.fromisoformat(moment).timestamp() for moment in known if moment}
    times = sorted(moments)[-_MAX_MARKS:]
    if len(times) < 2 or occurrences.count < 2:
        return ""
    first, length = times[0], times[-1] - times[0]
    scale = (_WIDTH - 2 * _MARGIN) / length
    marks = "".join(
        f'<path d="M{_MARGIN + (moment - first) * scale:.1f} 6v28"/>' for moment in times
    )
    label = f"{quantity(occurrences.count, 'occurrence')}, {len(times)} of them marked"
    begin, end = format_time(occurrences.first_seen, zone), format_time(occurrences.last_seen, zone)
    return (
        f'<figure class="timeline"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'preserveAspectRatio="none" aria-label="{escape(label)}">'
        f'<path class="axis" d="M0 20h{_WIDTH}"/>{marks}</svg>'
        f"<figcaption><span>{escape(begin)}</span><span>{escape(end)}</span></figcaption></figure>"
    )
