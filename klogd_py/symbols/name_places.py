# SPDX-License-Identifier: GPL-2.0-or-later
r"""Find the lines of many symbols by their names, in one pass through the lines.

``ffffffff81078650 t worker_thread\t[module]``: a name stands between a blank and a line feed or a
tab. Names that will be asked for are stated before. The first question for one of them searches for
all of them at once, and the result is kept, so that a file of hundreds of megabytes is read once.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from klogd_py.symbols.sorted_lines import SortedLines

# What may stand behind a name
ENDINGS = (b"\n", b"\t")
# Longer ones are searched for one by one, since they make the expression large
_MAX_BYTES = 128
# Of one pass
_MAX_EXPECTED = 1024
# Of which the places are kept
_MAX_KNOWN = 4096
# Of one name that are kept; what follows is searched for when it is needed
_MAX_STARTS = 64
# Bytes of names by which the alternatives of the expression are divided
_MAX_DEPTH = 4


class _Places(Struct):
    """The starts of the first lines with a name; ``resume`` is where the search for more goes on,
    ``None`` if these are all.
    """

    starts: list[int]
    resume: int | None = None


class NamePlaces:
    """The places of names in one sequence of lines; all tables of these lines share it.

    Mutable only in what it has found; several threads may search.
    """

    def __init__(self) -> None:
        self._expected: set[bytes] = set()
        self._known: dict[bytes, _Places] = {}

    def expect(self, names: Iterable[bytes]) -> None:
        """State names that will be asked for; nothing is searched yet."""
        for name in names:
            if (
                0 < len(name) <= _MAX_BYTES
                and len(self._expected) < _MAX_EXPECTED
                and not any(mark in name for mark in (b" ", *ENDINGS))
                and _wanted(name, ENDINGS[0]) not in self._known
            ):
                self._expected.add(name)

    def find(self, lines: SortedLines, name: bytes, ending: bytes) -> Iterator[int]:
        """Yield the start of each line with this name before this ending, in order."""
        if name in self._expected:
            self._search(lines)
        wanted = _wanted(name, ending)
        places = self._known.get(wanted)
        # What is known of a file that has lost its end is not there any more
        if places is None or lines.is_cut:
            yield from lines.containing(wanted)
            return
        yield from places.starts
        if places.resume is not None:
            yield from lines.containing(wanted, places.resume)

    def _search(self, lines: SortedLines) -> None:
        """Find all expected names in one pass."""
        names, self._expected = self._expected, set()
        # Another thread has searched for them meanwhile.
        if not names:
            return
        found = {_wanted(name, ending): _Places([]) for name in names for ending in ENDINGS}
        expression = re.compile(b" %s[\n\t]" % _alternatives(sorted(names), _MAX_DEPTH))
        for match in lines.matches(expression, _MAX_BYTES + 2):
            places = found[match.content]
            if len(places.starts) < _MAX_STARTS:
                places.starts.append(lines.start_of(match.offset))
            elif places.resume is None:
                places.resume = match.offset
        if len(self._known) + len(found) > 2 * _MAX_KNOWN:
            self._known.clear()
        self._known.update(found)


def _wanted(name: bytes, ending: bytes) -> bytes:
    return b" " + name + ending


def _alternatives(names: list[bytes], depth: int) -> bytes:
    """Return an expression for any of these names, which are sorted.

    It is divided by the first bytes: one flat list of names would be tried from its start at every
    line. ``depth`` limits the nesting.
    """
    if depth == 0 or len(names) == 1:
        return b"(?:%s)" % b"|".join(re.escape(name) for name in names)
    parts = [
        re.escape(first) + _alternatives([name[1:] for name in group], depth - 1)
        for first, group in groupby(names, key=lambda name: name[:1])
    ]
    return b"(?:%s)" % b"|".join(parts)
