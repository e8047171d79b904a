# SPDX-License-Identifier: GPL-2.0-or-later
"""Remember how the texts of records are written in the input, and write changed ones so.

A text with colours is symbolized as a terminal shows it, one in a JSON object as it is meant.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from klogd_py.record.types import Record


class RawText(Struct, frozen=True):
    """A text as it is written, and where each character that it means is; the last is the end.

    ``escape`` makes new characters of it.
    """

    text: str
    places: Sequence[int]
    escape: Callable[[str], str] = str

    def with_changes(self, meant: str, changed: str) -> str:
        """Return how ``changed`` is written, which was made of ``meant``.

        What was written before and behind the part that was changed stays.
        """
        if meant == changed:
            return self.text
        before = _equal_count(meant, changed)
        most = min(len(meant), len(changed)) - before
        after = min(most, _equal_count(reversed(meant), reversed(changed)))
        start = self.places[before]
        end = self.places[len(meant) - after] if after else self.places[-1]
        new = self.escape(changed[before : len(changed) - after])
        return self.text[:start] + new + self.text[end:]


class RawTexts:
    """The texts of those records that are written otherwise than they mean. Mutable."""

    def __init__(self) -> None:
        # By the identity of the record, which is kept with it
        self._known: dict[int, tuple[Record, RawText]] = {}

    def remember(self, record: Record, raw: RawText) -> None:
        """Remember how the text of a record is written, until it is taken."""
        self._known[id(record)] = record, raw

    def take(self, record: Record, text: str) -> str:
        """Return how a text is written that was made of the record's; it is then forgotten."""
        if not self._known or (known := self._known.pop(id(record), None)) is None:
            return text
        return known[1].with_changes(record.text, text)


def _equal_count(one: Iterable[str], other: Iterable[str]) -> int:
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
