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

_NAME = r"[A-Za-z_.$][\w.$]{0,511}"
_HEX = r"0x[0-9a-f]{1,16}"
_NUMBER = r"[0-9a-fA-F]{8,16}"
_EXTENT = r"\+(?:0x)?[0-9a-f]{1,16}/(?:0x)?[0-9a-f]{1,16}"
# " [ext4]", " [ext4 852e63996474051c57bcd1a86ebfd810]"
_MODULE = r" \[[\w-]{1,64}(?: [0-9a-f]{20,64})?\]"
_SOURCE = r"[\w./+~-]{1,300}:\d{1,6}"
# " fs/read_write.c:584 [inline]", by scripts/decode_stacktrace.sh
_DECODED = rf"(?: {_SOURCE}(?: \[inline\])?)?"
_SYMBOL = (
    rf"(?:{_HEX}|:[\w-]{{1,64}}:{_NAME}{_EXTENT}|{_NAME} \[[\w-]{{1,64}}\] {_HEX}"
    rf"|{_NAME}(?:{_EXTENT})?(?:{_MODULE})?)"
    rf"{_DECODED}"
)
# A symbol in code: the same, but not a bare name.
_PLACE = (
    rf"(?:{_HEX}|:[\w-]{{1,64}}:{_NAME}{_EXTENT}|{_NAME} \[[\w-]{{1,64}}\] {_HEX}"
    rf"|{_NAME}{_EXTENT}(?:{_MODULE})?)"
    rf"{_DECODED}"
)
_BRACKET = r"\[<(?:(?:0[xX])?[0-9a-fA-F]{1,18}|\s{1,20}\(null\)|\(_{0,4}ptrval_{0,4}\))>\]"
_DOUBT = r"(?: \(unreliable\)| \([A-Z]{1,8}\))?"
_WHAT = rf"(?: {{0,2}}(?:\? ?)?(?:{_PLACE}|\({_SYMBOL}\)|\(\s{{0,4}}(?:\(null\))?\))?)"
_FRAME = rf"{_BRACKET}{_WHAT}(?: {{1,2}}{_SOURCE}(?: \[inline\])?)?{_DOUBT}"
_AT = rf"(?:{_FRAME}|{_PLACE})"
_STACK = r"(?:<+/?[A-Z#0-9]{2,5}>+\s{0,3}(?:\[ *\d{1,10}\.\d{6}\]\s{0,2})?){0,3}"
_TAINT = r"(?:\s{1,8}(?:Not tainted|Tainted: [A-Z ]{1,40}?)(?: VLI)?)?"
# The processor's state of arm and arm64. Its last digit is 0 in user mode, whose registers a user
# chooses: arm64 prints them without brackets for a process that failed (arch/arm64/kernel/process.c
# __show_regs), so that form is none of these.
_STATE = r"(?:\s+(?:psr|pstate)\s?: [0-9a-f]{7,15}[1-9a-f])?"
# A code segment of the kernel: a selector whose lowest two bits are 3 is user space's.
_SEGMENT = r"[0-9a-f]{3}[0124-689ac-e]:"
# Any bytes but NUL: line feeds, too
_COMM = r"(?P<comm>(?s:.){0,15}?)"
_LOCK = r"\([\w \[\]()&>.*#/:$+@-]{1,160}\)\{[^{}\s]{3,8}\}(?:-\{\d:\d\})?"
_KIND = r"(?:Call [Tt]race:)?"

# Headers of a crash that hold code addresses.
_WARNINGS_WITH_ADDRESS = (
    rf"WARNING: (?:CPU: \d{{1,5}} PID: -?\d{{1,10}} )?at ?(?:{_SOURCE} )?{_SYMBOL}(?:\(\))?(?:{_MODULE})?{_DECODED}",  # noqa: E501
    rf"WARNING: (?:CPU: \d{{1,5}} PID: -?\d{{1,10}} )?at {_SOURCE}",
    rf"WARNING: (?:{_SOURCE} )?at {_SYMBOL}, CPU#\d{{1,5}}: {_COMM}/\d{{1,10}}",
)
_BUGS_WITH_ADDRESS = (
    rf"BUG: K[A-Z]{{1,5}}: [\w -]{{3,60}} in {_SYMBOL}(?: at addr {_NUMBER})?",
    rf"[kK]ernel BUG at {_SYMBOL}!?(?: \[verbose debug info unavailable\])?",
    rf"[kK]ernel BUG at {_SOURCE}!",
)

