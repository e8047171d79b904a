# SPDX-License-Identifier: GPL-2.0-or-later
"""What a public report keeps, and that nothing of the machine is in it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klogd_py.record.report import Access, Boot, Kernel, Process, Report, Source, Stack
from klogd_py.reports.detection.headers import HEADERS
from klogd_py.reports.document import encode
from klogd_py.reports.public.common_words import COMMON_WORDS
from klogd_py.reports.public.public import make_public
from klogd_py.reports.public.public_lines import (
    USER_PROCESS,
    public_comm,
    public_line,
    public_release,
    public_version,
)
from klogd_py.reports.public.public_words import Names, public_path, public_words
from tests.reports_made import BOOT_ID, CALL_TRACE, REPORT, make_report

# Each begins with letters that no word of a kernel begins with.
NAMES = st.from_regex(r"zq[a-z0-9]{4,10}", fullmatch=True)
KNOWN = Names(kernel=frozenset({"nic_poll"}))
# Such words can be modules, too.
WORDS = st.one_of(
    NAMES, NAMES.map(lambda name: f"{name}_dev"), NAMES.map(lambda name: f"{name}-pc")
)
HEX = st.integers(0, (1 << 32) - 1)


def _pairs(digits: str) -> str:
    """``00ab12cd`` as the rest of a MAC address, ``:00:ab:12:cd``."""
    return "".join(f":{digits[at : at + 2]}" for at in (0, 2, 4, 6))


SECRETS = st.fixed_dictionaries(
    {
        "address": HEX.map(lambda number: f"ffff8881{number:08x}"),
        "short": st.integers(0xC0000000, 0xCFFFFFFF).map(lambda number: f"{number:08x}"),
        "host": WORDS,
        "comm": WORDS,
        "user": WORDS,
        "serial": st.from_regex(r"C0[0-9][A-Z]{4}[0-9][A-Z][0-9]", fullmatch=True),
        "file": NAMES.map(lambda name: f"/home/alice/{name}.conf"),
        "device": NAMES.map(lambda name: f"dm-{name}"),
        "mac": HEX.map(lambda number: "52:54" + _pairs(f"{number:08x}")),
        "ip": HEX.map(lambda number: f"10.{number & 255}.{number >> 8 & 255}.{number >> 16 & 255}"),
        "ip6": HEX.map(lambda number: f"fe80::{number & 65535:x}:{number >> 16:x}"),
        "uuid": HEX.map(lambda number: f"{number:08x}-1c2d-4e3f-8a9b-{number:012x}"),
        "pid": st.integers(1_000_000, 4_000_000).map(str),
    }
)
# Where a kernel prints such things; $NAME stands for one of them.
LOCK = " #0: $address (&dev->lock){+.+.}-{3:3}, at: nic_poll+0x31/0x140 [nic]"
TEMPLATES = (
    LOCK,
    "BUG: KASAN: slab-use-after-free in nic_poll+0x5d/0x140 [nic]",
    "Read of size 8 at addr $address by task $comm/$pid",
    "CPU: 1 UID: 1000 PID: $pid Comm: $comm Tainted: G        W  OE      6.12.4-amd64 #1 Debian",
    "CPU: 1 PID: $pid Comm: $comm Not tainted 6.12.4 #1 ($user@$host) SMP",
    "Hardware name: Example Rack 12/$uuid, BIOS 2.4 03/14/2025",
    "Hardware name: Example $host/R12, BIOS 2.4 03/14/2025",
    "Hardware name: Example Rack 12/$serial, BIOS $host.example.org 03/14/2025",
    "Hardware name: Example Rack 12, Serial $serial of $host, BIOS $host.example.org",
    "BUG: Bad page state in process [$comm]  pfn:12345",
    "BUG: Bad page state in process my $comm size  pfn:12345",
    "WARNING: nic [$host] is stuck at [$user] [$comm]",
    "RIP: 0010:nic_poll+0x5d/0x140 [nic]",
    "RIP: 0010:0x$address",
    "RIP: 0033:0x7f2b$short",
    "Code: 48 c7 c7 40 1e 2f 9a <0f> 0b",
    "RSP: 0018:$address EFLAGS: 00010246",
    "RAX: $address RBX: $address RCX: 0000000000000000",
    "EAX: $short EBX: $short",
    "CR2: $address CR3: 000000010a2b4000 CR4: 00000000003506f0",
    "FS:  $address(0000) GS:$address(0000) knlGS:0000000000000000",
    "Call Trace:",
    " nic_poll+0x5d/0x140 [nic]",
    " ? 0x$address",
    " [<$address>] nic_poll+0x5d/0x140 [nic]",
    " [<$address>] 0x$address",
    "Stack: $address $address",
    "Modules linked in: nic(OE+) e1000 xfs [last unloaded: old]",
    "Modules linked in: nic $mac",
    "Modules linked in: nic [last unloaded: $mac $ip6]",
    "Workqueue: events $address",
    "Workqueue: events nic_work [$address]",
    "Workqueue: $device-wq nic_work [nic]",
    "Workqueue: kcryptd/$uuid nic_work [nic]",
    "EXT4-fs error (device $device): bad entry in $file",
    "eth0: $mac has $ip and $ip6",
    "Kernel panic - not syncing: VFS: Unable to mount root fs on $device",
    "Kernel panic - not syncing: Requested init $file failed (error -2).",
    "---[ end Kernel panic - not syncing: killed by $user at $ip ]---",
    "---[ end trace $address ]---",
    "Kernel command line: root=UUID=$uuid ip=$ip hostname=$host",
    "INFO: task $comm:$pid blocked for more than 120 seconds.",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [$comm:$pid]",
    "WARNING: CPU: 0 PID: $pid at $file:12 nic_stop+0x1/0x2",
    "WARNING: CPU: 0 PID: $pid at /home/$user/linux-6.12/net/core/dev.c:12 nic_stop+0x1/0x2",
    "kernel BUG at $file:12!",
    "Kernel Offset: 0x1a000000 from 0xffffffff81000000 (relocation range: $address-$address)",
    "1 lock held by $comm/$pid:",
    "BUG: $host $comm $file $uuid",
    "Freed by task $pid:",
    "which belongs to the cache $comm-cache of size 64",
    "refcount_t: $ip; use-after-free.",
    "list_add corruption. next->prev should be prev ($address), but was $address.",
    "$comm[$pid]: segfault at $address ip $address",
    "usb 1-1: SerialNumber: $host",
    "Unable to handle kernel paging request at virtual address $address",
    "Internal error: Oops: 96000045 [#1] SMP $host",
    "general protection fault, probably for non-canonical address 0x$address: 0000 [#1] SMP",
)


HARDWARE = "Rack $uuid $host/$serial, BIOS $ip 03/14/2025"


def filled(template: str, secrets: dict[str, str]) -> str:
    return re.sub(r"\$(\w+?)(?=\b|-wq|-cache)", lambda found: secrets[found[1]], template)


def report_with(lines: list[str], secrets: dict[str, str]) -> Report:
    """A report whose every field has something of a machine."""
    many = " ".join(secrets.values())
    return make_report(
        id=f"{BOOT_ID[:8]}-000005218310-1a2b3c4d",
        title=f"kernel panic: {many} in nic_poll",
        source=Source(secrets["file"], 12),
        at=secrets["comm"],
        host=secrets["host"],
        message=f"refcount_t: {many}",
        boot=Boot(BOOT_ID),
        process=Process(secrets["comm"], int(secrets["pid"]), 1000, 1, many),
        kernel=Kernel(
            "6.12.4", f"#1 {many}", hardware=filled(HARDWARE, secrets), kaslr_offset=many
        ),
        access=Access("read", "kernel", secrets["address"], 8),
        stacks=(*REPORT.stacks, Stack(f"Freed by task {many}", CALL_TRACE.frames)),
        code="48 c7 c7 40 1e 2f 9a",
        locks=(
            filled(" #0: $address (&dev->lock){+.+.}-{3:3}, at: nic_poll+0x31/0x140", secrets),
            many,
        ),
        text=tuple(lines),
        context_before=(many,),
    )


@settings(max_examples=150)
@given(SECRETS, st.lists(st.sampled_from(TEMPLATES), max_size=12), st.text(max_size=30))
def test_nothing_of_the_machine_survives(
    secrets: dict[str, str], templates: list[str], noise: str
) -> None:
    lines = [filled(template, secrets) for template in templates]
    shuffled = [f"{line}{noise}" for line in lines[:2]] + [f"{noise}{line}" for line in lines[:2]]
    shown = encode(make_public(report_with(lines + shuffled, secrets))).decode()
    assert [secret for secret in secrets.values() if secret in shown] == []
    assert BOOT_ID[:8] not in shown
    assert "40 1e 2f 9a" not in shown
    assert "alice" not in shown


@pytest.mark.parametrize(
    ("host", "comm"), [("window", ""), ("window.example.org", ""), ("", "window")]
)
def test_word_that_is_a_name_is_left_out(host: str, comm: str) -> None:
    report = make_report(
        host=host,
        process=Process(comm),
        title="BUG: window is missing",
        message="failed to start Window. window_poll() failed",
        text=("BUG: window is missing", " window+0x1/0x2", " nic_window+0x1/0x2"),
    )
    public = make_public(report)
    assert public.title == "BUG: ... is missing"
    assert public.message == "failed to start ... window_poll() failed"
    assert public.text == ("BUG: ... is missing", " window+0x1/0x2", " nic_window+0x1/0x2")
    other = make_public(make_report(title="BUG: window is missing"))
    assert other.title == "BUG: window is missing"


def test_every_template_is_tried_at_least_once() -> None:
    secrets = {name: f"zq{name}" for name in ("host", "comm", "user", "file", "device")}
    secrets |= {"address": "ffff8881054c0d40", "short": "c010b860", "pid": "4711"}
    secrets |= {"mac": "52:54:00:12:34:56", "ip": "10.1.2.3", "ip6": "fe80::1:2"}
    secrets |= {"uuid": "5f0c9a1e-1c2d-4e3f-8a9b-00000000abcd"}
    secrets |= {"serial": "C02XKJGH5"}
    for template in TEMPLATES:
        shown = public_line(filled(template, secrets), Names(here=frozenset({"zqhost"}))) or ""
        assert [one for one in secrets.values() if one in shown] + ["zq"] * ("zq" in shown) == []


def test_public_report_keeps_what_explains() -> None:
    public = make_public(REPORT)
    for name in ("title", "function", "module", "kind", "fingerprint", "modules", "usec"):
        assert getattr(public, name) == getattr(REPORT, name), name
    assert public.stacks[0] == CALL_TRACE
    assert public.kernel == REPORT.kernel
    assert public.access is not None
    assert (public.access.address_class, public.access.address) == ("kernel", "")
    assert " nic_poll+0x5d/0x140 [nic]" in public.text
    assert public.id == "000005218310-1a2b3c4d"


def test_public_report_is_public_once_more() -> None:
    public = make_public(REPORT)
    again = make_public(public)
    assert again == public


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("BUG: KASAN: use-after-free in nic_poll+0x5d/0x140 [nic]",) * 2,
        (
            "Read of size 8 at addr ffff8881054c0d40 by task a/8",
            "Read of size 8 at addr ... by task ...",
        ),
        (" ? [<ffffffff8119d0a1>] x", None),
        (" [<ffffffff8119d0a1>] ? nic_irq+0x1/0x2 (unreliable)", " ? nic_irq+0x1/0x2 (unreliable)"),
        ("RIP: 0010:nic_poll+0x5d/0x140 [nic]", "RIP: 0010:nic_poll+0x5d/0x140 [nic]"),
        ("pc : nic_poll+0x5d/0x140", "pc: nic_poll+0x5d/0x140"),
        ("RIP: 0033:0x7f2b1c0a3d17", None),
        ("RAX: ffffffffffffffda RBX: 0", None),
        (
            "WARNING: CPU: 3 PID: 812 at /build/x/linux-6.12.4/mm/slub.c:306 kfree+0x1/0x2",
            "WARNING: CPU: 3 at mm/slub.c:306 kfree+0x1/0x2",
        ),
        ("kernel BUG at mm/slub.c:306!", "kernel BUG at mm/slub.c:306"),
        (
            "CPU: 1 PID: 9 Comm: kworker/1:2 Not tainted 6.12.4 #2 SMP PREEMPT_DYNAMIC",
            "CPU: 1 Comm: kworker/1:2 Not tainted 6.12.4 #2 SMP PREEMPT_DYNAMIC",
        ),
        (
            "CPU: 1 PID: 9 Comm: kworker/1:2 Kdump: loaded Not tainted 6.12.4-gdeadbeef0123 #2",
            "CPU: 1 Comm: kworker/1:2 Not tainted 6.12.4-gdeadbeef0123 #2",
        ),
        (
            "CPU: 1 PID: 9 Comm: kworker/1:2 Not tainted 10.0.0.7 #2 alice",
            "CPU: 1 Comm: kworker/1:2 Not tainted ... #2 ...",
        ),
        (
            "CPU: 1 PID: 9 Comm: nicd Tainted: G        W",
            "CPU: 1 Comm: (user process) Tainted: G W",
        ),
        *(
            (line, line)
            for line in (
                "#PF: supervisor read access in kernel mode",
                "#PF: error_code(0x0002) - not-present page",
            )
        ),
        ("Oops: 0002 [#1] PREEMPT SMP NOPTI", "Oops: 0002 [#1] PREEMPT SMP NOPTI"),
        ("Oops: 0002 [#1] SMP alice", "Oops: 0002 [#1] SMP ..."),
        ("Internal error: Oops - BUG: 0 [#1] SMP", "Internal error: Oops - BUG: ... [#1] SMP"),
        ("---[ end trace 0123456789abcdef ]---", "---[ end trace ]---"),
        (
            "INFO: task a:8 blocked for more than 120 seconds.",
            "INFO: task ... blocked for more than 120 seconds.",
        ),
        ("Workqueue: events nic_work [nic]",) * 2,
        ("Workqueue: dm-crypt/sda nic_work", "Workqueue: ... nic_work"),
        ("anything else", None),
    ],
)
def test_line_keeps_only_its_known_parts(line: str, shown: str | None) -> None:
    assert public_line(line, KNOWN) == shown


@pytest.mark.parametrize(
    ("comm", "shown"),
    [
        *((name, name) for name in ("swapper/0", "ksoftirqd/12", "kworker/u8:2", "khugepaged")),
        ("kworker/0:1+events", "kworker/0:1"),
        ("kworker/u9:1H-secret", "kworker/u9:1H"),
        ("kworker/zqsecret", USER_PROCESS),
        ("ksoftirqd/0 zq", USER_PROCESS),
        ("postgres", USER_PROCESS),
        ("", ""),
    ],
)
def test_only_kernel_threads_keep_their_name(comm: str, shown: str) -> None:
    assert public_comm(comm) == shown


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("mm/slub.c", "mm/slub.c"),
        ("../../drivers/net/nic-main.c", "drivers/net/nic-main.c"),
        ("/build/reproducible-path/linux-6.1.192/fs/ext4/inode.c", "fs/ext4/inode.c"),
        ("/home/alice/nic.c", ""),
        ("/srv/net/nic.c", ""),
        ("net/../../etc/passwd.c", ""),
        ("/etc/passwd", ""),
    ],
)
def test_only_paths_in_kernel_sources_remain(path: str, shown: str) -> None:
    assert public_path(path) == shown


def test_version_loses_builder_and_addresses() -> None:
    shown = public_version("#1 SMP Debian 6.12.4-1 (alice@db1) 10.0.0.7")
    assert shown == "#1 SMP Debian 6.12.4-1 ..."


def test_titles_of_all_forms_stay_whole() -> None:
    names = {"function": "nic_poll"}
    titles = {header.title for header in HEADERS if set(named(header.title)) <= set(names)}
    assert len(titles) > 40
    shown = {title: public_words(title.format(**names), KNOWN) for title in titles}
    assert {title: text for title, text in shown.items() if "..." in text} == {}


def named(title: str) -> list[str]:
    """The names in braces: ``BUG: {text}`` has one."""
    return re.findall(r"\{(\w+)\}", title)


def test_words_that_are_unknown_become_dots() -> None:
    assert public_words("BUG: alice and bob in nic_poll", KNOWN) == ("BUG: ... and ... in nic_poll")


RELEASES = {
    "5.9.0-12994-gf9893351acae": True,
    "6.18.0-next-20251204": True,
    "2.6.33.1-19.fc13.x86_64": True,
    "6.8.0-20240305.rc7.git1.570c73d6a3df.300.fc39.s390x": True,
    "10.0.0.7": False,
    "6.1-ffff8881054c0d40": False,
    "5f0c9a1e-1c2d-4e3f-8a9b-00000000abcd": False,
}


@pytest.mark.parametrize("release", RELEASES)
def test_release_stays_unless_it_is_an_address(release: str) -> None:
    assert public_release(release) == (release if RELEASES[release] else "...")


MESSAGES = {
    "refcount_t: addition on 0; use-after-free.": "",
    "Attempted to kill init! exitcode=0x00000009": "",
    "raw_local_irq_restore() called with IRQs enabled": "",
    "shift exponent 64 is too large for 32-bit type 'int'": "",
    "index 5 is out of range for type 'u8 [4]'": "",
    "VFS: Unable to mount root fs on unknown-block(0,0)": "",
    "Out of memory and no killable processes...": "",
    "do not call blocking ops when !TASK_RUNNING; state=1 set at [<ffffffff81094815>] nic_wait+0x75/0xf0": (  # noqa: E501
        "do not call blocking ops when !TASK_RUNNING; state=1 set at ... nic_wait+0x75/0xf0"
    ),
    "sysfs: cannot create duplicate filename '/class/tty/ttyS7'": (
        "sysfs: cannot create duplicate filename ..."
    ),
    "queue of eth7 is stuck, user 1204 pid=1204": "queue of ... is stuck, user ...",
    "exitcode=0xc010b860 on disk ata7 of fileserver": "... on disk ... of ...",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_fixed_texts_of_kernels_stay_readable(message: str) -> None:
    assert public_words(message) == (MESSAGES[message] or message)


def test_no_common_word_could_be_an_address() -> None:
    assert len(COMMON_WORDS) > 2000
    assert [word for word in COMMON_WORDS if re.fullmatch(r"(0x)?[0-9a-f]{6,}", word)] == []
    assert {"alice", "bob", "server", "localhost", "postgres", "bash"} & COMMON_WORDS == set()
