# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep of a text only the words that cannot tell whose machine it is from.

A list of what may stay, not of what must go: any other word, and any number, is left out.
"""

import re

from msgspec import Struct

from klogd_py.reports.public.common_words import COMMON_WORDS
from klogd_py.reports.public.left_out import joined
from klogd_py.reports.public.process_places import without_process_names

# Directories at the top of the kernel's sources
_TOP = (
    r"(?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|rust|"
    r"samples|scripts|security|sound|tools|usr|virt)"
)
# A path in the sources, alone or behind the directory in which they were built
SOURCE_PATH = re.compile(
    rf"(?:[./\w+~-]{{0,200}}/linux[\w.+~-]{{0,60}}/|(?:\.\./){{0,9}}|\./)?"
    rf"({_TOP}/[\w/+-]{{1,120}}(?:\.[\w+-]{{1,40}}){{0,3}}\.(?:c|h|S|rs))",
    re.ASCII,
)
# The name of a function: none that is a number in hexadecimal digits
FUNCTION_NAME = r"(?!(?:0x)?[0-9a-fA-F]{6,}\b)[A-Za-z_$][\w.$]{0,250}"
FUNCTION = re.compile(rf"{FUNCTION_NAME}(?:::[\w.$]{{1,120}}){{0,8}}", re.ASCII)
PLACE = re.compile(rf"{FUNCTION_NAME}\+0x[0-9a-f]{{1,8}}(?:/0x[0-9a-f]{{1,8}})?", re.ASCII)
# The name of a module: no number in hexadecimal digits, and no address of a network card
MODULE_NAME = r"(?![0-9a-fA-F]{8,}\b|(?:[0-9a-fA-F]{2}-){3})[A-Za-z_][\w-]{0,63}"
_MODULE = re.compile(rf"\[({MODULE_NAME})\]", re.ASCII)
_LINE = re.compile(r":\d{1,6}", re.ASCII)
_SHORT = re.compile(
    r"NUM|ADDR|DEV|\w{3,4}=NUM|CPU#\d{1,4}|\[#\d{1,6}\]|\[inline\]|#PF|[-/]"
    # "for 32-bit type", "stuck for 22s", "error_code(0x0002)", "exitcode=0x00000009", "state=1"
    r"|\d{1,3}-bit|\d{1,5}(?:s|ms|us|ns)|error_code\(0x[0-9a-f]{1,4}\)|exitcode=0x0{4}[0-9a-f]{4}"
    r"|(?:state|error|err|ret|count|order|nid|len|size|refcount|mapcount)=-?\d{1,4}"
    # "on 0", "a != b", "(____ptrval____)", "stack_depot_put()"
    r"|-?\d|[=!<>&|+*-]{1,3}|[a-z0-9]{1,40}(?:_[a-z0-9]{1,40}){1,10}\(\)"
    r"|WARN_ON(?:_ONCE)?\(\d\)|DEBUG_LOCKS_WARN_ON\(\d\)|unknown-block\(\d{1,3},\d{1,3}\)",
    re.ASCII,
)
# "Read of size 8", "blocked for more than 120 seconds", "(error -2)", "type 'u8 [4]'"
_COUNT = re.compile(r"-?\d{1,6}|\[\d{1,6}\]", re.ASCII)
_TYPES = ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "char", "int", "long", "short")
_BEFORE_COUNT = (
    *("size", "than", "exponent", "index", "order", "node", "depth", "error", "least", "most"),
    *("type", "level", "bits", "CPU", "cpu", *_TYPES),
)
_PUNCTUATION = "!,.:;()'\"<>"
# Words of the kernel's own crash messages, and of the titles that are made of them
_WORDS = """
__this_cpu_add __this_cpu_read __this_cpu_write a abort access accessing acquire acquired
acquiring across activate active add adding address after age aiee alignment all
alloca-out-of-bounds allocate allocated allocation already an and apic appropriate are arm arm64
array-index-out-of-bounds assert assert_init assertion asynchronous at atomic attempted
attempting avoid backtrace bad bad-access badness balance based become been before behaviour
being belongs bitmap blkdev blocked bogus boot booting bounced bounds bounds-check broken bug
bug_on buggy bus busy but by bytes cache call called calls can't cannot cared caught cause
caused cgroup chain chained changed channel check checkstop chk chunk circular circularly
clobbered close code comm compare compulsory console contended contention context continue
control copy correctable corrupt corrupted corruption couldn't count counter cpu cpu's cpuhp
cpus cpuset creation critical current data data-race dead deadlock deadlocked debug
debug_smp_processor_id debugfs debugger deferred delayed dentry dependency deprecated deref
dereference descriptor destroyed detected detection detects device die disable disabled
disabling divide double double-free dump during early early-boot el0 el1 emergency empty enable
enabled end ended entry error ever exceeded exception exceptions execute exit expected expedited
failed failure fatal fault fields file firmware first fixed fixing fixup flags for format found
frame free freed freeing freelist freezable from fs full function functions future general
generic global global-out-of-bounds grace gracefully guard halted handle handler handling hang
happen happened hard hardirq hardirq-safe hardirq-unsafe hardirqs hardware has hash header held
held-lock high hint hit hlist hold holding holds hpmc hrtimer hung hypervisor idle idr ignored
illegal immediate in in-use inactive inconsistent incorrect info init init_task initialised
initialization initialized inode inodes inside instruction insufficient int3 integer internal
interrupt interrupts into invalid invalid-access invalid-free inversion invoked io ipi irq irqs
is its job jump kasan kcsan kernel kernel-infoleak kernel-usb-infoleak key kfence kill killable
killed killing kmalloc kmsan kobject kref kthread kthreadd kunwind larger last late leak leaked
level limit limits line list list_add list_del load local lock lock-key lock-state lockdep
locking locks lockup long longer looking loop low machine magic make map mapped mapping mask max
maybe memory message microcode min misaligned mismatch missing misuse mm mm_struct mode modify
modules more mount multiple must mutex mutex_lock name negative nested nested_lock next
next->prev nmi no nobody node non non-canonical non-resumable non-static non-zero noncanonical
none nonrecoverable normal not not-present notifier null null-ptr-deref num nx obj object
objects odebug of off offline offset old on once online only oops oopsed opcode open operand
operation or order ordinary out out-of-bounds overflow overran overrun overwritten own owner p4d
page page_table pages paging panic panic_on_oom panic_on_warn panicked parent part partial paths
percpu period permission pgd pgtables_bytes physical pin place please pmd pointer poison
poisoned policy pool pools possible possibly potentially power pre preempt preempted preemptible
preemption prefetch present prev prev->next previous printk priority private probably proc
process processes procfs producer protected protection pte pud queue queued quickly quiescent
race random range raw rb_tree rcu rcu_read_lock reached read readonly recent reclaim
reclaim-safe reclaim-unsafe recover recovery recursion recursive redzone refcount refcount_t
reference reference-leak region register registered registering registration regs related
release released remove removing replaying request required reserve reserved reset resource
restored result retry return returning reverse root rss rss-counter rtas rtnl run running rust
rust_kernel rw rwlock rwsem safe same saturated scheduling seconds segment self self-detected
semaphore sequence serror set setup shared shift shift-out-of-bounds short should shutdown
signal signed signed-integer-overflow single size skipped slab slab-out-of-bounds
slab-use-after-free sleep sleeping slob slot slub small smap smep smp smp_processor_id soft
softirq softirq-safe softirq-unsafe softirqs softlockup source space special spinlock stack
stack-out-of-bounds stack-protector stall stalled stalls start starting starved state status
still stopped store stuck subclass subtraction supervisor suspend suspicious swap switch symbol
sync synchronize synchronous syncing sysfs sysrq system system-wide table tainted taken takes
target task taskqueue tasks temporarily than the this thread threads time timed timeout timer
timers tlb to too top total trace transmit trap tree tried trigger triggered truncated trying
trylock turned two type types ubsan unable unaccounted unaligned unbalanced unbound
uncorrectable undefined undefined-behaviour under underflow underrun unexpected unhandled
uninit-value unit unknown unlikely unlock unlocked unmap unmapped unmount unrecoverable
unreferenced unregister unregister_netdevice unregistered unsafe unsigned-integer-overflow
unsupported unused up update updated usage usb use use-after-free use-after-scope used user
user-memory-access usercopy using valid value vector version vfs via violation virtual vma
vmalloc vmalloc-out-of-bounds void wait wait_for_completion waiting wake wall warn warn_on
warn_on_once warning was watchdog way when which while wild-access wild-memory-access with
within without work worker workers workqueue wq write writing wrong xarray your zero zero-size
zone
"""
KERNEL_WORDS = frozenset(_WORDS.split())
VOCABULARY = COMMON_WORDS | KERNEL_WORDS


class Names(Struct, frozen=True):
    """Names that one report has.

    ``kernel`` are functions and modules, which may stay. ``here`` are those of the host and of the
    process, in lower case: a host may be called "window".
    """

    kernel: frozenset[str] = frozenset()
    here: frozenset[str] = frozenset()


NO_NAMES = Names()


def public_path(path: str) -> str:
    """Return a path in the kernel's sources from their top on; empty if it is none."""
    found = SOURCE_PATH.fullmatch(path)
    return found[1] if found and ".." not in found[1] else ""


