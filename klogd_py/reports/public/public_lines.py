# SPDX-License-Identifier: GPL-2.0-or-later
"""Give the lines of a crash report the form in which anybody may read them.

A line whose form is not known here is left out: registers, words of the stack, the code bytes
(they hold addresses of the kernel, moved by KASLR), command lines, other tasks, and whatever came
between. Of the others only the parts remain that are named below.

Source of truth: ``show_regs`` and ``dump_stack_print_info`` in the kernel's sources.
"""

import re
from collections.abc import Callable

from klogd_py.reports.public.left_out import LEFT_OUT, joined
from klogd_py.reports.public.public_hardware import public_hardware
from klogd_py.reports.public.public_words import (
    FUNCTION_NAME,
    MODULE_NAME,
    NO_NAMES,
    Names,
    public_words,
)

USER_PROCESS = "(user process)"
_BUILD_ID_DIGITS = 40
# Kernel threads whose names cannot tell anything
_KERNEL_THREAD = re.compile(
    r"swapper(?:/\d{1,4})?|kthreadd|(?:ksoftirqd|migration|cpuhp|idle_inject|rcuc|rcuog|rcuop|"
    r"watchdog|rcuos|stopper)/\d{1,5}|"
    r"rcu_(?:sched|preempt|bh|gp|par_gp|tasks_kthre|tasks_rude_|exp_gp_kthr|exp_par_gp)|rcub/\d{1,5}|"
    r"kswapd\d{1,4}|kcompactd\d{1,4}|"
    r"khugepaged|ksmd|kauditd|kdevtmpfs|khungtaskd|oom_reaper|watchdogd|kblockd|writeback|netns|"
    r"kintegrityd|devfreq_wq|mm_percpu_wq",
    re.ASCII,
)
# Behind it stands what a worker does, which may name a device: "kworker/u8:2H+kcryptd-253:0"
_WORKER = re.compile(r"kworker/(?:u?\d{1,5}:\d{1,5}H?|dying)(?=[+-]|$)", re.ASCII)
_HEX = r"(?:0x)?[0-9a-fA-F]{4,16}"
_ADDRESS = rf"(?:\[?<?{_HEX}>?\]?:? {{1,8}}){{0,2}}"
_IN_MODULE = rf"(?: \[{MODULE_NAME}(?: [0-9a-f]{{12,40}})?\])?"
_SYMBOL = rf"\.?{FUNCTION_NAME}\+0x[0-9a-f]{{1,8}}/0x[0-9a-f]{{1,8}}{_IN_MODULE}"
FRAME_FORM = re.compile(
    rf" {{0,16}}{_ADDRESS}(?P<doubt>\? )?(?P<symbol>{_SYMBOL})(?P<mark> \(unreliable\))?", re.ASCII
)
_RIP_FORM = re.compile(
    rf"(?P<name>RIP: 00(?:10|08)|EIP|PC is at|LR is at|pc|lr|epc|ra|ERA|NIP|LR|TPC)(?: ?: ?| )"
    rf"{_ADDRESS}(?P<symbol>{_SYMBOL})",
    re.ASCII,
)
_MARK_FORM = re.compile(
    r"Call [Tt]race: ?|Backtrace: ?| ?</?(?:TASK|IRQ|NMI|SOFTIRQ|#DB|#DF|#MC|EOE|EOI)> ?|"
    r"-{10,20}\[ cut here \]-{10,20}|=+|stack backtrace:|other info that might help us debug this:",
    re.ASCII,
)
_END_FORM = re.compile(
    r"(?P<name>---\[ end (?:trace|Kernel panic))(?: [0-9a-f]{16})?(?P<text>[^\n]{0,200}?) ?\]---",
    re.ASCII,
)
_CPU_FORM = re.compile(
    r" ?CPU: (?P<cpu>\d{1,5}) (?:UID: \d{1,10} )?(?:PID: \d{1,10} )?Comm: (?P<comm>.{1,40}?) "
    r"(?:Kdump: loaded )?(?P<taint>Tainted: [A-Z ]{1,40}|Not tainted)"
    r"(?: +(?P<release>\d[\w.+~-]{1,128}|\.\.\.)(?: (?P<version>#.*))?)?",
    re.ASCII,
)
_WARNING_FORM = re.compile(
    r"WARNING: CPU: (?P<cpu>\d{1,5}) (?:PID: \d{1,10} )?"
    r"at (?P<place>\S{1,300})(?P<rest> .{0,300})?",
    re.ASCII,
)
_MODULE = rf"{MODULE_NAME}(?:\([A-Z+-]{{1,16}}\))?"
_MODULES_FORM = re.compile(
    rf"Modules linked in:(?: {_MODULE}){{0,1000}} {{0,4}}"
    rf"(?:\[last unloaded:(?: {_MODULE}){{0,20}} ?\])?",
    re.ASCII,
)
_HARDWARE_FORM = re.compile(r"Hardware name: (?P<name>.{1,200})", re.ASCII)
_WORKQUEUE_FORM = re.compile(r"Workqueue: (?P<work>.{1,300})", re.ASCII)
# Behind it may stand what it works for: "wb_workfn (flush-8:0)"
_WORK = re.compile(
    rf"(?P<function>{FUNCTION_NAME}{_IN_MODULE})(?P<rest> (?:\(.{{1,64}}\)|\.\.\.))?",
    re.ASCII,
)
_OOPS_FORM = re.compile(
    r"(?P<name>Oops|Internal error|invalid opcode|divide error|stack segment|alignment check)"
    r":(?P<words>.{0,200})",
    re.ASCII,
)
_OOPS_WORD = re.compile(r"Oops:?|BUG:?|-|\[#\d{1,6}\]|[0-9a-f]{4}|0{8}[0-9a-f]{8}", re.ASCII)
# Of the lines that begin so, the words are shown that cannot tell anything
_WORDS_FORM = re.compile(
    r"(?:(?:NMI )?watchdog: |rcu: |traps: |\[ )?"
    r"(?:BUG|WARNING|INFO|UBSAN|KASAN|KFENCE|KCSAN|KMSAN|PANIC|Kernel panic|kernel BUG at|Oops|"
    r"general protection fault|Unable to handle|refcount_t|list_(?:add|del) corruption|"
    r"Unhandled fault|Read of size|Write of size|Freed by|Allocated by|Last potentially|"
    r"The buggy address belongs|The buggy address is located|which belongs to|#PF: |"
    r"Memory state around|Uninit was|Local variable|Fixing recursive fault|Kernel stack|"
    r"(?:write|read) to |value changed|Reported by Kernel)\b.{0,400}",
    re.ASCII,
)
# Numbers of an address form, which a shown hardware name cannot have
_PRIVATE = re.compile(
    r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|(?:[0-9a-fA-F]{2}[:-]){3}|[0-9a-fA-F]{8}|::"
)
# What a release cannot be, or have in it: an address, the number of a machine. "2.6.33.1" is one.
_NO_RELEASE = re.compile(
    r"(?!2\.6\.)\d{1,3}(?:\.\d{1,3}){3}(?![.\d])"
    r"|.{0,128}?(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-|f{4}[0-9a-f]{12})",
    re.ASCII,
)
_RELEASE = re.compile(r"\d[\w.+~-]{0,128}", re.ASCII)
_VERSION_WORD = re.compile(
    r"[0-9a-f]{40}|#\d{1,8}(?:[-~][\w.~+-]{1,40})?|SMP|PREEMPT(?:_?[A-Z]{2,12})?|NONE|VOLUNTARY|PREEMPT\(\w{1,16}\)|NOPTI|"
    r"PTI|KASAN|KCSAN|DEBUG_PAGEALLOC|ARM|THUMB2|Debian|Ubuntu|\d{1,3}\.\d{1,5}[\w.~+-]{0,40}",
    re.ASCII,
)
_QUEUE = re.compile(
    r"events(?:_highpri|_long|_unbound|_freezable|_power_efficient|_freezable_pwr_efficient)?|"
    r"mm_percpu_wq|writeback|kblockd|rcu_gp|netns|ipv6_addrconf|cgroup_destroy|pm|usb_hub_wq",
    re.ASCII,
)


