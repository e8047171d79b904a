# SPDX-License-Identifier: GPL-2.0-or-later
"""Every fact that a kernel prints in a report is found, on each architecture."""

import pytest

from klogd_py.record.report import Access, Module, Process, Source, Taint
from klogd_py.reports.anatomy.anatomy import Anatomy, read_anatomy
from tests.reports.raw_reports import raw_report

X86_64 = """\
BUG: kernel NULL pointer dereference, address: 0000000000000018
#PF: supervisor write access in kernel mode
#PF: error_code(0x0002) - not-present page
PGD 0 P4D 0
Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI
CPU: 3 UID: 1000 PID: 812 Comm: nic stat Tainted: G        W  OE      6.12.4-amd64 #1 PREEMPT(full) Debian 6.12.4-1 852e63996474051c57bcd1a86ebfd81073083853
Tainted: [W]=WARN, [O]=OOT_MODULE, [E]=UNSIGNED_MODULE
Hardware name: Example Rack 12/R12, BIOS 2.4 03/14/2025
Workqueue: events nic_reset_work [nic]
RIP: 0010:nic_reset+0x1f/0x40 [nic]
Code: 48 8b 05 11 22 33 44 <48> 89 10 c3
RSP: 0018:ffffc9000123fd70 EFLAGS: 00010246
RAX: 0000000000000018 RBX: ffff888012345678 RCX: 0000000000000000
CR2: 0000000000000018 CR3: 0000000012345000 CR4: 0000000000750ef0
Call Trace:
 <TASK>
 ? __die+0x23/0x70
 nic_reset_work+0x2d/0x90 [nic]
 process_one_work+0x17f/0x3a0
 worker_thread+0x2d6/0x410
 </TASK>
Modules linked in: nic(OE+) ext4 crc16
 mbcache jbd2 [last unloaded: loop(-)]
CR2: 0000000000000018
---[ end trace 0000000000000000 ]---
RIP: 0010:nic_reset+0x1f/0x40 [nic]
Kernel Offset: 0x33e00000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000-0xffffffffbfffffff)
"""  # noqa: E501


@pytest.fixture
def x86_64() -> Anatomy:
    return read_anatomy(raw_report(X86_64))


def functions_of(anatomy: Anatomy, stack: int = 0) -> list[str]:
    return [frame.function for frame in anatomy.stacks[stack].frames]


def test_process_is_read_with_all_parts(x86_64: Anatomy) -> None:
    assert x86_64.process == Process("nic stat", 812, 1000, 3, "events nic_reset_work [nic]")


def test_kernel_is_read_with_build_id(x86_64: Anatomy) -> None:
    kernel = x86_64.kernel
    assert (kernel.release, kernel.arch) == ("6.12.4-amd64", "x86_64")
    assert kernel.version == "#1 PREEMPT(full) Debian 6.12.4-1"
    assert kernel.build_id == "852e63996474051c57bcd1a86ebfd81073083853"
    assert kernel.preempt == "PREEMPT(full)"
    assert kernel.hardware == "Example Rack 12/R12, BIOS 2.4 03/14/2025"
    assert kernel.kaslr_offset == "0x33e00000"


def test_taint_has_letters_and_words(x86_64: Anatomy) -> None:
    words = ("WARN", "OOT_MODULE", "UNSIGNED_MODULE")
    assert x86_64.kernel.taint == Taint("WOE", words)


@pytest.mark.parametrize(
    ("words", "names"), [("nic(OE) loop", ("nic", "loop")), ("aa:bb:cc:dd:ee:ff fe80::1", ())]
)
def test_only_modules_are_last_unloaded(words: str, names: tuple[str, ...]) -> None:
    text = X86_64.replace("loop(-)", words)
    assert read_anatomy(raw_report(text)).last_unloaded == names


def test_module_list_goes_on_unmarked(x86_64: Anatomy) -> None:
    assert x86_64.modules == (
        Module("nic", "OE+"),
        Module("ext4"),
        Module("crc16"),
        Module("mbcache"),
        Module("jbd2"),
    )
    assert x86_64.last_unloaded == ("loop",)


def test_access_has_type_and_class(x86_64: Anatomy) -> None:
    assert x86_64.access == Access("write", "null", "0000000000000018")


def test_code_of_kernel_is_kept(x86_64: Anatomy) -> None:
    assert x86_64.code == "48 8b 05 11 22 33 44 <48> 89 10 c3"