# Lines with code addresses, the named ones among them.
_ADDRESS_LINES = (
    *_WARNINGS_WITH_ADDRESS,
    *_BUGS_WITH_ADDRESS,
    # Frames: "[<c0113e4b>] [<c0107123>]", " ? 0xffffffff926cdd6b", "Call Trace: [<8012c588>] ..."
    rf"{_STACK}{_KIND}\s*\(?(?:(?>{_FRAME})\s*+){{1,64}}+\)?(?:\.\.\.)?",
    rf"{_STACK}{_KIND}\s*(?:\? )?(?:{_PLACE}|\({_PLACE}\)){_DOUBT}",
    r"Call [Tt]race:",
    r"<+/?[A-Z#0-9]{2,5}>+",
    # arm: "[<c0014990>] (fn) from [<c005ccb8>] (fn+0x14/0x20)", " fn from fn+0x14/0x20"
    rf"{_FRAME} from {_FRAME}",
    rf"Function entered at {_FRAME} from {_FRAME}",
    rf"(?:{_HEX}|{_NAME})(?:{_MODULE})? from {_SYMBOL}",
    rf"(?:PC|pc|LR|PR|ra|ip|EIP) is at {_AT}",
    rf"pc : {_AT}(?:\s+lr : {_AT})?{_STATE}",
    rf"lr : {_AT}{_STATE}",
    rf"Alignment trap: not handling instruction [0-9a-f]{{4,8}} at {_BRACKET}",
    # x86
    rf"[RE]?IP:?\s+(?:{_SEGMENT})?{_BRACKET}(?: {{1,2}}{_FRAME})?(?: {_PLACE})?{_TAINT}"
    rf"(?:\s{{1,2}}(?:[RS]SP:? ?<?{_NUMBER}>?|EFLAGS: {_NUMBER}(?: CPU: \d{{1,4}})?|SS:ESP:? [0-9a-f]{{4}}:{_NUMBER}))?",  # noqa: E501
    rf"[RE]?IP: (?:{_SEGMENT})?{_PLACE}(?: (?:RSP: {_NUMBER}|SS:ESP: [0-9a-f]{{4}}:{_NUMBER}))?"
    rf"(?: EFLAGS: {_NUMBER}(?: CPU: \d{{1,4}})?)?(?: Code: Bad RIP value\.)?",
    rf"unchecked MSR access error: (?:WRMSR to|RDMSR from) {_HEX}(?: \(tried to write {_HEX}\))?"
    rf" at rIP: {_HEX} \({_PLACE}\)",
    r"CPU: {1,4}\d{1,4}",
    rf"EFLAGS: {_NUMBER}(?:\s+\([\w.+-]{{1,64}}\))?",
    # riscv
    rf"(?:epc|ra) : {_PLACE}",
    # powerpc
    rf"\[{_NUMBER}\] \[{_NUMBER}\](?: {_PLACE})?(?: \((?:unreliable|{_PLACE})\)){{0,3}}",
    rf"(?:NIP|LR) \[{_NUMBER}\](?: {_PLACE})?",
    rf"LR = {_PLACE}",
    rf"--- (?:interrupt|Exception): {{1,2}}[0-9a-f]{{1,4}} at {_PLACE}",
    rf"Faulting instruction address: {_PLACE}",
    rf"NIP: {_NUMBER} XER: {_NUMBER} LR: {_NUMBER}(?: [A-Z]{{2,4}}: [0-9a-fA-F]{{1,16}}){{0,4}}{_TAINT}",  # noqa: E501
    # s390
    rf"Krnl PSW : {_NUMBER} {_NUMBER}(?: \({_PLACE}\))?",
    # mips, loongarch
    rf"epc\s+: {_NUMBER}(?: {_PLACE})?{_TAINT}",
    rf"ra\s*: {_NUMBER}(?: {_PLACE})?",
    rf"ERA: {_NUMBER} {_PLACE}",
    rf"(?:CPU \d{{1,4}} )?(?:Unable to handle kernel paging request at virtual address {_NUMBER}"
    rf"|Data bus error|Instruction bus error)(?:, (?:epc|era|ra) == {_NUMBER}){{1,2}}",
    # sparc
    rf"(?:TPC|PC|RPC|I7): <{_PLACE}>",
    rf"Caller\[{_NUMBER}\](?:: {_PLACE})?",
    rf"\[{_NUMBER}\] {_PLACE}",
    rf"\[f[0-9a-f]{{7}} : {_PLACE} \]",
    # parisc, alpha
    rf"(?:IAOQ\[[01]\]|RP\(r2\)): {_PLACE}",
    rf"pc = {_BRACKET}\s+ra = {_BRACKET}\s+ps(?: = [0-9a-f]{{4}})?{_TAINT}",
    # all
    rf"INFO: (?:Freed|Allocated) in {_PLACE} age=\d{{1,20}} cpu=\d{{1,5}} pid=-?\d{{1,10}}",
    rf"caller is {_PLACE}",
    rf"random: \w{{1,40}} called from {_SYMBOL}(?: with crng_init=\d)?",
    rf"NMI backtrace for cpu \d{{1,5}} skipped: idling at (?:pc )?{_PLACE}",
    rf"CFI failure at {_SYMBOL}(?: \(target: {_SYMBOL}; expected type: {_HEX}\))?",
    rf"calling {{1,2}}{_PLACE} @ \d{{1,10}}",
    rf"initcall {_PLACE} returned -?\d{{1,10}} after \d{{1,20}} (?:usecs|msecs)",
    rf"Workqueue: [\w:/.-]{{1,80}} {_SYMBOL}(?: \(\w{{1,40}}\))?",
    rf"Stopper: {_SYMBOL}(?: <- {_SYMBOL})?",
    rf"do not call blocking ops when !TASK_RUNNING; state=[0-9a-f]{{1,8}} set at {_AT}",
    # lockdep
    rf"(?:#\d{{1,3}}:\s+)?(?:[0-9a-f]{{8,16}} )?{_LOCK}, at: {_AT}",
    rf"(?:hard|soft)irqs last {{1,2}}(?:enabled|disabled) at \([0-9a-f]{{1,20}}\): {_AT}",
    rf"\.\.\. key {{1,8}}at: {_AT}",
)