def public_comm(comm: str) -> str:
    """Return the name of a kernel thread, `USER_PROCESS` of any other process."""
    worker = _WORKER.match(comm)
    if worker is not None:
        return worker[0]
    if _KERNEL_THREAD.fullmatch(comm):
        return comm
    return USER_PROCESS if comm else ""


def public_version(version: str) -> str:
    """Return what a kernel says of its build: ``#1 SMP Debian 6.12.4-1``."""
    return joined(word if _is_of_version(word) else "" for word in version.split())


def public_release(release: str) -> str:
    """Return the release of a kernel, `LEFT_OUT` if it has the form of an address."""
    if not release:
        return ""
    is_release = _RELEASE.fullmatch(release) and _NO_RELEASE.match(release) is None
    return release if is_release else LEFT_OUT


def _is_of_version(word: str) -> bool:
    if _VERSION_WORD.fullmatch(word) is None:
        return False
    return len(word) == _BUILD_ID_DIGITS or _PRIVATE.search(word) is None


def public_queue(name: str) -> str:
    """Return the name of a workqueue of the kernel itself; others may name a device."""
    return name if _QUEUE.fullmatch(name) else LEFT_OUT


def public_work(work: str) -> str:
    """Return a workqueue and the function that it ran: ``events nic_work [nic]``."""
    queue, blank, function = work.strip().partition(" ")
    if not queue:
        return ""
    found = _WORK.fullmatch(function)
    shown = LEFT_OUT
    if found is not None:
        shown = f"{found['function']} {LEFT_OUT}" if found["rest"] else found["function"]
    return f"{public_queue(queue)} {shown}" if blank else public_queue(queue)