def test_counter_is_outside_of_stack(x86_64: Anatomy) -> None:
    assert x86_64.counter is not None
    assert (x86_64.counter.function, x86_64.counter.module) == ("nic_reset", "nic")
    assert functions_of(x86_64) == ["__die", "nic_reset_work", "process_one_work", "worker_thread"]
    assert [frame.reliable for frame in x86_64.stacks[0].frames] == [False, True, True, True]


ARM = """\
Unable to handle kernel NULL pointer dereference at virtual address 00000009
pgd = e8a60000
[00000009] *pgd=00000000
Internal error: Oops: 805 [#1] SMP ARM
Modules linked in: nic
CPU: 0 PID: 431 Comm: nicd Not tainted 4.9.30 #1
PC is at nic_poll+0x1f/0x40 [nic]
LR is at nic_irq+0x2/0x8 [nic]
pc : [<bf000330>]    lr : [<bf000200>]    psr: 80070113
Process nicd (pid: 431, stack limit = 0xe8a58210)
[<bf000330>] (nic_poll [nic]) from [<c005ccb8>] (net_rx_action+0x14f/0x1b9)
[<c005ccb8>] (net_rx_action) from [<c0014990>] (__do_softirq+0x1/0x2)
Code: e1a03000 e3510000 0a000004 e5932008 (e5823000)
"""
ARM64 = """\
Unable to handle kernel paging request at virtual address ffff000012345678
Mem abort info:
  ESR = 0x0000000096000046
Internal error: Oops: 0000000096000046 [#1] PREEMPT SMP
CPU: 1 PID: 81 Comm: nicd Not tainted 6.1.0 #1
pstate: 60400145 (nZCv daif +PAN -UAO)
pc : nic_poll+0x1f/0x40 [nic]
lr : nic_irq+0x2/0x8 [nic]
x29: ffff80000a3dbd50 x28: ffff000003a4c900 x27: 0000000000000000
Call trace:
 nic_poll+0x1f/0x40 [nic]
 net_rx_action+0x14f/0x1b9
Code: 91056108 f9000a68 f9403268 f90013e8 (d4210000)
"""
RISCV = """\
Unable to handle kernel paging request at virtual address ffffffd012345678
Oops [#1]
CPU: 1 PID: 81 Comm: nicd Not tainted 6.1.0 #1
epc : nic_poll+0x1f/0x40
 ra : nic_irq+0x2/0x8
epc : ffffffff801461e4 ra : ffffffff801462f0 sp : ffffffd000bd3d80
status: 0000000200000120 badaddr: ffffffd012345678 cause: 000000000000000d
[<ffffffff801461e4>] nic_poll+0x1f/0x40
[<ffffffff801462f0>] net_rx_action+0x14f/0x1b9
"""
POWERPC = """\
BUG: Unable to handle kernel data access on write at 0xc00800000a3dbd50
Faulting instruction address: 0xc0000000000d2f50
Oops: Kernel access of bad area, sig: 11 [#1]
CPU: 8 PID: 81 Comm: nicd Not tainted 6.1.0 #1
NIP:  c0000000000d2f50 LR: c0000000000d2f40 CTR: c0000000000d2f00
NIP [c0000000000d2f50] .nic_poll+0x1f/0x40
LR [c0000000000d2f40] .nic_irq+0x2/0x8
Call Trace:
[c00000000f0b3b50] [c0000000000d2f40] .nic_irq+0x2/0x8 (unreliable)
[c00000000f0b3b80] [c0000000000d2f30] .net_rx_action+0x14f/0x1b9
Instruction dump:
60000000 4e800020 7c0802a6 f8010010
"""
S390 = """\
Unable to handle kernel pointer dereference in virtual kernel address space
Failing address: 000003ff80000000 TEID: 000003ff80000803
Oops: 0004 ilc:2 [#1] SMP
CPU: 0 PID: 81 Comm: nicd Not tainted 6.1.0 #1
Krnl PSW : 0704c00180000000 000003ff7ffb36d2 (nic_poll+0x1f/0x40 [nic])
           R:0 T:1 IO:0 EX:0 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3
Krnl Code: 000003ff7ffb36c4: c0200000012a  larl %r2,000003ff7ffb3918
Call Trace:
([<000003ff7ffb36c0>] nic_poll+0x1/0x40 [nic])
 [<00000000001b2c3d>] net_rx_action+0x14f/0x1b9
Last Breaking-Event-Address:
 [<000003ff7ffb3600>] nic_start+0x10/0x20 [nic]
"""
MIPS = """\
CPU 0 Unable to handle kernel paging request at virtual address 80a00004, epc == 8029a238
Oops[#1]:
CPU: 0 PID: 1 Comm: nicd Not tainted 4.9.0 #1
$ 0   : 00000000 00000001 80a00004 00000000
epc   : 8029a238 nic_poll+0x1f/0x40
ra    : 8029d674 nic_irq+0x2/0x8
BadVA : 80a00004
Process nicd (pid: 1, threadinfo=8782c000, task=87828000, tls=00000000)
Call Trace:
[<8029a238>] nic_poll+0x1f/0x40
[<8029d674>] net_rx_action+0x14f/0x1b9
Code: 1062000d  00002021 <8c620000>
"""
SPARC = """\
nicd(81): Oops [#1]
CPU: 0 PID: 81 Comm: nicd Not tainted 4.9.0 #1
TSTATE: 0000009111001600 TPC: 00000000005a9e84 TNPC: 00000000005a9e88 Y: 00000000    Not tainted
TPC: <nic_poll+0x1f/0x40>
I7: <nic_irq+0x2/0x8>
Call Trace:
 [00000000005a9e84] net_rx_action+0x14f/0x1b9
"""
PARISC = """\
Kernel Fault: Code=15 (Data TLB miss fault) at addr 0000000040a00004
CPU: 0 PID: 81 Comm: nicd Not tainted 4.9.0 #1
     YZrvWESTHLNXBCVMcbcbcbcbOGFRQPDI
IASQ: 0000000000000000 0000000000000000 IAOQ: 0000000040296ef4 0000000040296ef8
 IAOQ[0]: nic_poll+0x1f/0x40
 RP(r2): nic_irq+0x2/0x8
Backtrace:
 [<0000000040206ff8>] net_rx_action+0x14f/0x1b9
"""
LOONGARCH = """\
CPU 3 Unable to handle kernel paging request at virtual address 9000000080a00004, era == 9000000000224ee0, ra == 9000000000224e00
Oops[#1]:
CPU: 3 PID: 81 Comm: nicd Not tainted 6.1.0 #1
   ra: 9000000000224e00 nic_irq+0x2/0x8
  ERA: 9000000000224ee0 nic_poll+0x1f/0x40
 CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)
Call Trace:
[<9000000000224ee0>] nic_poll+0x1f/0x40
[<9000000000224e00>] net_rx_action+0x14f/0x1b9
"""  # noqa: E501
I386 = """\
BUG: unable to handle kernel paging request at f8a00004
IP: [<c06969d4>] nic_poll+0x1f/0x40
*pde = 00000000
Oops: 0000 [#1] SMP
Modules linked in: nic
Pid: 81, comm: nicd Not tainted (2.6.27.9-159.fc10.i686 #1)
EIP: 0060:[<c06969d4>] EFLAGS: 00010246 CPU: 1
EIP is at nic_poll+0x1f/0x40
EAX: 00000000 EBX: f7000000 ECX: 00000000 EDX: 00000000
Process nicd (pid: 81, ti=f6c4e000 task=f6c70000 task.ti=f6c4e000)
Call Trace:
 [<c0401234>] ? nic_irq+0x2/0x8
 [<c0405678>] net_rx_action+0x14f/0x1b9
Code: 8b 6d 00 <8b> 45 04
EIP: [<c06969d4>] nic_poll+0x1f/0x40 SS:ESP 0068:f6c4ff10
"""
ALPHA = """\
Unable to handle kernel paging request at virtual address 0000000080a00004
nicd(81): Oops -1
pc = [<fffffc00012d39e8>]  ra = [<fffffc00012d39f0>]  ps = 0000    Not tainted
pc is at nic_poll+0x1f/0x40
ra is at nic_irq+0x2/0x8
v0 = 0000000000000000  t0 = 0000000000000001  t1 = fffffc0001234567
Trace:
[<fffffc00012d39e8>] net_rx_action+0x14f/0x1b9
"""
ARCHITECTURES = {
    "i386": I386,
    "arm": ARM,
    "arm64": ARM64,
    "riscv": RISCV,
    "ppc64": POWERPC,
    "s390x": S390,
    "mips": MIPS,
    "sparc64": SPARC,
    "parisc": PARISC,
    "loongarch64": LOONGARCH,
    "alpha": ALPHA,
}


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_registers_and_stack_of_architecture(arch: str) -> None:
    anatomy = read_anatomy(raw_report(ARCHITECTURES[arch]))
    assert anatomy.kernel.arch == arch
    assert anatomy.counter is not None
    assert anatomy.counter.function == "nic_poll"
    assert "net_rx_action" in functions_of(anatomy)
    assert "nic_start" not in functions_of(anatomy)


