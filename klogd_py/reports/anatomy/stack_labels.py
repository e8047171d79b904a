# SPDX-License-Identifier: GPL-2.0-or-later
r"""Recognise the lines that say whose stack follows.

``Call Trace:``, ``Freed by task 812:``, ``-> #1 (&nic->lock){+.+.}-{3:3}:``. ``stack backtrace:``
is none: ``Call Trace:`` follows it.

Source of truth: ``show_stack`` of each architecture; mm/kasan/report.c ``describe_object_stacks``;
mm/kfence/report.c; mm/kmsan/report.c; kernel/kcsan/report.c; mm/slub.c ``print_track``;
mm/page_owner.c; kernel/locking/lockdep.c.
"""

from klogd_py.record.lazy_pattern import lazy_pattern

_CALL_TRACE = lazy_pattern(
    r"[ \t]{0,64}(?:(?:Call|call) (?:Trace|trace|Backtrace|backtrace)|Trace|Backtrace|backtrace)"
    r"(?=[:\[ ]|$).{0,40}?(?::|$)"
)
_OTHER = lazy_pattern(
    r"[ \t]{0,64}(?:"
    r"(?:Allocated|Freed)(?: by task \d{1,10}(?: on cpu \d{1,5}.{0,60})?)?:"
    r"|(?:INFO: |\S{2,20}: )?(?:Allocated|Freed) in .{1,300}? age=.{1,80}"
    r"|(?:Object|Slab) (?:allocated|freed).{0,60}:"
    r"|Uninit was (?:created|stored to memory) at:"
    r"|Local variable .{1,200} created at:"
    r"|(?:Last|Second to last) (?:potentially related work creation|call_rcu\(\)):"
    r"|page last (?:allocated via|free).{0,400}"
    r"|page allocated via order.{0,200}"
    r"|kfence-#\d{1,8}.{0,200} (?:allocated|freed) by task.{0,100}"
    r"|(?:allocated|freed) by task \d{1,10}.{0,100}:"
    r"|(?:(?:Use-after-free|Out-of-bounds|Invalid) (?:read|write|free)|Corrupted memory|Invalid free) .{0,300}:"  # noqa: E501
    r"|(?:race at unknown origin, with )?(?:assert no (?:writes|accesses)|read|write|read-write).{0,30} to 0x[0-9a-f]{1,16} of \d{1,9} bytes by .{1,80}:"  # noqa: E501
    r"|-> #\d{1,3} \(.{1,300}:"
    r"|-> \(.{1,300}"
    r"|\{.{1,60}\} state was registered at:"
    r"|\.\.\. which became .{1,40} at:"
    r"|(?:INITIAL (?:READ )?USE|(?:IN-)?(?:HARD|SOFT)IRQ(?:-ON)?-[WR](?: USE)?|RECLAIM_FS-ON-[WR]|IN-RECLAIM_FS-[WR]) at:"  # noqa: E501
    r"|\.\.\. (?:key|acquired) +at:.{0,300}"
    r"|(?:rcu: )?(?:RCU grace-period kthread stack dump|Stack dump where RCU GP kthread last ran):"
    r"|Task dump for CPU \d{1,5}:"
    r"|NMI backtrace for cpu \d{1,5}.{0,40}"
    r"|Sending NMI (?:from|to) .{0,60}"
    r"|Preemption disabled at:"
    r"|Last Breaking-Event-Address:"
    r"|Showing (?:all locks held in the system|busy workqueues and worker pools|backtraces of running workers.{0,60}):"  # noqa: E501
    r"|task:\S{1,64} {1,20}state:.{0,200}"
    r"|.{1,64}? {1,20}[RSDTtZXIP] {1,5}(?:running task|[0-9a-f]{8,16}|stack:).{0,120}"
    r"|\S{1,64} {1,20}D\d{1,6} {1,5}\d{1,10} .{0,60}"
    r")[ \t]*"
)
# Lines that end with a colon, or begin with one of these words, are compared with all forms.
_BEGINNINGS = (
    "Call ", "call ", "Trace", "Backtrace", "backtrace",
    "page last ", "page allocated", "kfence-#", "INFO: Allocated", "INFO: Freed", "Allocated in", "Freed in",  # noqa: E501
    "NMI backtrace", "-> (", "... ", "task:", "Sending NMI",
)  # fmt: skip


def stack_label(text: str) -> str:
    """Return the label that a line is; empty if it is none. Frames may follow on the same line."""
    stripped = text.strip()
    if not stripped or len(text) > 512:
        return ""
    if stripped[-1] != ":" and not stripped.startswith(_BEGINNINGS):
        return ""
    found = _CALL_TRACE.match(text)
    if found is not None:
        return found[0].strip().rstrip(":").strip() or "Call Trace"
    return stripped.rstrip(":").strip() if _OTHER.fullmatch(text) is not None else ""


def is_call_trace(label: str) -> bool:
    """Whether a label is that of the stack that the processor itself was on."""
    return label.lower().startswith(_TRACE_WORDS)


_TRACE_WORDS = ("call trace", "trace", "backtrace", "call backtrace")
