# SPDX-License-Identifier: GPL-2.0-or-later
r"""Find the text that the code itself has given to a warning or a BUG.

Since 4.20 it stands in front of the banner::

    ------------[ cut here ]------------
    refcount_t: underflow; use-after-free.
    WARNING: CPU: 1 PID: 812 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110

before, behind it; since 6.19 in brackets of the banner. What checks data prints its finding before
``kernel BUG at``.

Source of truth: kernel/panic.c ``__warn_printk``; include/linux/bug.h ``CHECK_DATA_CORRUPTION``.
"""

from collections.abc import Sequence

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.reports.anatomy.header_facts import HeaderFacts

_CUT = "[ cut here ]"
# What follows a banner that has no text
_NO_MESSAGE = (
    "Modules linked in:",
    "CPU: ",
    "CPU ",
    "Pid: ",
    "Hardware name:",
    "Call Trace",
    "Call trace",
    "Kernel panic",
    "RIP: ",
    "-----",
    "=====",
    "Backtrace",
    "<4>",
    "[<",
)
# The rest of a header that was wrapped, or a frame: "nic_poll+0x1f/0x40()", "/src/net/nic.c:306"
_PLACE_PATTERN = lazy_pattern(
    r"(?:\? )?[A-Za-z_.$][\w.$]{0,511}\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}|/?[\w.+~/-]{1,300}:\d{1,6}$"  # noqa: E501
)
_CHECKS_DATA = ("lib/list_debug.c", "mm/usercopy.c")
_MAX_CHARS = 900


def read_message(header: HeaderFacts, texts: Sequence[str], context: Sequence[str]) -> str:
    """Return the text; empty if there is none. ``context`` are the lines before the header."""
    if header.message or not header.text.startswith(("WARNING: ", "kernel BUG at ")):
        return header.message
    cut = max((at for at, text in enumerate(context) if _CUT in text), default=-1)
    before = [text.strip() for text in context[cut + 1 :] if _is_message(text)] if cut >= 0 else []
    if before:
        return "\n".join(before)[:_MAX_CHARS]
    if header.text.startswith("kernel BUG"):
        checks = header.source is not None and header.source.file.endswith(_CHECKS_DATA)
        return context[cut - 1].strip()[:_MAX_CHARS] if checks and cut > 0 else ""
    if " at " not in header.text or len(texts) < 2:
        return ""
    return texts[1].strip()[:_MAX_CHARS] if _is_message(texts[1]) else ""


def _is_message(text: str) -> bool:
    """Whether a line is of the code itself: no part of the report's other lines."""
    text = text.strip()
    return bool(text) and not text.startswith(_NO_MESSAGE) and _PLACE_PATTERN.match(text) is None
