# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the symbols of the boots in one text, one boot after the other."""

from collections import deque
from collections.abc import Sequence

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.symbols import description
from klogd_py.symbols.symbol_set import SymbolSet


class BootSymbols:
    """The symbols of the present boot of a text. Mutable; a `CurrentSymbols`."""

    is_loading = False

    def __init__(self, first: SymbolSet, inferred: Sequence[SymbolSet] | None = None) -> None:
        """``first`` are the symbols before any line is known.

        ``inferred`` are those of each boot of the text, if it has been read before; nothing is
        inferred again then.
        """
        self.first = first
        self._inferred = deque(inferred) if inferred is not None else None
        self.symbols = self._inferred.popleft() if self._inferred else first
        # Those of the boots that have ended
        self.ended: list[SymbolSet] = []
        # What a user should know of the boots that have ended; each is told once.
        self._messages: dict[str, bool] = {}

    @property
    def reads_traces(self) -> bool:
        """Whether a trace may change the symbols."""
        return self._inferred is None and self.symbols.reads_traces

    def set_current(self, found: SymbolSet) -> None:
        """Replace the symbols of the present boot."""
        self.symbols = found

    def begin_boot(self, boot: NextBoot) -> None:
        """End the present boot, and use the symbols for the next one."""
        self._end_boot()
        if self._inferred:
            self.symbols = self._inferred.popleft()
        elif boot.release is not None:
            self.symbols = self.first.for_release(boot.release)
        else:
            self.symbols = self.first

    def end(self) -> None:
        """End the last boot."""
        self._end_boot()
        if self.first.reads_traces and not self._messages:
            self._add_messages()

    def take_messages(self) -> list[str]:
        """Return what a user should know of the boots that have ended since the last call."""
        new = [line for line, is_told in self._messages.items() if not is_told]
        self._messages |= dict.fromkeys(new, True)
        return new

    @property
    def unproven_reason(self) -> str | None:
        """Why the slide of a boot that has ended is not known; ``None`` if each is."""
        reasons = [found.unproven_reason for found in self.ended if found.lacks_slide]
        # An oops that shows nothing says more than that there was none
        return max(reasons, key=lambda reason: reason != self.first.unproven_reason, default=None)

    def _end_boot(self) -> None:
        self.ended.append(self.symbols)
        # An oops, or the release of a kernel, has changed the symbols.
        if self.symbols is not self.first:
            self._add_messages()

    def _add_messages(self) -> None:
        symbols = self.symbols
        # Those of the first symbols have been told when these were loaded.
        lines = [remark for remark in symbols.remarks if remark not in self.first.remarks]
        if self.first.reads_traces:
            # The summary of the frames says why it is not known
            slide = description.slide_line(symbols) if symbols.slide is not None else None
            lines += [slide] if slide else []
            lines += description.base_lines(symbols.modules)
        for line in lines:
            self._messages.setdefault(line, False)