@pytest.mark.parametrize("arch", sorted(set(ARCHITECTURES) - {"alpha"}))
def test_process_is_read_on_architecture(arch: str) -> None:
    process = read_anatomy(raw_report(ARCHITECTURES[arch])).process
    assert process.comm == "nicd"
    assert process.pid in (1, 81, 431)


ACCESSES = [
    (ARM, Access(address_class="null", address="00000009")),
    (ARM64, Access(address_class="kernel", address="ffff000012345678")),
    (POWERPC, Access("write", "kernel", "c00800000a3dbd50")),
    (S390, Access(address_class="user", address="000003ff80000000")),
    (MIPS, Access(address_class="kernel", address="80a00004")),
    (
        "BUG: KASAN: slab-use-after-free in f+0x1/0x2"
        "\nRead of size 8 at addr ffff8881054c0d40 by task a/8",
        Access("read", "kernel", "ffff8881054c0d40", 8),
    ),
    (
        "Oops: general protection fault, probably for non-canonical address "
        "0xdffffc0000000004: 0000 [#1]",
        Access(address_class="noncanonical", address="dffffc0000000004"),
    ),
    (
        "general protection fault: 0000 [#1] SMP"
        "\nKASAN: null-ptr-deref in range [0x0000000000000020-0x0000000000000027]",
        Access(address_class="null", address="0000000000000020"),
    ),
    ("kernel BUG at fs/nic.c:12!", None),
]