def public_words(text: str, names: Names = NO_NAMES) -> str:
    """Return a text in which dots stand for each run of words that may tell something."""
    kept: list[str] = []
    before = ""
    for word in without_process_names(text).split():
        count = word.strip(_PUNCTUATION) if before.strip(_PUNCTUATION) in _BEFORE_COUNT else ""
        if _COUNT.fullmatch(count) or _is_module(word, before, names):
            kept.append(word)
        else:
            kept.append(_public_word(word, names))
        before = word
    return joined(kept)


def _is_module(word: str, before: str, names: Names) -> bool:
    """Whether a word in brackets is that of a frame, or of a module that the report knows."""
    found = _MODULE.fullmatch(word.strip(_PUNCTUATION))
    if found is None:
        return False
    return found[1] in names.kernel or PLACE.fullmatch(before.lstrip(_PUNCTUATION)) is not None


def _public_word(word: str, names: Names) -> str:
    """Return the word as it may be shown; empty if it may not."""
    bare = word.strip(_PUNCTUATION)
    if not bare:
        return word
    if bare in names.kernel:
        return word
    plain = bare.lower().removesuffix("()")
    # In the kernel's own messages a gap would tell as much.
    if plain in VOCABULARY and (plain in KERNEL_WORDS or plain not in names.here):
        return word
    # A bracket at the end is a part of some.
    if any(_SHORT.fullmatch(form) for form in (word, bare, f"{bare})", word.rstrip(":;,."))):
        return word
    if PLACE.fullmatch(bare):
        return word
    path, colon, line = bare.partition(":")
    if (public := public_path(path)) and (not colon or _LINE.fullmatch(f":{line}")):
        return f"{public}{colon}{line}"
    return ""
