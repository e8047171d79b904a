# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the batch: records that pass all stages together, and what is known of them.

A batch is searched once, for all stages: by `Batch.address_lines` and `Batch.crash_lines`, each
when it is first asked for. A stage that changes nothing passes the same batch on.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from klogd_py.oops import address_scanner
from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.oops.crash_signatures import CRASH_MARKERS
from klogd_py.oops.provenance import Withheld
from klogd_py.oops.trace_buffer import RecognisedTrace
from klogd_py.record.types import KERN, Entry, Gap, LookupFailure, Record, Severity, SymbolAddress
from klogd_py.reports.raw_report import RawReport

# Facility kern with the level of a line that states none, or a more severe one; None where the
# source has no levels. Every kernel prints the headers of its crash reports at these.
_HEADER_PREFIXES = frozenset(
    (None, *range(KERN << 3 | Severity.EMERG, (KERN << 3 | Severity.NOTICE) + 1))
)


class Symbolized(Struct, frozen=True):
    """What became of the items of a batch.

    ``lookups`` has the result for each address that was to be named. ``withheld`` counts the
    addresses whose symbol is known but not printed.
    """

    entries: list[Entry]
    lookups: Sequence[SymbolAddress | LookupFailure] = ()
    withheld: Counter[Withheld] = Counter()

    @property
    def failures(self) -> list[LookupFailure]:
        """Why addresses have no symbol, for each of them."""
        return [lookup for lookup in self.lookups if isinstance(lookup, LookupFailure)]


class Batch:
    """Records and gaps in order. Mutable only in what is found out about them.

    ``traces`` are the traces that ended with these records, ``reports`` the reports of crashes
    that ended, or should be kept now. ``symbolized`` is set by the stage of the symbols.
    ``is_last``: nothing of this stream, or of this boot, follows, so no stage may hold anything
    back; ``next_boot`` is then the boot that follows, if one does. ``read_s`` is when the last of
    the items was read, on the clock of the stages; ``None`` without items.
    """

    __slots__ = (
        "_address_lines",
        "_crash_lines",
        "_records",
        "_texts",
        "is_last",
        "items",
        "next_boot",
        "read_s",
        "reports",
        "symbolized",
        "traces",
    )

    def __init__(
        self,
        items: Sequence[Record | Gap],
        *,
        traces: tuple[RecognisedTrace, ...] = (),
        is_last: bool = False,
        next_boot: NextBoot | None = None,
    ) -> None:
        self.items = items
        self.traces = traces
        self.reports: tuple[RawReport, ...] = ()
        self.symbolized: Symbolized | None = None
        self.is_last = is_last
        self.next_boot = next_boot
        self.read_s: float | None = None
        self._records: list[Record] | None = None
        self._texts: list[str] | None = None
        self._address_lines: Sequence[int] | None = None
        self._crash_lines: Sequence[int] | None = None

    def with_items(
        self, items: Sequence[Record | Gap], traces: Sequence[RecognisedTrace] = ()
    ) -> "Batch":
        """Return a batch of other items in the place of this one, with more traces."""
        batch = Batch(
            items,
            traces=(*self.traces, *traces),
            is_last=self.is_last,
            next_boot=self.next_boot,
        )
        batch.read_s, batch.reports = self.read_s, self.reports
        return batch

    def followed_by(self, other: "Batch") -> "Batch":
        """Return a batch with the items of ``other`` behind those of this one."""
        if not other.items and not other.traces:
            return self
        return self.with_items([*self.items, *other.items], other.traces)

    @property
    def records(self) -> list[Record]:
        """The items without the gaps."""
        if self._records is None:
            self._records = [item for item in self.items if isinstance(item, Record)]
        return self._records

    @property
    def texts(self) -> list[str]:
        """The text of each record."""
        if self._texts is None:
            self._texts = [record.text for record in self.records]
        return self._texts

    @property
    def address_lines(self) -> Sequence[int]:
        """The indices of the records in which an address may be."""
        if self._address_lines is None:
            self._address_lines = address_scanner.candidate_lines(self.texts)
        return self._address_lines

    @property
    def crash_lines(self) -> Sequence[int]:
        """The indices of the records that may begin the report of a crash."""
        if self._crash_lines is None:
            self._crash_lines = self._find_crash_lines()
        return self._crash_lines

    def has_address(self, include_symbolized: bool = False) -> bool:
        """Whether there is an address; ``include_symbolized`` is that of `address_scanner.find`."""
        find, texts = address_scanner.find, self.texts
        return any(find(texts[at], include_symbolized) for at in self.address_lines)

    @property
    def may_contain_trace(self) -> bool:
        """Whether a trace may begin in this batch: with a header, or with an address."""
        return bool(self.crash_lines) or self.has_address()

    def _find_crash_lines(self) -> Sequence[int]:
        texts = self.texts
        severe = [at for at, one in enumerate(self.records) if one.prefix in _HEADER_PREFIXES]
        if not severe:
            return ()
        # All texts are searched at once, since most batches hold no crash.
        everything = "\n".join([texts[at] for at in severe] if len(severe) < len(texts) else texts)
        markers = [marker for marker in CRASH_MARKERS if marker in everything]
        if not markers:
            return ()
        return [at for at in severe if any(marker in texts[at] for marker in markers)]