# Lines of a report without code addresses that need a symbol, but which say how others are read.
_EVIDENCE_LINES = (
    # where a process entered the kernel
    rf"[RE]IP: (?:0033|0023|0073|001b):(?:{_BRACKET}(?:\s+{_BRACKET})?\s*)?(?:{_HEX})?(?: Code: .{{0,60}})?",  # noqa: E501
    r"Code: (?:\([^()]{1,40}\)|Bad RIP value\.|Unable to access opcode bytes at (?:RIP )?0x[0-9a-f]{1,16}\.?)",  # noqa: E501
    r"(?:Code|Instruction (?:dump|DUMP)): ?[0-9a-fXx<>() ]{1,800}",
    r"Modules linked in:(?: [\w-]{1,64}(?: ?\([A-Z+-]{1,8}\)){0,3}){0,600}(?: \[last unloaded: [^\[\]]{0,400}\])?",  # noqa: E501
    rf"CPU: \d{{1,5}} (?:UID: \d{{1,10}} )?PID: -?\d{{1,10}} Comm: {_COMM} (?:Kdump: loaded )?"
    r"(?:Not tainted|Tainted: [A-Z ]{1,40}) .{0,400}",
    r"#PF: supervisor instruction fetch in kernel mode",
    r"kernel tried to execute NX-protected page - exploit attempt\? \(uid: \d{1,10}\)",
    r"EC = 0x[0-9a-f]{2}: IABT \(current EL\), IL = 32 bits",
    r"Unable to handle kernel [Ee]xecute from non-executable memory at virtual address [0-9a-f]{8,16}",  # noqa: E501
    r"(?:BUG: )?[Uu]nable to handle (?:kernel )?instruction fetch.{0,80}",
)

