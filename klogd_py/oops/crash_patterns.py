# SPDX-License-Identifier: GPL-2.0-or-later
r"""Patterns of whole lines that kernels print in crash reports, anchored at both ends.

A process, a file, a USB device or a mount chooses some of the bytes of many kernel messages,
facility 0 among them (docs/user-strings.md lists them). So a number inside a line proves nothing; a
whole line can. What may vary in a form here is a number, a symbol, a module, a source position, and
where the kernel prints one, a process name of at most 15 bytes.

With few exceptions (`USER_FIRST`) a user's bytes reach the beginning of a message for 15 bytes at
most (a process name), and its end only after fixed text. Therefore each form here either begins
with more fixed text than that, or fixes its end as well.

The forms of address lines mirror those of `klogd_py.oops.address_patterns`, which says where in
such a line the addresses are.

Source of truth: as in `klogd_py.oops.address_patterns`; for headers kernel/panic.c,
kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/locking/lockdep.c,
lib/ubsan.c, mm/kasan/report.c and ``die`` of each architecture.
"""

import re

from klogd_py.oops.crash_signatures import SIGNATURES
from klogd_py.oops.line_parts import (
    COMM,
    HEX,
    MODULE,
    MODULE_PLACE,
    MSR_ACCESS,
    NAME,
    NUMBER,
    PLACE,
    SOURCE,
    SYMBOL,
    any_of,
)
from klogd_py.record.lazy_pattern import lazy_pattern

_BRACKET = r"\[<(?:(?:0[xX])?[0-9a-fA-F]{1,18}|\s{1,20}\(null\)|\(_{0,4}ptrval_{0,4}\))>\]"
_DOUBT = r"(?: \(unreliable\)| \([A-Z]{1,8}\))?"
_WHAT = rf"(?:[ \t]{{0,64}}(?:\? ?)?(?:{PLACE}|\({SYMBOL}\)|\(\s{{0,4}}(?:\(null\))?\))?)"
_FRAME = rf"{_BRACKET}{_WHAT}(?: {{1,2}}{SOURCE}(?: \[inline\])?)?{_DOUBT}"
_AT = rf"(?:{_FRAME}|{PLACE})"
_STACK = r"(?:<+/?[A-Z#0-9]{2,5}>+\s{0,3}(?:\[ *\d{1,10}\.\d{6}\]\s{0,2})?){0,3}"
_TAINT = r"(?:\s{1,8}(?:Not tainted|Tainted: [A-Z ]{1,40}?)(?: VLI)?)?"
# The processor's state of arm and arm64. Its last digit is 0 in user mode, whose registers a user
# chooses: arm64 prints them without brackets for a process that failed (arch/arm64/kernel/process.c
# __show_regs), so that form is none of these.
_STATE = r"(?:\s+(?:psr|pstate)\s?: [0-9a-f]{7,15}[1-9a-f])?"
# A code segment of the kernel: a selector whose lowest two bits are 3 is user space's.
_SEGMENT = r"[0-9a-f]{3}[0124-689ac-e]:"
_LOCK = r"\([\w \[\]()&>.*#/:$+@-]{1,160}\)\{[^{}\s]{3,8}\}(?:-\{\d:\d\})?"
_HEADING = r"(?:Call [Tt]race:)?"