def public_line(line: str, names: Names = NO_NAMES) -> str | None:
    """Return a line as anybody may read it; ``None`` if it is left out."""
    for form, rewrite in _FORMS:
        if found := form.fullmatch(line):
            return rewrite(found, names)
    return None


def _frame(found: re.Match[str], names: Names) -> str:
    return f" {found['doubt'] or ''}{found['symbol']}{found['mark'] or ''}"


def _program_counter(found: re.Match[str], names: Names) -> str:
    # "RIP: 0010:nic_poll+0x5d/0x140", "pc : nic_poll+0x5d/0x140"
    blank = "" if found["name"].startswith("RIP") else " "
    return f"{found['name']}:{blank}{found['symbol']}"


def _unchanged(found: re.Match[str], names: Names) -> str:
    return found[0].rstrip()


def _end(found: re.Match[str], names: Names) -> str:
    words = public_words(found["text"].lstrip(" -"), names)
    return f"{found['name']}{' - ' if words else ''}{words} ]---"


def _processor(found: re.Match[str], names: Names) -> str:
    comm, taint = public_comm(found["comm"]), " ".join(found["taint"].split())
    release, version = (
        public_release(found["release"] or ""),
        public_version(found["version"] or ""),
    )
    return f"CPU: {found['cpu']} Comm: {comm} {taint} {release} {version}".rstrip()


def _warning(found: re.Match[str], names: Names) -> str:
    place = public_words(found["place"], names)
    rest = public_words(found["rest"] or "", names)
    return f"WARNING: CPU: {found['cpu']} at {place} {rest}".rstrip()


def _hardware(found: re.Match[str], names: Names) -> str:
    return f"Hardware name: {public_hardware(found['name'], names.here)}"


def _workqueue(found: re.Match[str], names: Names) -> str:
    return f"Workqueue: {public_work(found['work'])}"


def _oops(found: re.Match[str], names: Names) -> str:
    words = (
        word if _OOPS_WORD.fullmatch(word) or _is_of_version(word) else ""
        for word in found["words"].split()
    )
    return f"{found['name']}: {joined(words)}".rstrip()


def _words(found: re.Match[str], names: Names) -> str:
    return public_words(found[0], names)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Names], str]], ...] = (
    (FRAME_FORM, _frame),
    (_RIP_FORM, _program_counter),
    (_MARK_FORM, _unchanged),
    (_END_FORM, _end),
    (_CPU_FORM, _processor),
    (_WARNING_FORM, _warning),
    (_MODULES_FORM, _unchanged),
    (_HARDWARE_FORM, _hardware),
    (_WORKQUEUE_FORM, _workqueue),
    (_OOPS_FORM, _oops),
    (_WORDS_FORM, _words),
)
