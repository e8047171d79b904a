# SPDX-License-Identifier: GPL-2.0-or-later
r"""Define the report of a crash: one occurrence, with everything that the kernel said about it.

Values only. The JSON form of `Report` is what the spool, the journal and ``klogd-py reports`` show.
A value is ``None`` or empty where the kernel did not print it.

An issue is all reports with one `Fingerprint.issue`.
"""

from enum import Enum

from msgspec import Struct, field

SCHEMA_VERSION = 1


class ReportSeverity(Enum):
    """How bad a crash is for the machine."""

    # The kernel stopped, or killed what ran
    FATAL = "fatal"
    # It goes on with data that may be wrong
    ERROR = "error"
    # It goes on
    WARNING = "warning"
    # Something waits and may wait for ever
    HANG = "hang"


class Confidence(Enum):
    """Whether title and function can be relied on; ``doubts`` says why not."""

    HIGH = "high"
    LOW = "low"


class Origin(Enum):
    """Where the lines of a report were read."""

    # The running kernel
    KMSG = "kmsg"
    # A file or a pipe
    CAPTURE = "capture"


class Frame(Struct, frozen=True, omit_defaults=True, gc=False):
    """One line of a stack: ``? vfs_read+0x1f/0x40 [ext4 852e63996474]``.

    ``offset`` and ``size`` count bytes. Not ``reliable``: printed with ``?`` or as unreliable.
    ``noise``: a function that reports, checks or allocates, never the one to blame. ``file`` and
    ``line`` are known where the log itself states them, and after decoding.
    """

    function: str
    offset: int | None = None
    size: int | None = None
    module: str = ""
    build_id: str = ""
    reliable: bool = True
    noise: bool = False
    file: str = ""
    line: int = 0


class Stack(Struct, frozen=True, omit_defaults=True):
    """A stack that a report shows; ``label`` says whose: ``Call Trace``, ``Freed by task 12``."""

    label: str
    frames: tuple[Frame, ...] = ()


class Source(Struct, frozen=True, gc=False):
    """A place in the kernel's sources: ``mm/slub.c:306``."""

    file: str
    line: int


class Fingerprint(Struct, frozen=True, gc=False):
    """What is equal in reports of the same crash: ``1:0123456789abcdef``.

    The digit before the colon is the version of the rules. ``issue`` is made of the template of the
    title and the function, ``family`` of the class and the function, ``variant`` of the family and
    the callers.
    """

    issue: str
    family: str
    variant: str


class Process(Struct, frozen=True, omit_defaults=True, gc=False):
    """What ran: ``CPU: 1 UID: 0 PID: 812 Comm: kworker/1:2``, ``Workqueue: events nic_poll``."""

    comm: str = ""
    pid: int | None = None
    uid: int | None = None
    cpu: int | None = None
    workqueue: str = ""


class Taint(Struct, frozen=True, omit_defaults=True, gc=False):
    """The flags behind ``Tainted:``, and a word for each: ``G``, ``W`` -> ``WARN``."""

    letters: str = ""
    words: tuple[str, ...] = ()


class Kernel(Struct, frozen=True, omit_defaults=True, gc=False):
    """The kernel and the machine: ``6.1.0-56-amd64 #1 SMP Debian 6.1.192-1``.

    ``hardware`` is what stands behind ``Hardware name:``. ``kaslr_offset`` is hexadecimal.
    """

    release: str = ""
    version: str = ""
    build_id: str = ""
    arch: str = ""
    preempt: str = ""
    taint: Taint = Taint()
    hardware: str = ""
    kaslr_offset: str = ""


class Module(Struct, frozen=True, omit_defaults=True, gc=False):
    """A module of ``Modules linked in:``, and its flags: ``nic(OE+)``."""

    name: str
    flags: str = ""


class Access(Struct, frozen=True, omit_defaults=True, gc=False):
    """The access that failed: ``type`` is read, write or execute.

    ``address_class`` is null, user, kernel or noncanonical; ``size`` counts bytes.
    """

    type: str = ""
    address_class: str = ""
    address: str = ""
    size: int | None = None


class Boot(Struct, frozen=True, omit_defaults=True, gc=False):
    """The boot in which it happened: 32 hexadecimal digits where that is known.

    ``offset`` is 0 for the running boot, -1 for the one before.
    """

    id: str = ""
    offset: int = 0


class Span(Struct, frozen=True, gc=False):
    """A first and a last number, both included."""

    first: int
    last: int


class Report(Struct, frozen=True):
    """One crash. Times are ISO 8601 in UTC; ``usec`` is the kernel's clock in microseconds.

    ``kind`` is one of those that klogd-py-reports(8) lists; ``class`` unites kinds that may be the
    same bug. ``title`` names it in one line: ``KASAN: slab-use-after-free Read in
    nic_poll``. ``at`` is where the processor was, where that is not the function to blame.
    ``message`` is a text of the code itself: the format of a WARN, the reason of a panic.
    ``count`` is the number of occurrences of its issue that it stands for: 0 if it was announced
    before, and is again because a panic followed. ``after_oops``: an earlier oops of this boot may
    be the cause; ``panicked``: the kernel stopped after it. ``text`` has the lines of the report,
    ``context_before`` the lines before it.

    Size: the document of a crash; one field for each fact that the kernel prints.
    """

    id: str
    kind: str
    title: str
    severity: ReportSeverity
    fingerprint: Fingerprint
    crash_class: str = field(name="class")
    schema: int = field(default=SCHEMA_VERSION)
    function: str = ""
    module: str = ""
    at: str = ""
    source: Source | None = None
    subsystem: str = ""
    confidence: Confidence = Confidence.HIGH
    doubts: tuple[str, ...] = ()
    count: int = 1
    first_seen: str = ""
    last_seen: str = ""
    boot: Boot = Boot()
    seq: Span | None = None
    usec: Span | None = None
    origin: Origin = Origin.KMSG
    host: str = ""
    panicked: bool = False
    after_oops: bool = False
    truncated: bool = False
    message: str = ""
    process: Process = Process()
    kernel: Kernel = Kernel()
    modules: tuple[Module, ...] = ()
    last_unloaded: tuple[str, ...] = ()
    access: Access | None = None
    stacks: tuple[Stack, ...] = ()
    code: str = ""
    locks: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    context_before: tuple[str, ...] = ()