# Lines with code addresses, the named ones among them.
_ADDRESS_LINES = (
    *(row.pattern for row in SIGNATURES if row.has_address),
    # Frames: "[<c0113e4b>] [<c0107123>]", " ? 0xffffffff926cdd6b", "Call Trace: [<8012c588>] ..."
    rf"{_STACK}{_HEADING}\s*\(?(?>(?:(?>{_FRAME})\s*+){{1,64}})\)?(?:\.\.\.)?",
    rf"{_STACK}{_HEADING}\s*(?:\? )?(?:{PLACE}|\({PLACE}\)){_DOUBT}",
    r"Call [Tt]race:",
    r"<+/?[A-Z#0-9]{2,5}>+",
    # arm: "[<c0014990>] (fn) from [<c005ccb8>] (fn+0x14/0x20)", " fn from fn+0x14/0x20"
    rf"{_FRAME} from {_FRAME}",
    rf"Function entered at {_FRAME} from {_FRAME}",
    rf"(?:{HEX}(?:{MODULE_PLACE})?|{NAME}(?:{MODULE})?) from {SYMBOL}",
    rf"(?:PC|pc|LR|LP|PR|ra|ip|EIP) is at {_AT}",
    rf"pc : {_AT}(?:\s+lr : {_AT})?{_STATE}",
    rf"lr : {_AT}{_STATE}",
    rf"Alignment trap: not handling instruction [0-9a-f]{{4,8}} at {_BRACKET}",
    # x86
    rf"[RE]?IP:?\s+(?:{_SEGMENT})?{_BRACKET}(?: {{1,2}}{_FRAME})?(?: {PLACE})?{_TAINT}"
    rf"(?:\s{{1,2}}(?:[RS]SP:? ?<?{NUMBER}>?|EFLAGS: {NUMBER}(?: CPU: \d{{1,4}})?|SS:ESP:? [0-9a-f]{{4}}:{NUMBER}))?",  # noqa: E501
    rf"[RE]?IP: (?:{_SEGMENT})?{PLACE}(?: (?:RSP: {NUMBER}|SS:ESP: [0-9a-f]{{4}}:{NUMBER}))?"
    rf"(?: EFLAGS: {NUMBER}(?: CPU: \d{{1,4}})?)?(?: Code: Bad RIP value\.)?",
    # The unwinder's dump of the stack
    rf"(?:[0-9a-f]{{8,16}}|\(_{{0,4}}ptrval_{{0,4}}\)): [0-9a-f]{{8,16}} \({PLACE}\)",
    rf"unchecked MSR access error: {MSR_ACCESS} at rIP: {HEX} \({PLACE}\)",
    r"CPU: {1,4}\d{1,4}",
    rf"EFLAGS: {NUMBER}(?:\s+\([\w.+-]{{1,64}}\))?",
    # riscv
    rf"(?:epc|ra) : {PLACE}",
    # powerpc
    rf"\[{NUMBER}\] \[{NUMBER}\](?: {PLACE})?(?: \((?:unreliable|{PLACE})\)){{0,3}}",
    rf"(?:NIP|LR) \[{NUMBER}\](?: {PLACE})?",
    rf"LR = {PLACE}",
    rf"-{{3,4}} (?:interrupt|Exception): {{1,2}}[0-9a-f]{{1,4}} at {PLACE}",
    rf"Faulting instruction address: {PLACE}",
    rf"NIP: {NUMBER} XER: {NUMBER} LR: {NUMBER}(?: [A-Z]{{2,4}}: [0-9a-fA-F]{{1,16}}){{0,4}}{_TAINT}",  # noqa: E501
    # s390
    rf"Krnl PSW : {NUMBER} {NUMBER}(?: \({PLACE}\))?",
    # mips, loongarch
    rf"epc\s+: {NUMBER}(?: {PLACE})?{_TAINT}",
    rf"ra\s*: {NUMBER}(?: {PLACE})?",
    rf"(?:ERA|era\s+): {NUMBER} {PLACE}",
    rf"(?:CPU \d{{1,4}} )?(?:Unable to handle kernel paging request at virtual address {NUMBER}"
    rf"|Data bus error|Instruction bus error|Fatal bus interrupt)(?:, (?:epc|era|ra) == {NUMBER}){{1,2}}",  # noqa: E501
    # sparc
    rf"(?:TPC|PC|RPC|I7): <{PLACE}>",
    rf"Caller\[{NUMBER}\](?:: {PLACE})?",
    rf"\[{NUMBER}\] {PLACE}",
    rf"\[f[0-9a-f]{{7}} : {PLACE} \]",
    # parisc, alpha
    rf"(?:IAOQ\[[01]\]|RP\(r2\)): {PLACE}",
    rf"pc = {_BRACKET}\s+ra = {_BRACKET}\s+ps(?: = [0-9a-f]{{4}})?{_TAINT}",
    # all
    rf"INFO: (?:Freed|Allocated) in {PLACE} age=\d{{1,20}} cpu=\d{{1,5}} pid=-?\d{{1,10}}",
    # The hypervisor of arm64
    rf"kvm \[\d{{1,10}}\]: {{1,2}}(?:nVHE hyp \w{{1,20}} at: )?{_BRACKET} {PLACE}!?",
    # mm/slab.c
    rf"Last user: {_BRACKET}\({PLACE}\)",
    rf"caller is {PLACE}",
    rf"random: \w{{1,40}} called from {SYMBOL}(?: with crng_init=\d)?",
    rf"NMI backtrace for cpu \d{{1,5}} skipped: idling at (?:pc )?{PLACE}",
    rf"CFI failure at {SYMBOL}(?: \(target: {SYMBOL}; expected type: {HEX}\))?",
    rf"calling {{1,2}}{PLACE} @ \d{{1,10}}",
    rf"initcall {PLACE} returned -?\d{{1,10}} after \d{{1,20}} (?:usecs|msecs)",
    rf"Workqueue: [\w:/.-]{{1,80}} {SYMBOL}(?: \(\w{{1,40}}\))?",
    rf"Stopper: {SYMBOL}(?: <- {SYMBOL})?",
    rf"do not call blocking ops when !TASK_RUNNING; state=[0-9a-f]{{1,8}} set at {_AT}",
    # lockdep
    rf"(?:#\d{{1,3}}:\s+)?(?:[0-9a-f]{{8,16}} )?{_LOCK}, at: {_AT}",
    rf"(?:hard|soft)irqs last {{1,2}}(?:enabled|disabled) at \([0-9a-f]{{1,20}}\): {_AT}",
    rf"\.\.\. key {{1,8}}at: {_AT}",
)

