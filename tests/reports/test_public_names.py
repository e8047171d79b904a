# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of processes, hosts, modules and machines in public reports, whatever words they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klogd_py.record.report import Kernel, Module, Process, Stack
from klogd_py.reports.public.process_places import without_process_names
from klogd_py.reports.public.public import make_public, without_hardware
from klogd_py.reports.public.public_hardware import public_hardware
from klogd_py.reports.public.public_lines import public_line, public_work
from klogd_py.reports.public.public_words import VOCABULARY, Names, public_words
from tests.reports_made import REPORT, make_report

# Where a kernel prints the name of a process, and what a public report has of that.
PLACES = {
    "BUG: Bad page state in process $  pfn:12345": "BUG: Bad page state in process ...",
    "BUG: Bad page map in process $  pte:8000 pmd:12": "BUG: Bad page map in process ...",
    "BUG: Bad page state in process $": "BUG: Bad page state in process ...",
    "INFO: task $:812 blocked for more than 120 seconds.": (
        "INFO: task ... blocked for more than 120 seconds."
    ),
    "INFO: task $:812 is blocked on a mutex likely owned by task $:9.": (
        "INFO: task ... is blocked on a mutex likely owned by task ..."
    ),
    "INFO: task $:812 can't die for more than 143 seconds.": (
        "INFO: task ... can't die for more than 143 seconds."
    ),
    "INFO: task $:812": "INFO: task ...",
    "INFO: task $": "INFO: task ...",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [$:812]": (
        "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! ..."
    ),
    "BUG: soft lockup - CPU#1 stuck for 22s! [$": "BUG: soft lockup - CPU#1 stuck for 22s! ...",
    "INFO: queue is stuck [$:812]": "INFO: queue is stuck ...",
    "BUG: scheduling while atomic: $/812/0x00000002": "BUG: scheduling while atomic: ...",
    "BUG: workqueue leaked lock or atomic: $/0x00000001/55": (
        "BUG: workqueue leaked lock or atomic: ..."
    ),
    "BUG: using smp_processor_id() in preemptible [00000000] code: $/812": (
        "BUG: using smp_processor_id() in preemptible ... code: ..."
    ),
    "Read of size 8 at addr ffff8881054c0d40 by task $/812": (
        "Read of size 8 at addr ... by task ..."
    ),
    "The buggy address belongs to stack of task $/812": (
        "The buggy address belongs to stack of task ..."
    ),
    "BUG: Bad rss-counter state mm:12 type:MM_FILEPAGES val:1 Comm:$ Pid:812": (
        "BUG: Bad rss-counter state ... Comm:... ..."
    ),
    "INFO: inode #2: comm $: reading directory": "INFO: inode ... comm ...: reading directory",
    "WARNING: $/812 still has locks held!": "WARNING: ... still has locks held!",
    "BUG: spinlock bad magic on CPU#0, $/812": "BUG: spinlock bad magic on CPU#0, ...",
    "WARNING: net/core/dev.c:12 at nic_stop+0x1/0x2, CPU#1: $/812": (
        "WARNING: net/core/dev.c:12 at nic_stop+0x1/0x2, CPU#1: ..."
    ),
    "WARNING: kernel stack regs at ffff888100a1b2c8 in $:812 has bad 'bp' value": (
        "WARNING: kernel stack regs at ... in ... has bad ... value"
    ),
    "WARNING: process '$' is stuck": "WARNING: process ... is stuck",
    "INFO: Killed process 812 ($) by signal": "INFO: killed process ... by signal",
    "CPU: 1 PID: 812 Comm: $ Not tainted 6.12.4 #1": (
        "CPU: 1 Comm: (user process) Not tainted 6.12.4 #1"
    ),
}
# Not those with which a kernel thread begins
COMMS = st.lists(st.sampled_from(sorted(VOCABULARY)), min_size=1, max_size=3).map(
    lambda words: " ".join(words)[:15].rstrip()
)


