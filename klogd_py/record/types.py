# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the values that all packages share: records, gaps, entries, symbol addresses.

Values only: frozen, without I/O, clock or logging. A field is ``None`` where the source did not
state it (the sequence number in a dmesg capture). A failed lookup is a `LookupFailure`, which is
its reason.

Source of truth: Documentation/ABI/testing/dev-kmsg; RFC 5424 section 6.2.1 for facilities and
severities.
"""

from enum import Enum, IntEnum

from msgspec import Struct

from klogd_py.record.report import Report
from klogd_py.record.sequence import SequenceRange

KERN = 0
USER = 1
SYSLOG = 5
LAST_SYSLOG_FACILITY = 23
# The identifier of messages that klogd-py writes itself
SYSLOG_IDENTIFIER = "klogd-py"


class Severity(IntEnum):
    """The eight kernel log levels, most severe first."""

    EMERG = 0
    ALERT = 1
    CRIT = 2
    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


class Machine(Struct, frozen=True, gc=False):
    """The machine, and the boot of it, that a record of a capture is from, as far as it is stated.

    ``host`` is its name, ``boot_id`` has 32 hexadecimal digits, ``release`` is that of its kernel;
    each is empty where the capture does not state it. The records of one machine share one value.
    """

    host: str = ""
    boot_id: str = ""
    release: str = ""


class Record(Struct, frozen=True, gc=False):
    """One kernel log record, unescaped, with nothing added.

    ``prefix`` is ``facility << 3 | severity`` (0..2047), ``None`` where the source gave none.
    ``seq`` is the kernel's sequence number and ``usec`` the timestamp in microseconds of the
    kernel's printk clock, ``None`` where the source has none. ``flags`` and ``caller`` (``T1``,
    ``C0``; empty if unknown) are those of /dev/kmsg, ``extra`` its unknown header fields and
    ``fields`` its dictionary (``SUBSYSTEM``, ``net``). ``head`` is the text before the message in a
    text capture, ``tail`` what a terminal has left behind it, both unchanged. ``wall_us``
    (microseconds since the Unix epoch) is set only where the source itself states a wall time.
    ``parts`` are the sequence numbers of later records that continued this line and whose text was
    appended. ``truncated``: the line was cut; ``unparsed``: ``text`` is the bytes of a record
    without a readable header. ``machine`` is set only where the source itself states one.

    Size: one field for each fact that a source can state. A record is one object, since there may
    be 200,000 of them in a second.
    """

    text: str
    prefix: int | None = None
    seq: int | None = None
    usec: int | None = None
    flags: str = "-"
    caller: str = ""
    extra: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    truncated: bool = False
    unparsed: bool = False
    head: str = ""
    wall_us: int | None = None
    parts: tuple[int, ...] = ()
    machine: Machine | None = None
    tail: str = ""

    @property
    def sequence(self) -> SequenceRange | None:
        """The sequence numbers that the record stands for; ``None`` without a number."""
        return None if self.seq is None else SequenceRange(self.seq, self.seq, self.parts)

    @property
    def facility(self) -> int:
        """The syslog facility, 0..255; 0 proves that the kernel itself wrote the record."""
        return KERN if self.prefix is None else self.prefix >> 3

    @property
    def severity(self) -> Severity:
        """The log level; INFO for a record without one, as in the classic klogd."""
        return Severity.INFO if self.prefix is None else Severity(self.prefix & 7)


class SymbolAddress(Struct, frozen=True, gc=False):
    """A symbol and the offset of an address in it.

    ``offset`` and ``size`` (of the symbol) count bytes. An empty ``name`` means that only the
    module is known: ``offset`` and ``size`` are then the module's. ``module`` is empty for the
    kernel itself. ``kind`` is the letter of nm(1). ``source`` names the symbol table.
    """

    name: str
    offset: int
    size: int
    module: str
    kind: str
    source: str

    @property
    def kernel_form(self) -> str:
        """The form of the kernel: ``vfs_write+0x1d/0x40 [ext4]`` (``%pS``, lib/vsprintf.c)."""
        tail = f" [{self.module}]" if self.module else ""
        return f"{self.name}+{self.offset:#x}/{self.size:#x}{tail}"

    @property
    def classic_form(self) -> str:
        """The form that klogd 1.5 printed in its brackets: ``ext4:vfs_write+0x1d/0x40``.

        The size has at least two digits.
        """
        lead = f"{self.module}:" if self.module else ""
        return f"{lead}{self.name}+{self.offset:#x}/0x{self.size:02x}"


class LookupFailure(Enum):
    """Why an address has no `SymbolAddress`; the value is the reason in words."""

    NO_SYMBOLS = "no symbols are loaded"
    NO_SUCH_NAME = "no symbol has this name"
    NO_MATCH = "no symbol of this name is so long, or in this module"
    HIDDEN = "the kernel hides its symbol addresses (kernel.kptr_restrict)"
    WRONG_MAP = "the only map at hand belongs to another kernel"
    KASLR_UNKNOWN = (
        "the kernel may be randomised (KASLR), and how far it lies from its map is not proved"
    )
    OUTSIDE = "no symbol contains this address"
    NOT_CODE = "the address lies in data, not in code"


class Cause(Enum):
    """Why records are missing, or are not in the log as records of their own."""

    # Older than the oldest record in the ring when the sink first started
    PRE_START = "pre-start"
    OVERRUN = "overrun"
    EINVAL = "einval"
    # Delivered as raw bytes, without a sequence number
    UNPARSABLE = "unparsable"
    SINK_DROP = "sink-drop"
    # Suppressed or summarised by the configuration
    RATE_LIMIT = "rate-limit"
    RESTART = "restart"
    # Missing in a capture
    CAPTURE = "capture"


class Gap(Struct, frozen=True, gc=False):
    """A range of sequence numbers that a sink does not get as records, and the cause.

    ``first`` and ``last`` are both included. ``note`` adds details to the cause; it may be empty.
    """

    first: int
    last: int
    cause: Cause
    note: str = ""

    @classmethod
    def over(cls, sequence: SequenceRange, cause: Cause, note: str = "") -> "Gap":
        """Return the gap over a range of sequence numbers."""
        return cls(sequence.first, sequence.last, cause, note)

    @property
    def sequence(self) -> SequenceRange:
        """The sequence numbers that the gap covers."""
        return SequenceRange(self.first, self.last)

    @property
    def count(self) -> int:
        """How many records the gap covers."""
        return self.last - self.first + 1


class TimestampSource(Enum):
    """How a wall time was derived, and so how reliable it is."""

    # The record was read as soon as it was written
    LIVE = "live"
    # Computed from the kernel's timestamp
    BACKLOG = "backlog"
    # The same, but the system may have been suspended in between: the true time may be earlier by
    # the length of the suspend.
    POST_SUSPEND = "post-suspend"
    # The wall clock had not been set
    CLOCK_UNSET = "clock-unset"
    # The time of reading: the record has no timestamp
    RECEIPT = "receipt"


class Entry(Struct, frozen=True, gc=False):
    """A record as the sinks get it: its wall time, its text with symbols, and these symbols.

    ``wall_us`` counts microseconds since the Unix epoch; ``time_source`` is ``None`` where the
    source itself stated the wall time. ``symbols`` are those in ``text``, in order. ``gap`` is
    set on entries with which klogd-py announces a loss, ``is_own`` on its other messages of its
    own. ``report`` is set on those that announce the report of a crash, which has no text there.
    """

    record: Record
    wall_us: int
    text: str
    symbols: tuple[SymbolAddress, ...] = ()
    gap: Gap | None = None
    is_own: bool = False
    time_source: TimestampSource | None = None
    report: Report | None = None

    @property
    def sequence(self) -> SequenceRange | None:
        """The sequence numbers that the entry stands for; ``None`` without a number."""
        return self.record.sequence if self.gap is None else self.gap.sequence