# The KASLR offset, at the end of a panic.
_OFFSETS = (
    rf"Kernel Offset: (?:disabled|{_HEX} from {_HEX}(?: \(relocation range: {_HEX}-{_HEX}\))?)",
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

# " PREEMPT(full) SMP KASAN"
_ROW = r"(?: [A-Z][A-Z0-9_()a-z]{1,24}){0,12}"

# Lines that begin the report of an oops, a panic or the like.
_OOPSES = (
    *_BUGS_WITH_ADDRESS,
    r"BUG: unable to handle (?:kernel |page fault ).{0,200}",
    r"BUG: [Uu]nable to handle kernel .{0,200}",
    r"BUG: [kK]ernel NULL pointer dereference.{0,120}",
    r"BUG: sleeping function called from invalid context.{0,300}",
    rf"BUG: scheduling while atomic: {_COMM}/\d{{1,10}}/0x[0-9a-f]{{1,16}}",
    rf"BUG: using \w{{1,40}}(?:\(\))? in preemptible \[[0-9a-f]{{1,16}}\] code: {_COMM}/\d{{1,10}}",
    r"BUG: workqueue lockup - pool.{0,200}",
    rf"(?:(?:NMI )?watchdog: )?BUG: soft lockup - CPU#\d{{1,5}} stuck for \d{{1,10}}s! \[{_COMM}:\d{{1,10}}\]",  # noqa: E501
    rf"BUG: (?:spinlock|rwlock) [a-z -]{{4,40}} on CPU#\d{{1,5}}, {_COMM}/\d{{1,10}}(?:, [0-9a-f]{{8,16}})?",  # noqa: E501
    rf"BUG: Bad page (?:state|map) in process {_COMM} {{1,2}}(?:pfn|pte):[0-9a-f]{{1,16}}(?: pmd:[0-9a-f]{{1,16}})?",  # noqa: E501
    rf"BUG: Bad rss-counter state mm:(?:0x)?[0-9a-f]{{1,16}} (?:type|idx):\w{{1,20}} val:-?\d{{1,20}}"  # noqa: E501
    rf"(?: Comm:{_COMM} Pid:\d{{1,10}})?",
    r"BUG: (?:TASK |IRQ )?stack guard page was hit at .{0,200}",
    r"BUG: \w{1,64}(?: \([^()]{1,40}\))?: (?:Poison|Redzone|Object|Freepointer|Padding).{0,200}",
    r"BUG [\w:.-]{2,64} \((?:Not t|T)ainted[^()]{0,40}\): .{0,200}",
    r"BUG: (?:memory leak|recent printk recursion!|MAX_LOCKDEP_\w{1,40} too low!|MAX_STACK_TRACE_ENTRIES too low!)",  # noqa: E501
    r"\[ BUG: [\w !'-]{3,80} \]",
    # Oops
    r"Oops: [0-9a-f]{1,16}(?: \[#\d{1,5}\]" + _ROW + r")?",
    r"Oops: [\w ,:.-]{3,80} \[#\d{1,5}\]" + _ROW,
    r"Oops: [a-z ]{4,40}: [0-9a-f]{4}(?: \[#\d{1,5}\]" + _ROW + r")?",
    r"Oops(?: - [\w ]{1,40}: [0-9a-f]{1,8} )?\[#\d{1,5}\](?::|" + _ROW + ")",
    r"Oops in fault\.c::?\w{1,40}, line \d{1,6}:",
    # Other messages begin with so few bytes of their own: lib/dump_stack.c,
    # drivers/char/ttyprintk.c.
    rf"(?!Hardware name: |\[U\] ){_COMM}\(\d{{1,10}}\): (?:Oops|Kernel bad sw trap \d{{1,4}})(?: \[#\d{{1,5}}\]| -?\d{{1,10}})",  # noqa: E501
    r"Internal error: .{0,200}",
    r"general protection (?:fault|error).{0,200}",
    r"[a-z][a-z0-9 _-]{2,40}: [0-9a-f]{4} \[#\d{1,5}\]" + _ROW,
    r"PANIC: double fault(?:, error_code: 0x[0-9a-f]{1,8}|.{0,40} at .{0,80})",
    r"Unable to handle (?:kernel|unknown) .{0,200}",
    r"(?:CPU \d{1,4} )Unable to handle kernel .{0,200}",
    r"Unhandled fault: .{0,200}",
    r"Kernel bug detected\[#\d{1,5}\]:?",
    r"Kernel panic - not syncing: .{0,900}",
    r"Kernel panic: (?:Aiee, |Attempted to |VFS: Unable |No init found|Fatal exception|Out of memory|Kernel ).{0,200}",  # noqa: E501
)

# Those of a warning, or of something that has not ended yet.
_WARNINGS = (
    *_WARNINGS_WITH_ADDRESS,
    r"-{8,32}\[ cut here \]-{8,32}",
    r"8<--- cut here ---",
    r"WARNING: (?:possible (?:circular|recursive|irq) \w.{4,80}|suspicious RCU usage\.?|inconsistent lock state"  # noqa: E501
    r"|bad unlock balance detected!|held lock freed!|lock held when returning to user space!|Nested lock was not taken"  # noqa: E501
    r"|(?:HARD|SOFT)IRQ-safe -> (?:HARD|SOFT)IRQ-unsafe .{0,80})",
    r"INFO: (?:possible (?:circular|recursive|irq) \w.{4,80}|suspicious RCU usage\.?|inconsistent lock state)",  # noqa: E501
    r"UBSAN: [\w' -]{3,60} in [\w./+~-]{1,300}(?::\d{1,6}){1,2}",
    r"KASAN: (?:null-ptr-deref|maybe wild-memory-access|probably user-memory-access) in range "
    r"\[0x[0-9a-f]{1,16}-0x[0-9a-f]{1,16}\]",
    r"kasan: (?:GPF could be caused by|CONFIG_KASAN_INLINE enabled).{0,100}",
    # stalls
    r"(?:NMI )?watchdog: Watchdog detected hard LOCKUP on cpu ?\d{1,5}",
    r"(?:rcu: )?INFO: rcu_\w{1,20} (?:self-)?detected (?:expedited )?stalls? on CPU.{0,300}",
    rf"INFO: task {_COMM}:\d{{1,10}} (?:<\w{{1,20}}> )?blocked (?:in I/O wait )?for more than \d{{1,10}} seconds\.",  # noqa: E501
    r"Backtrace:.{0,60}",
)
_ENDS = (
    r"---\[ end trace [0-9a-f]{1,16} \]---",
    r"---\[ end Kernel panic - not syncing.{0,900}",
)


def _any_of(patterns: tuple[str, ...]) -> str:
    """An expression for a text that is one of the forms, with blanks around it."""
    # A name of a group may stand in an expression once only.
    rows = [
        pattern.replace("(?P<comm>", f"(?P<comm_{number}>")
        for number, pattern in enumerate(patterns)
    ]
    return rf"\s*+(?:{'|'.join(rows)})\s*"


ADDRESS_LINE = re.compile(_any_of(_ADDRESS_LINES), re.ASCII)
ADDRESS_OR_REGISTERS = re.compile(_any_of((*_ADDRESS_LINES, *_REGISTER_ROWS)), re.ASCII)
EVIDENCE_LINE = re.compile(_any_of((*_EVIDENCE_LINES, *_REGISTER_ROWS)), re.ASCII)
OOPS_HEADER = re.compile(_any_of(_OOPSES), re.ASCII)
WARNING_HEADER = re.compile(_any_of(_WARNINGS), re.ASCII)
KERNEL_OFFSET = re.compile(_any_of(_OFFSETS), re.ASCII)
END_MARKER = re.compile(_any_of(_ENDS), re.ASCII)