@pytest.mark.parametrize(
    "comm",
    [
        "zqname",
        "node",
        "max will",
        "is: bad",
        "[bob]",
        "worker/0",
        "a:1 task",
        "comm 0x0",
        "in process",
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_place_tells_no_process_of_any_name(place: str, comm: str) -> None:
    shown = public_line(place.replace("$", comm)) or ""
    assert shown.lower() == PLACES[place].lower()
    assert (public_line(shown) or shown) == shown


@settings(max_examples=300)
@given(st.sampled_from(sorted(PLACES)), COMMS)
def test_word_of_kernels_is_hidden_as_process(place: str, comm: str) -> None:
    other = public_line(place.replace("$", "zqname"))
    assert comm == "writeback" or public_line(place.replace("$", comm)) == other


def test_title_message_and_label_tell_no_process() -> None:
    public = make_public(
        make_report(
            process=Process("node", 812),
            title="BUG: Bad page map in process node  pte:NUM",
            message="refcount is bad\nBUG: scheduling while atomic: node/812/0x2\nnode is stuck",
            stacks=(Stack("read to 0x1 of 8 bytes by task node/812"),),
            text=("---[ end Kernel panic - not syncing: task node/812 ]---",),
        )
    )
    assert public.title == "BUG: Bad page map in process ..."
    assert public.message == "refcount is bad BUG: scheduling while atomic: ... node is stuck"
    assert public.stacks[0].label == "read to ... of 8 bytes by task ..."
    assert public.text == ("---[ end Kernel panic - not syncing: task ... ]---",)


@pytest.mark.parametrize(
    "text",
    [
        "INFO: task hung in nic_poll",
        "INFO: task can't die in nic_poll",
        "INFO: task hung",
        "kernel panic: hung_task: blocked tasks",
        "BUG: sleeping function called in process context",
        "WARNING: still has locks held in nic_poll",
        "BUG: scheduling while atomic in nic_poll",
        "Freed by task 790:",
        "write to 0x1 of 8 bytes by task 812 on cpu 1:",
    ],
)
def test_text_without_a_process_stays_whole(text: str) -> None:
    assert without_process_names(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nic [alice-laptop] stuck", "nic ... stuck"),
        ("nic_poll+0x5d/0x140 [alice] stuck", "nic_poll+0x5d/0x140 [alice] stuck"),
        ("nic_poll+0x5d/0x140, [alice] stuck", "nic_poll+0x5d/0x140, ... stuck"),
        ("at nic_poll [nic]: stuck", "at nic_poll [nic]: stuck"),
        ("driver [e1000] is stuck", "driver [e1000] is stuck"),
        ("driver [loop] is stuck", "driver [loop] is stuck"),
        ("driver [xfs2] is stuck", "driver ... is stuck"),
    ],
)
def test_word_in_brackets_is_a_known_module(text: str, shown: str) -> None:
    report = make_report(
        host="alice-laptop", message=text, modules=(Module("e1000"),), last_unloaded=("loop",)
    )
    assert make_public(report).message == shown


@pytest.mark.parametrize(
    ("work", "shown"),
    [
        ("events nic_work [nic]", "events nic_work [nic]"),
        ("events nic_work", "events nic_work"),
        ("events nic_work [nic 852e63996474]", "events nic_work [nic 852e63996474]"),
        ("writeback wb_workfn (flush-8:0)", "writeback wb_workfn ..."),
        ("events ffff888012345678", "events ..."),
        ("events 0xffff888012345678", "events ..."),
        ("events nic_work [ffff888012345678]", "events ..."),
        ("events alice bob", "events ..."),
        ("dm-crypt/sda nic_work", "... nic_work"),
        ("events", "events"),
        ("", ""),
    ],
)
def test_workqueue_shows_no_address_or_device(work: str, shown: str) -> None:
    assert public_work(work) == shown
    assert make_public(make_report(process=Process(workqueue=work))).process.workqueue == shown
    line = public_line(f"Workqueue: {work}")
    assert line == (f"Workqueue: {shown}" if work else None)


@pytest.mark.parametrize("word", ["aa:bb:cc:dd:ee:ff", "10", "fe80::1", "aa-bb-cc-dd-ee-ff"])
@pytest.mark.parametrize("form", ["nic [last unloaded: {}]", "nic [last unloaded: old {}]", "{}"])
def test_list_of_modules_has_no_address(word: str, form: str) -> None:
    assert public_line("Modules linked in: nic [last unloaded: old(O)]") is not None
    assert public_line(f"Modules linked in: {form.format(word)}") is None


def test_lock_of_a_workqueue_names_no_device() -> None:
    lock = "#0: ffff888100a1b2c8 ((wq_completion){}){{+.+.}}-{{0:0}}, at: nic_poll+0x31/0x140"
    report = make_report(locks=(lock.format("events"), lock.format("wg-crypt-alice")))
    assert make_public(report).locks == (
        "#0: ((wq_completion)events){+.+.}-{0:0}, at: nic_poll+0x31/0x140",
        "#0: ((wq_completion)...){+.+.}-{0:0}, at: nic_poll+0x31/0x140",
    )


HARDWARE = {
    "Google Google Compute Engine/Google Compute Engine, BIOS Google 01/01/2011": "",
    "QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.9.3-20161025_171302-gandalf 04/01/2014": "",
    "Supermicro SYS-5019S-ML/X11SSH-F, BIOS 2.0b 07/27/2017": "",
    "HPE Apollo 70 /C01_APACHE_MB , BIOS L50_5.13_1.16 07/29/2020": (
        "HPE Apollo 70 /C01_APACHE_MB, BIOS L50_5.13_1.16 07/29/2020"
    ),
    "Gigabyte Technology Co., Ltd. P35-DS3L/P35-DS3L, BIOS F3 07/12/2007": "",
    "Khadas VIM3 (DT)": "",
    "linux,dummy-virt (DT)": "",
    "NXP Layerscape LX2160ARDB (DT)": "",
    "IBM,9009-22G POWER9 (architected) 0x4e0203 0xf000005 of:IBM,FW950.11 (VL950_075)": "",
    "IBM 3931 A01 704 (z/VM 7.4.0)": "",
    "Dell Inc. XPS/12345, BIOS": "Dell Inc. XPS/12345, BIOS ...",
    "Dell Inc. XPS/0X, BIOS 1.2 pc.example.org": "Dell Inc. XPS/0X, BIOS ...",
    "Dell Inc. XPS/0X, BIOS pc.example.org 03/14/2025": "Dell Inc. XPS/0X, BIOS ... 03/14/2025",
    "Dell Inc. XPS C02XKJGH5/0X, BIOS 1 03/14/2025": "Dell Inc. XPS .../0X, BIOS 1 03/14/2025",
    "Dell Inc. XPS Serial X1, Bob, BIOS 1 03/14/2025": "Dell Inc. XPS ..., BIOS 1 03/14/2025",
    "Dell Inc. XPS SN: X1/0X, BIOS 1 03/14/2025": "Dell Inc. XPS ..., BIOS 1 03/14/2025",
    "Dell bob@example.org XPS 52:54:00:12:34:56": "Dell ... XPS ...",
    "Dell rack7.example.org 10.0.0.7/R12": "Dell ... .../R12",
    "Dell Rack7/RACK7 (rack7)": "Dell ...",
}


@pytest.mark.parametrize("name", HARDWARE)
def test_hardware_is_model_and_bios_only(name: str) -> None:
    shown = public_hardware(name, {"rack7"})
    assert shown == (HARDWARE[name] or name)
    assert public_hardware(shown) == shown


def test_hardware_named_as_host_is_hidden() -> None:
    name = "Example Rack7/R12, BIOS 2.4 03/14/2025"
    report = make_report(
        host="rack7.example.org", kernel=Kernel(hardware=name), text=(f"Hardware name: {name}",)
    )
    public = make_public(report)
    assert public.kernel.hardware == "Example .../R12, BIOS 2.4 03/14/2025"
    assert public.text == ("Hardware name: Example .../R12, BIOS 2.4 03/14/2025",)


def test_report_without_hardware_has_no_model() -> None:
    assert REPORT.kernel.hardware
    shown = without_hardware(make_public(REPORT))
    assert shown.kernel.hardware == ""
    assert [line for line in shown.text if "Rack" in line or "Hardware" in line] == []
    assert len(shown.text) == len(make_public(REPORT).text) - 1


def test_own_word_hides_unless_kernels_say_it() -> None:
    names = Names(here=frozenset({"window", "page"}))
    assert public_words("the Window. of a page", names) == "the ... of a page"