@pytest.mark.parametrize(("text", "access"), ACCESSES)
def test_access_is_read_from_report(text: str, access: Access | None) -> None:
    assert read_anatomy(raw_report(text)).access == access


@pytest.mark.parametrize(
    "header",
    ["WARNING: CPU: 0 PID: 8 at fs/nic.c:12 f+0x1/0x2", "kernel BUG at fs/nic.c:12!"],
)
def test_register_of_earlier_fault_is_no_access(header: str) -> None:
    raw = raw_report(f"{header}\nCR2: 0000561c2574d528 CR3: 000000010a2fe000")
    assert read_anatomy(raw).access is None


def test_stacks_are_labelled_and_apart() -> None:
    anatomy = read_anatomy(
        raw_report(
            "BUG: KASAN: slab-use-after-free in nic_poll+0x1f/0x40\n"
            "Call Trace:\n nic_poll+0x1f/0x40\n"
            "Allocated by task 12:\n nic_open+0x1f/0x40\n"
            "Freed by task 13:\n nic_close+0x1f/0x40\n"
        )
    )
    assert [stack.label for stack in anatomy.stacks] == [
        "Call Trace",
        "Allocated by task 12",
        "Freed by task 13",
    ]
    assert functions_of(anatomy, 2) == ["nic_close"]


def test_call_trace_says_whose_it_is() -> None:
    anatomy = read_anatomy(
        raw_report(
            "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
            "rcu: RCU grace-period kthread stack dump:\n"
            "task:rcu_preempt     state:I stack:    0 pid:   13 ppid:     2 flags:0x00004000\n"
            "Call Trace:\n rcu_gp_kthread+0x1f/0x40\n"
        )
    )
    assert anatomy.stacks[0].about.startswith("task:rcu_preempt")


def test_interrupted_function_is_in_stack() -> None:
    anatomy = read_anatomy(
        raw_report(
            "rcu: INFO: rcu_sched self-detected stall on CPU\n"
            "Call Trace:\n <IRQ>\n update_process_times+0x1/0x2\n </IRQ>\n"
            "RIP: 0010:nic_poll+0x1f/0x40\nCode: 90 90 <90>\nRSP: 0018:ffff8801db206738\n"
            " nic_irq+0x2/0x8\n entry_SYSCALL_64+0x1/0x2\nRIP: 0033:0x452ac9\n"
        )
    )
    assert functions_of(anatomy) == [
        "update_process_times",
        "nic_poll",
        "nic_irq",
        "entry_SYSCALL_64",
    ]
    assert anatomy.stacks[0].interrupted == (1,)
    assert anatomy.counters == ()


