# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of the patterns of whole kernel lines: symbols, source positions, process names.

Text for regular expressions. Whole lines are put together in `klogd_py.oops.crash_signatures` and
`klogd_py.oops.crash_patterns`, in ASCII mode. Every repetition has a limit, so that a match takes
linear time.

Source of truth: lib/vsprintf.c ``%pS``; include/linux/sched.h ``TASK_COMM_LEN``.
"""

from collections.abc import Iterable

NAME = r"[A-Za-z_.$][\w.$]{0,511}"
HEX = r"0x[0-9a-f]{1,16}"
NUMBER = r"[0-9a-fA-F]{8,16}"
_EXTENT = r"\+(?:0x)?[0-9a-f]{1,16}/(?:0x)?[0-9a-f]{1,16}"
# " [ext4]", " [ext4 852e63996474051c57bcd1a86ebfd810]"
MODULE = r" \[[\w-]{1,64}(?: [0-9a-f]{20,64})?\]"
# " [mac80211@c0a80000+0x83000]" behind a number: the module that contains it, its base, its size.
# OpenWrt's kernels without kallsyms print this (205-backtrace_module_info.patch). The base is %p, a
# hash since 4.15.
MODULE_PLACE = r" \[[\w-]{1,64}@(?:[0-9a-f]{8,16}|\(_{0,4}ptrval_{0,4}\))\+0x[0-9a-f]{1,8}\]"
SOURCE = r"[\w./+~-]{1,300}:\d{1,6}"
# "RDMSR from 0x1b", "WRMSR to 0x1b (tried to write 0x0000000000000000)"
MSR_ACCESS = rf"(?:WRMSR to|RDMSR from) {HEX}(?: \(tried to write {HEX}\))?"
# " fs/read_write.c:584 [inline]", by scripts/decode_stacktrace.sh
DECODED = rf"(?: {SOURCE}(?: \[inline\])?)?"
_WITHOUT_EXTENT = (
    rf"{HEX}(?:{MODULE_PLACE})?|:[\w-]{{1,64}}:{NAME}{_EXTENT}|{NAME} \[[\w-]{{1,64}}\] {HEX}"
)
SYMBOL = rf"(?:{_WITHOUT_EXTENT}|{NAME}(?:{_EXTENT})?(?:{MODULE})?){DECODED}"
# A symbol in code: the same, but not a bare name.
PLACE = rf"(?:{_WITHOUT_EXTENT}|{NAME}{_EXTENT}(?:{MODULE})?){DECODED}"
# Any bytes but NUL: line feeds, too
COMM = r"(?P<comm>(?s:.){0,15}?)"


def any_of(patterns: Iterable[str]) -> str:
    """Return the text of an expression for a line that is one of the forms, with blanks around it.

    The process names in the forms become the groups ``comm_0``, ``comm_1`` and so on.
    """
    # A name of a group may stand in an expression once only.
    rows = [
        pattern.replace("(?P<comm>", f"(?P<comm_{number}>")
        for number, pattern in enumerate(patterns)
    ]
    return rf"\s*+(?:{'|'.join(rows)})\s*"