# Lines of a report without code addresses that need a symbol, but which say how others are read.
_EVIDENCE_LINES = (
    # where a process entered the kernel
    rf"[RE]IP: (?:0033|0023|0073|001b):(?:{_BRACKET}(?:\s+{_BRACKET})?\s*)?(?:{HEX})?(?: Code: .{{0,60}})?",  # noqa: E501
    r"Code: (?:\([^()]{1,40}\)|Bad RIP value\.|Unable to access opcode bytes at (?:RIP )?0x[0-9a-f]{1,16}\.?)",  # noqa: E501
    r"(?:Code|Instruction (?:dump|DUMP)): ?[0-9a-fXx<>() ]{1,800}",
    r"Modules linked in:(?: [\w-]{1,64}(?: ?\([A-Z+-]{1,8}\)){0,3}){0,600}(?: \[last unloaded: [^\[\]]{0,400}\])?",  # noqa: E501
    rf"CPU: \d{{1,5}} (?:UID: \d{{1,10}} )?PID: -?\d{{1,10}} Comm: {COMM} (?:Kdump: loaded )?"
    r"(?:Not tainted|Tainted: [A-Z ]{1,40}) .{0,400}",
    r"#PF: supervisor instruction fetch in kernel mode",
    r"kernel tried to execute NX-protected page - exploit attempt\? \(uid: \d{1,10}\)",
    r"EC = 0x[0-9a-f]{2}: IABT \(current EL\), IL = 32 bits",
    r"Unable to handle kernel [Ee]xecute from non-executable memory at virtual address [0-9a-f]{8,16}",  # noqa: E501
    r"(?:BUG: )?[Uu]nable to handle (?:kernel )?instruction fetch.{0,80}",
)

# The KASLR offset, at the end of a panic.
_OFFSETS = (
    rf"Kernel Offset: (?:disabled|{HEX} from {HEX}(?: \(relocation range: {HEX}-{HEX}\))?)",
)

# The second line of a record of ia64, of arm, of x86.
_REGISTER_ROWS = (
    r"sp=[0-9a-f]{16} bsp=[0-9a-f]{16}",
    r"(?:(?!pc|lr|ra|epc)[a-z]{1,3}\d{0,2}\s?: [0-9a-f]{8,16}\s*+){1,5}",
    r"RSP: [0-9a-f]{4}:[0-9a-f]{8,16}\s+EFLAGS: [0-9a-f]{8}",
)

# Messages that may begin with more than 15 bytes of a user's: net/netfilter/nf_log_syslog.c (the
# prefix of a rule), kernel/signal.c print_fatal_signal (a file), kernel/params.c and
# kernel/module/main.c (a module).
USER_FIRST = re.compile(
    r"IN=\S{0,15} OUT=|: potentially unexpected fatal signal \d{1,5}\.\s*$"
    r"|: module verification failed: |: Unknown parameter `"
)

_ENDS = (
    r"---\[ end trace [0-9a-f]{1,16} \]---",
    r"---\[ end Kernel panic - not syncing.{0,900}",
)

ADDRESS_LINE = lazy_pattern(any_of(_ADDRESS_LINES), re.ASCII)
REGISTER_ROW = lazy_pattern(any_of(_REGISTER_ROWS), re.ASCII)
EVIDENCE_LINE = lazy_pattern(any_of((*_EVIDENCE_LINES, *_REGISTER_ROWS)), re.ASCII)
KERNEL_OFFSET = lazy_pattern(any_of(_OFFSETS), re.ASCII)
END_MARKER = lazy_pattern(any_of(_ENDS), re.ASCII)