def test_locks_that_are_held_are_listed() -> None:
    anatomy = read_anatomy(
        raw_report(
            "WARNING: possible circular locking dependency detected\n"
            "6.1.0 #1 Not tainted\n"
            "nicd/812 is trying to acquire lock:\n"
            "ffff88801 (&nic->lock){+.+.}-{3:3}, at: nic_poll+0x1f/0x40\n"
            "but task is already holding lock:\n"
            "ffff88802 (&nic->mutex){+.+.}-{3:3}, at: nic_open+0x1f/0x40\n"
            "1 lock held by nicd/812:\n"
            " #0: ffff88802 (&nic->mutex){+.+.}-{3:3}, at: nic_open+0x1f/0x40\n"
        )
    )
    assert [place.frame.function for place in anatomy.lock_places] == ["nic_poll", "nic_open"]
    assert anatomy.locks == ("#0: ffff88802 (&nic->mutex){+.+.}-{3:3}, at: nic_open+0x1f/0x40",)
    assert anatomy.kernel.release == "6.1.0"


CUT = "------------[ cut here ]------------"
MESSAGES = [
    (
        "WARNING: CPU: 1 PID: 8 at net/nic.c:306 nic_poll+0x1f/0x40",
        f"{CUT}\nqueue 3 is stuck",
        "queue 3 is stuck",
    ),
    ("WARNING: CPU: 1 PID: 8 at net/nic.c:306 nic_poll+0x1f/0x40", f"nic: up\n{CUT}", ""),
    (
        "WARNING: CPU: 1 PID: 8 at net/nic.c:306 nic_poll+0x1f/0x40()\nqueue 3 is stuck",
        "",
        "queue 3 is stuck",
    ),
    (
        "WARNING: CPU: 1 PID: 8 at net/nic.c:306 nic_poll+0x1f/0x40()\nModules linked in: nic",
        "",
        "",
    ),
    (
        "WARNING: [queue 3 is stuck] net/nic.c:306 at nic_poll+0x1f/0x40, CPU#1: nicd/8",
        "",
        "queue 3 is stuck",
    ),
    (
        "kernel BUG at lib/list_debug.c:29!",
        f"list_add corruption. next is NULL\n{CUT}",
        "list_add corruption. next is NULL",
    ),
    ("kernel BUG at net/nic.c:29!", f"nic: up\n{CUT}", ""),
    ("Kernel panic - not syncing: nic: no memory", "", "nic: no memory"),
]


@pytest.mark.parametrize(("text", "context", "message"), MESSAGES)
def test_message_of_code_is_found(text: str, context: str, message: str) -> None:
    assert read_anatomy(raw_report(text, context)).message == message


SOURCES = [
    ("WARNING: CPU: 1 PID: 8 at net/nic.c:306 nic_poll+0x1f/0x40", Source("net/nic.c", 306)),
    ("WARNING: [x] ./net/nic.h:306 at nic_poll+0x1f/0x40, CPU#1: nicd/8", Source("net/nic.h", 306)),
    ("kernel BUG at net/nic.c:306!", Source("net/nic.c", 306)),
    ("kernel BUG at /build/linux-6.1.4/net/nic.c:306!", Source("net/nic.c", 306)),
    ("UBSAN: array-index-out-of-bounds in net/nic.c:306:12", Source("net/nic.c", 306)),
    ("BUG: KASAN: slab-use-after-free in nic_poll+0x1f/0x40", None),
]


@pytest.mark.parametrize(("text", "source"), SOURCES)
def test_source_line_of_header_is_read(text: str, source: Source | None) -> None:
    assert read_anatomy(raw_report(text)).source == source


TASKS = {
    "INFO: task nic worker:684 blocked for more than 120 seconds.": Process("nic worker", 684),
    "BUG: KASAN: slab-use-after-free in f+0x1/0x2\nRead of size 8 at addr ff00 by task nic w/684": (
        Process("nic w", 684)
    ),
    "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kworker/3:1:684]": (
        Process("kworker/3:1", 684, cpu=3)
    ),
    "BUG: scheduling while atomic: kworker/3:1/684/0x00000002": Process("kworker/3:1", 684),
    "BUG: using smp_processor_id() in preemptible [00000000] code: nicd/684": (
        Process("nicd", 684)
    ),
    "WARNING: net/nic.c:306 at nic_poll+0x1f/0x40, CPU#3: kworker/3:1/684": (
        Process("kworker/3:1", 684, cpu=3)
    ),
    "WARNING: CPU: 3 PID: 684 at net/nic.c:306 nic_poll+0x1f/0x40": Process("", 684, cpu=3),
    "kernel BUG at net/nic.c:306!": Process(),
}


