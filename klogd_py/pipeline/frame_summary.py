# SPDX-License-Identifier: GPL-2.0-or-later
"""Say at the end of a text how many of its frames were named, and why the others were not.

A frame is a code address in a form of the kernel. Nothing is said where each has a name, or where
there is none. A text in which no frame was recognised is searched for addresses in other forms; no
more than its beginning is looked at, since ordinary text must not cost more.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from klogd_py.oops.provenance import Withheld
from klogd_py.pipeline.batch import Batch, Symbolized
from klogd_py.record.quantity import quantity
from klogd_py.record.types import LookupFailure

# The beginning of a text that is searched for addresses in unknown forms
_MAX_SAMPLED_CHARS = 1 << 20
# So many lines with such an address are no chance
_MIN_SUSPECTS = 4
# In all addresses of 64 bits below, and short enough for a fast search
_SAMPLE_MARKERS = ("ffff", "0x", "c0000")
# Code of x86, riscv and mips; of arm64, with two sizes of its address space; of powerpc
_CODE_64 = r"ffffffff[89a-c][0-9a-f]{7}|ffffffc0[0-9a-f]{8}|ffff8000[0-9a-f]{8}|c0000000[0-9a-f]{8}"
# Numbers of 32 bits are often others: only those that end a line, where kernels of mips, arm and
# x86 begin
_CODE_32 = r"[ \]>]0x(?:80|c0|c1)(?!0*\r?$)[0-9a-f]{6}\r?$"
_SUSPECT = re.compile(
    rf"^.*(?:(?<![0-9a-wyz-])(?:{_CODE_64})(?![0-9a-z-])|{_CODE_32}).*$", re.MULTILINE
)
# A frame that the kernel has named: ``vfs_write+0x1c/0x90``, or ``{vfs_write+28}``
_KERNEL_NAMED = re.compile(r"\+0x[0-9a-f]{1,8}/0x[0-9a-f]|\{\w+\+[0-9]+\}")
# A range, and registers
_NO_CODE = re.compile(r"[0-9a-f] ?- ?(?:0x)?[0-9a-f]{8}|\b[A-Za-z]+[0-9]{0,2} ?[:=] ?[0-9a-f]{8}")

_Reason = LookupFailure | Withheld
_WORDS: Mapping[_Reason, str] = MappingProxyType(
    {
        LookupFailure.KASLR_UNKNOWN: "the kernel's offset (KASLR) is not known",
        LookupFailure.OUTSIDE: "no symbol contains them, as in modules or another kernel",
        LookupFailure.HIDDEN: "the kernel hides its addresses (kernel.kptr_restrict)",
        LookupFailure.NOT_CODE: "they lie in data, not in code",
        Withheld.FORM: "the kernel prints no code address in a line of this form",
        Withheld.BORDERS: "the source does not tell where a record ends",
        Withheld.HASH: "the number may be a hash, the kernel's own name is beside it",
    }
)
_REMEDIES: Mapping[_Reason, str] = MappingProxyType(
    {
        LookupFailure.NO_SYMBOLS: "--map FILE, or --live for a log of this machine",
        LookupFailure.HIDDEN: "--map FILE, or run klogd-py as root",
        LookupFailure.WRONG_MAP: "--map FILE with the map of the kernel in the log",
        LookupFailure.KASLR_UNKNOWN: "--slide 0 without KASLR, its offset, or another --map",
        LookupFailure.OUTSIDE: "--module-files DIR for modules, or another --map",
        LookupFailure.NOT_CODE: "--map FILE with the map of the kernel in the log",
        Withheld.FORM: "klogd-py translate, which names addresses in any line",
    }
)
_UNRECOGNISED = "there are kernel addresses, but no frame in a form that is known"
_LOOK_UP = "type klogd-py lookup --map FILE ADDRESS for a single one"
_OTHER_FORMAT = "type --input-format FORM if the lines are taken for another format"


class FrameSummary:
    """The frames of one text, or of one capture. Mutable.

    ``nameless`` counts those without a name by reason, ``withheld`` those whose name was not
    printed.
    """

    def __init__(self) -> None:
        self.named = 0
        self.nameless: Counter[LookupFailure] = Counter()
        self.withheld: Counter[Withheld] = Counter()
        # Lines with an address in another form, and how many characters were searched for them
        self._suspects = 0
        self._sampled_chars = 0

    @property
    def seen(self) -> int:
        """The number of all frames."""
        return self.named + self.nameless.total() + self.withheld.total()

    def observe(self, batch: Batch, symbolized: Symbolized) -> None:
        """Count the frames of a batch, or look for other addresses in its texts."""
        self.count(symbolized)
        if self.is_sampling:
            self.sample("\n".join(batch.texts))

    def count(self, symbolized: Symbolized) -> None:
        """Count the frames of a batch."""
        if symbolized.lookups:
            failures = symbolized.failures
            self.named += len(symbolized.lookups) - len(failures)
            self.nameless.update(failures)
        if symbolized.withheld:
            self.withheld.update(symbolized.withheld)

    @property
    def is_sampling(self) -> bool:
        """Whether `sample` still looks at text."""
        return self._sampled_chars < _MAX_SAMPLED_CHARS and not self.seen

    def sample(self, text: str) -> None:
        """Search lines for addresses in unknown forms, while no frame was seen."""
        text = text[: _MAX_SAMPLED_CHARS - self._sampled_chars]
        self._sampled_chars += max(1, len(text))
        if not any(marker in text for marker in _SAMPLE_MARKERS):
            return
        if _KERNEL_NAMED.search(text):
            # All frames have names already, so there is nothing to say.
            self._sampled_chars, self._suspects = _MAX_SAMPLED_CHARS, 0
            return
        lines = (found[0] for found in _SUSPECT.finditer(text))
        self._suspects += sum(1 for line in lines if not _NO_CODE.search(line))

    def lines(
        self,
        unproven: str | None = None,
        told: Sequence[LookupFailure] = (),
        where: str = "",
        *,
        has_format: bool = False,
    ) -> list[str]:
        """Return what a user should know, a line each; none if all is well.

        ``unproven`` says why the slide is not known. The user knows the reasons in ``told``: their
        remedy is left out, and all is if there is no other. The first line begins with ``where``.
        ``has_format``: the format of the lines can be named by an option.
        """
        if not self.seen:
            is_odd = self._suspects >= _MIN_SUSPECTS
            remedies = [_LOOK_UP, _OTHER_FORMAT] if has_format else [_LOOK_UP]
            return [f"{where}{_UNRECOGNISED}", *remedies] if is_odd else []
        reasons: list[tuple[_Reason, int]] = [*self.nameless.most_common()]
        reasons += self.withheld.most_common()
        if not self.named and all(reason in told for reason, _ in reasons):
            return []
        if not reasons:
            return []
        left = self.seen - self.named
        frames = quantity(self.seen, "frame")
        lines = [f"{where}{frames} seen, {self.named or 'none'} named, {left} left:"]
        for reason, number in reasons:
            words = _WORDS.get(reason, reason.value)
            if reason is LookupFailure.KASLR_UNKNOWN and unproven is not None:
                words = f"no KASLR offset: {unproven}"
            lines.append(f"{number:6}  {words}")
            if reason in _REMEDIES and reason not in told:
                lines.append(f"        type {_REMEDIES[reason]}")
        return lines
