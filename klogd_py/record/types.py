# SPDX-License-Identifier: GPL-2.0-or-later
"""The nouns that every room shares: what the kernel said, where an address lies, what was lost.

Values only: frozen, without I/O, clock or logging. A fact that is absent is ``None`` where the
source did not state it (a sequence number in a dmesg capture) and an `LookupFailure` with its reason
where a lookup failed.

Source of truth: Documentation/ABI/testing/dev-kmsg; RFC 5424 section 6.2.1 for facilities and
severities.
"""

from enum import Enum, IntEnum

from msgspec import Struct

KERN = 0
USER = 1
SYSLOG = 5
LAST_SYSLOG_FACILITY = 23
# Whose words it are where klogd-py itself speaks
SPEAKER = "klogd-py"


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


class Record(Struct, frozen=True, gc=False):
    """What the kernel said, unescaped, nothing added.

    ``prefix`` is ``facility << 3 | severity`` (0..2047), ``None`` where the source gave none.
    ``usec`` counts microseconds of the kernel's printk clock. ``head`` is what stood before the
    text in a text capture, as it stood. ``wall_us`` (microseconds since the Unix epoch) is set only
    where the source itself states a wall time. ``parts`` are the sequence numbers of later records
    that continued this line and whose text was put behind it.
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

    @property
    def facility(self) -> int:
        """The syslog facility, 0..255; 0 proves that the kernel itself wrote the record."""
        return KERN if self.prefix is None else self.prefix >> 3

    @property
    def severity(self) -> Severity:
        """The log level; a record without one counts as INFO, as the classic klogd had it."""
        return Severity.INFO if self.prefix is None else Severity(self.prefix & 7)


class SymbolAddress(Struct, frozen=True, gc=False):
    """A symbol and how far into it an address lies.

    ``size`` is the symbol's length in bytes. An empty ``name`` means that only the module is known:
    ``offset`` and ``size`` are then the module's. ``kind`` is the letter of nm(1). ``source`` names
    the table that knew it.
    """

    name: str
    offset: int
    size: int
    module: str
    kind: str
    source: str

    @property
    def kernel_form(self) -> str:
        """As the kernel prints it: ``vfs_write+0x1d/0x40 [ext4]`` (``%pS``, lib/vsprintf.c)."""
        tail = f" [{self.module}]" if self.module else ""
        return f"{self.name}+{self.offset:#x}/{self.size:#x}{tail}"

    @property
    def classic_form(self) -> str:
        """As klogd 1.5 printed it between its brackets.

        ``ext4:vfs_write+0x1d/0x40``, size of two digits at least.
        """
        lead = f"{self.module}:" if self.module else ""
        return f"{lead}{self.name}+{self.offset:#x}/0x{self.size:02x}"


class LookupFailure(Enum):
    """Why an address has no `SymbolAddress`; the value is the reason in words."""

    NO_SYMBOLS = "no symbols are loaded"
    NO_SUCH_NAME = "no symbol has this name"
    NOT_SO = "no symbol of this name is so long, or in this module"
    HIDDEN = "the kernel hides its symbol addresses (kernel.kptr_restrict)"
    WRONG_MAP = "the only map at hand belongs to another kernel"
    UNSLID = "the kernel may be randomised (KASLR), and how far it lies from its map is not proved"
    OUTSIDE = "no symbol contains this address"
    NOT_TEXT = "the address lies in data, not in code"


class Cause(Enum):
    """Why records are missing, or stand in the log otherwise than as records of their own."""

    # Older than what the ring held when the sink first began
    PRE_START = "pre-start"
    OVERRUN = "overrun"
    EINVAL = "einval"
    # Delivered as raw bytes, which do not tell their number
    UNPARSABLE = "unparsable"
    SINK_DROP = "sink-drop"
    # Left out or summed up as the configuration asks
    RATE_LIMIT = "rate-limit"
    RESTART = "restart"


class Gap(Struct, frozen=True, gc=False):
    """Records ``first`` to ``last`` (sequence numbers, both included) that a sink does not get as
    records, and why.

    ``note`` says more than the cause does, where there is more to say.
    """

    first: int
    last: int
    cause: Cause
    note: str = ""

    @property
    def count(self) -> int:
        """How many records the gap covers."""
        return self.last - self.first + 1


class TimestampSource(Enum):
    """How a wall time was come by, and so how far it can be relied on."""

    # The record was read at once
    LIVE = "live"
    # Worked out from the kernel's stamp
    BACKLOG = "backlog"
    # The same, but a suspend may lie in between: it may be earlier by as long as that took
    POST_SUSPEND = "post-suspend"
    # The wall clock had not been set
    CLOCK_UNSET = "clock-unset"
    # The time of reading, for want of a stamp
    RECEIPT = "receipt"


class Entry(Struct, frozen=True, gc=False):
    """A record made ready for the sinks: wall time, translated text, the places that were named in
    it.

    ``wall_us`` counts microseconds since the Unix epoch, ``quality`` is ``None`` where the source
    stated it. ``gap`` is set on the entries with which klogd-py itself announces a loss, ``ours``
    where it speaks without any record behind it.
    """

    record: Record
    wall_us: int
    text: str
    places: tuple[SymbolAddress, ...] = ()
    gap: Gap | None = None
    ours: bool = False
    quality: TimestampSource | None = None