@pytest.mark.parametrize("text", TASKS)
def test_task_of_header_is_read(text: str) -> None:
    assert read_anatomy(raw_report(text)).process == TASKS[text]


def test_callers_of_arm_are_frames_once() -> None:
    anatomy = read_anatomy(raw_report(ARM))
    assert functions_of(anatomy) == ["nic_poll", "net_rx_action", "__do_softirq"]
    assert anatomy.stacks[0].frames[1].offset == 0x14F


def test_code_of_user_is_left_out() -> None:
    text = "kernel BUG at net/nic.c:306!\nRIP: 0033:0x7f2a\nCode: 0f 05 <48>\n"
    assert read_anatomy(raw_report(text)).code == ""


def test_code_goes_on_in_rows() -> None:
    assert read_anatomy(raw_report(POWERPC)).code == "60000000 4e800020 7c0802a6 f8010010"


def test_records_of_several_lines_are_split() -> None:
    raw = raw_report("Unable to handle kernel pointer dereference at virtual kernel address 0")
    text = "Call Trace:\n ([<00000000001b2c3d>] nic_irq+0x2/0x8)\n [<00000000001b2c3d>] nic+0x2/0x8"
    lines = (*raw.lines, *raw_report("kernel BUG at a.c:1!").lines)
    joined = type(raw)(raw.kind, (lines[0], type(lines[0])(lines[0].record, text, 0)))
    assert functions_of(read_anatomy(joined)) == ["nic_irq", "nic"]


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("CPU: 1 PID: 8 Comm: a Not tainted 6.14.0 #0 PREEMPT(full) ", "#0 PREEMPT(full)"),
        ("Pid: 8, comm: a Not tainted (2.6.27.9-159.fc10 #1)", "#1"),
        ("Pid: 8, comm: a Not tainted (6.14.0 #1 PREEMPT(full))", "#1 PREEMPT(full)"),
    ],
)
def test_version_loses_only_foreign_brackets(line: str, version: str) -> None:
    anatomy = read_anatomy(raw_report(f"kernel BUG at net/nic.c:12!\n{line}"))
    assert anatomy.kernel.version == version


NO_MESSAGES = (
    "nic_poll+0x11e/0x140() (Not tainted)",
    "nic_poll+0x44/0x80",
    "? nic_poll+0x44/0x80",
    "nic_poll+0x3d8/0x448, CPU#0: kworker/0:2/253",
    "/src/linux/net/nic.c:306",
)


@pytest.mark.parametrize("line", NO_MESSAGES)
def test_place_of_code_is_no_message(line: str) -> None:
    header = "WARNING: CPU: 0 PID: 8 at net/nic.c:306 nic_stop+0x1f/0x40"
    assert read_anatomy(raw_report(f"{header}\n{line}")).message == ""
    cut = "------------[ cut here ]------------"
    assert read_anatomy(raw_report(header, f"{cut}\n{line}")).message == ""
    told = read_anatomy(raw_report(header, f"{cut}\n{line}\nqueue 3 is stuck"))
    assert told.message == "queue 3 is stuck"


def test_kernel_of_hung_task_is_read() -> None:
    header = "INFO: task nicd:8 blocked for more than 120 seconds."
    line = "      Tainted: G        W  OE      6.12.4-amd64 #1 Debian 6.12.4-1"
    kernel = read_anatomy(raw_report(f"{header}\n{line}")).kernel
    assert (kernel.release, kernel.version) == ("6.12.4-amd64", "#1 Debian 6.12.4-1")
    assert kernel.taint.letters == "WOE"


@pytest.mark.parametrize(
    ("release", "arch"),
    [
        ("6.12.4-cloud-amd64", "x86_64"),
        ("6.8.0-300.fc39.s390x", "s390x"),
        ("6.8.0-300.fc39.aarch64+debug", "arm64"),
        ("6.12.4-amd64x", ""),
        ("6.12.4", ""),
    ],
)
def test_release_tells_architecture_without_registers(release: str, arch: str) -> None:
    line = f"CPU: 1 PID: 8 Comm: a Not tainted {release} #1"
    assert read_anatomy(raw_report(f"kernel BUG at net/nic.c:12!\n{line}")).kernel.arch == arch
