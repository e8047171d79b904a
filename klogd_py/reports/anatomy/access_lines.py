# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read which access to memory failed.

Forms::

    BUG: kernel NULL pointer dereference, address: 0000000000000008
    #PF: supervisor write access in kernel mode
    BUG: unable to handle kernel paging request at ffff88002bde1e40
    Unable to handle kernel paging request for data at address 0x00000010      powerpc before 5.x
    Oops: general protection fault, probably for non-canonical address 0xdffffc0000000004: 0000 [#1]
    KASAN: null-ptr-deref in range [0x0000000000000020-0x0000000000000027]
    Read of size 8 at addr ffff8801beca5788 by task nicd/812
    Use-after-free read at 0x00000000a1b2c3d4 (in kfence-#12):

Source of truth: ``show_fault_oops`` and its like; mm/kasan/report.c; mm/kfence/report.c.
"""

from msgspec import structs

from klogd_py.record.crash_kind import CrashKind
from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Access

_HEX = r"(?:0x)?(?P<address>[0-9a-f]{2,16})"
_ADDRESS = lazy_pattern(
    r"(?:(?:NULL pointer dereference|paging request|handle page fault|access to user memory|data access|unknown 15-bit|read|write|pointer dereference)"  # noqa: E501
    rf".{{0,60}}?(?:at|address:?)|non-canonical address|at addr|(?:[rR]ead|[wW]rite) at) {_HEX}\b"
)
_FAULT = lazy_pattern(r"(?:Failing address|BadVA *|CR2|DAR|BADV) ?: (?P<address>[0-9a-f]{8,16})\b")
_RANGE = lazy_pattern(r"KASAN: \S{4,40}(?: \S{4,40})? in range \[0x(?P<address>[0-9a-f]{1,16})-")
_PAGE_FAULT = lazy_pattern(r"#PF: (?:supervisor|user) (read|write|instruction fetch|execute)")
_KASAN = lazy_pattern(r"(Read|Write) of size (\d{1,9}) at addr ")
_ON = lazy_pattern(r"(?: on|-)? ?\b(read|write|Read|Write)\b(?= at| access|$| 0x)")
_EXECUTE = ("attempt to execute", "instruction fetch", "tried to execute", "execute from")
_PAGE_SIZE = 4096
_MARKS = (
    "ddress",
    " at ",
    "#PF: ",
    "KASAN: ",
    "xecute",
    "instruction fetch",
    "BadVA",
    "CR2",
    "DAR",
    "BADV",
)


# Only these leave the address that failed in a register; in any other report the register still has
# that of an earlier page fault.
_FAULTS = frozenset(
    (
        *(CrashKind.NULL_DEREF, CrashKind.PAGE_FAULT, CrashKind.INTERNAL_ERROR),
        *(CrashKind.UNHANDLED_FAULT, CrashKind.ALIGNMENT, CrashKind.OOPS),
        *(CrashKind.DOUBLE_FAULT, CrashKind.STACK_OVERFLOW),
    )
)


class AccessReader:
    """The access of one report. Mutable: filled line by line; what is stated first counts."""

    def __init__(self, kind: CrashKind) -> None:
        self._access = Access()
        self._forms = (_ADDRESS, _RANGE, _FAULT) if kind in _FAULTS else (_ADDRESS, _RANGE)

    @property
    def access(self) -> Access | None:
        """The access with the class of its address; ``None`` if no line tells of one."""
        return None if self._access == Access() else self._access

    def read_line(self, text: str) -> None:
        """Take a line."""
        if not any(mark in text for mark in _MARKS):
            return
        self._read_type(text)
        if self._access.address:
            return
        for form in self._forms:
            found = form.search(text[:400])
            if found is not None:
                address = found["address"]
                self._set(address=address, address_class=address_class(address))
                if "non-canonical" in text:
                    self._set(address_class="noncanonical")
                return

    def _read_type(self, text: str) -> None:
        if self._access.type:
            return
        found = _PAGE_FAULT.match(text.lstrip())
        if found is not None:
            self._set(type=found[1] if found[1] in ("read", "write") else "execute")
        elif (found := _KASAN.match(text)) is not None:
            self._set(type=found[1].lower(), size=int(found[2]))
        elif any(mark in text for mark in _EXECUTE):
            self._set(type="execute")
        elif " at " in text and (found := _ON.search(text[:200])) is not None:
            self._set(type=found[1].lower())

    def _set(self, **facts: str | int) -> None:
        self._access = structs.replace(self._access, **facts)


def address_class(address: str) -> str:
    """Whether an address is null, user, kernel or noncanonical; in hexadecimal digits.

    Of 8 digits, those of 32 bits: the kernel begins at 0x80000000 or above. Of 64 bits, an address
    of the kernel has its highest bit set; between the halves no address is valid.
    """
    value = int(address, 16)
    if value < _PAGE_SIZE:
        return "null"
    if value < 1 << 32:
        return "kernel" if len(address) == 8 and value >= 0x80000000 else "user"
    if value < 1 << 56:
        return "user"
    return "kernel" if value >> 56 in _KERNEL_TOPS else "noncanonical"


# The highest byte of kernel addresses: x86-64, arm64, riscv (0xff, and 0xf0.. with tags), powerpc
# (0xc0, 0xd0), mips and loongarch (0x90, 0x98, 0xa8).
_KERNEL_TOPS = frozenset((*range(0xF0, 0x100), *range(0xC0, 0xE0 - 1), 0x90, 0x98, 0x80, 0xA8))
