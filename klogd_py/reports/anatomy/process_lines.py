# SPDX-License-Identifier: GPL-2.0-or-later
r"""Read which process ran, on which kernel and machine.

Forms::

    CPU: 1 UID: 0 PID: 812 Comm: kworker/1:2 Tainted: G W 6.12.0-1-amd64 #1 PREEMPT(full) Debian ..
    Pid: 684, comm: modprobe Not tainted (2.6.27.9-159.fc10.i686 #1)                 until 3.9
    Process modprobe (pid: 684, stack limit = 0x00000000f2d1b3c4)            arm, mips, powerpc
    Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2 04/01/2014
    Workqueue: events nic_reset_work [nic]
    Kernel Offset: 0x33e00000 from 0xffffffff81000000 (relocation range: ..)

Source of truth: lib/dump_stack.c ``dump_stack_print_info``; kernel/panic.c ``print_tainted``.
"""

from msgspec import structs

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.record.report import Kernel, Process
from klogd_py.reports.anatomy.taint import taint_of

_TAINT = r"(?:Not tainted|Tainted: (?P<taint>[A-Z -]{1,60}?))"
_COMM = r"(?P<comm>(?s:.){0,64}?)"
_WHO = lazy_pattern(
    r"[ \t]{0,16}(?:CPU(?:: |#)?(?P<cpu>\d{1,5}):? )?(?:UID: (?P<uid>\d{1,10}) )?"
    rf"P[iI][dD]: (?P<pid>\d{{1,10}}),? [cC]omm: {_COMM} (?:Kdump: loaded )?{_TAINT} {{1,4}}"
    r"\(?(?P<release>\d[\w.+~-]{1,128})(?P<rest>.{0,400})"
)
_WHO_ONLY = lazy_pattern(
    rf"(?:CPU: (?P<cpu>\d{{1,5}}) )?(?:UID: (?P<uid>\d{{1,10}}) )?P[iI][dD]: (?P<pid>\d{{1,10}}),? "
    rf"[cC]omm: {_COMM}(?: (?:Kdump: loaded )?{_TAINT} {{0,4}})?"
)
_CPU = lazy_pattern(r"CPU(?::|#) {0,8}(\d{1,5})\b")
_PROCESS = lazy_pattern(rf"[ \t]{{0,8}}Process {_COMM} \(pid: (?P<pid>\d{{1,10}})\b")
# What the first line, or the one below it, says of the task
_TASKS = (
    lazy_pattern(rf".{{0,120}} by task {_COMM}/(?P<pid>\d{{1,10}})\b"),
    lazy_pattern(rf"(?:.{{0,20}}: )?INFO: task {_COMM}:(?P<pid>\d{{1,10}}) "),
    lazy_pattern(
        rf".{{0,30}}BUG: soft lockup - CPU#(?P<cpu>\d{{1,5}}) .{{0,40}}\[{_COMM}:(?P<pid>\d{{1,10}})\]"  # noqa: E501
    ),
    lazy_pattern(rf"BUG: scheduling while atomic: {_COMM}/(?P<pid>\d{{1,10}})/0x"),
    lazy_pattern(
        rf"BUG: using .{{1,60}} in preemptible .{{0,24}}code: {_COMM}/(?P<pid>\d{{1,10}})"
    ),
    lazy_pattern(
        rf"WARNING: .{{1,600}}, CPU#(?P<cpu>\d{{1,5}}): {_COMM}/(?P<pid>\d{{1,10}})[ \t]*$"
    ),
    lazy_pattern(r"WARNING: CPU: (?P<cpu>\d{1,5}) PID: (?P<pid>\d{1,10}) at (?P<comm>)"),
    lazy_pattern(r"(?P<comm>)(?P<pid>)Watchdog detected hard LOCKUP on cpu (?P<cpu>\d{1,5})"),
)
_RELEASE_TAINT = lazy_pattern(
    r"[ \t]{0,16}(?:(?P<release>\d+\.\d[\w.+~-]{1,128}) #(?P<number>\S{1,64}) )?"
    r"(?:Not tainted|Tainted: (?P<taint>[A-Z -]{0,59}[A-Z](?![a-z])))(?: {1,8}(?P<behind>\d+\.\d[\w.+~-]{1,128}) (?P<rest>#.{0,300}))?"  # noqa: E501
)
_BUILD_ID = lazy_pattern(r" ([0-9a-f]{40})\)?$")
_PREEMPT = lazy_pattern(r"(?: |^)(PREEMPT(?:_[A-Z]+|\([a-z_]+\))?|voluntary|NONE)(?= |$)")
_HARDWARE = lazy_pattern(r"Hardware name: (.{1,200})")
_WORKQUEUE = lazy_pattern(r"Workqueue: (.{1,200})")
_KASLR_OFFSET = lazy_pattern(r"Kernel Offset: (0x[0-9a-f]{1,16})(?: |$)")
_TOLD_BY_CPU = ("CPU", "Pid: ", "PID: ")


class ProcessReader:
    """What one report says of process and kernel. Mutable; what is stated first counts."""

    def __init__(self) -> None:
        self.process = Process()
        self.kernel = Kernel()
        self._has_who = False

    def read_line(self, text: str) -> bool:
        """Take a line; ``False`` if it says nothing of these."""
        if "omm: " in text and not self._has_who:
            return self._read_who(text)
        if "ainted" in text:
            return self._read_taint(text)
        if text.startswith("Hardware name: ") or "Hardware name: " in text[:40]:
            return self._read_hardware(text)
        if "Workqueue: " in text[:20]:
            return self._read_workqueue(text)
        if "Kernel Offset: " in text[:20]:
            found = _KASLR_OFFSET.search(text)
            if found is not None:
                self.kernel = structs.replace(self.kernel, kaslr_offset=found[1])
            return True
        if "Process " in text[:16]:
            return self._read_process(text)
        if text.startswith("CPU:") and self.process.cpu is None:
            found = _CPU.match(text)
            if found is not None:
                self.process = structs.replace(self.process, cpu=int(found[1]))
            return found is not None
        return False

    def read_header(self, text: str) -> None:
        """Take the task that a header names: ``INFO: task modprobe:684 blocked for ..``."""
        if self.process.pid is not None:
            return
        for form in _TASKS:
            found = form.match(text)
            if found is not None:
                cpu = found.groupdict().get("cpu")
                self.process = structs.replace(
                    self.process,
                    comm=found["comm"],
                    pid=int(found["pid"]) if found["pid"] else None,
                    cpu=None if cpu is None else int(cpu),
                )
                return

    def _read_who(self, text: str) -> bool:
        start = max(
            0, min((at for mark in _TOLD_BY_CPU if (at := text.find(mark)) >= 0), default=0)
        )
        found = _WHO.match(text, start) or _WHO_ONLY.match(text, start)
        if found is None:
            return False
        cpu, uid = found["cpu"], found["uid"]
        self._has_who = True
        self.process = Process(
            found["comm"],
            int(found["pid"]),
            None if uid is None else int(uid),
            self.process.cpu if cpu is None else int(cpu),
            self.process.workqueue,
        )
        self.kernel = structs.replace(self.kernel, taint=taint_of(found["taint"] or ""))
        groups = found.groupdict()
        if groups.get("release") is not None:
            self._read_version(groups["release"], groups["rest"])
        return True

    def _read_version(self, release: str, rest: str) -> None:
        rest = " ".join(rest.split())
        while rest.endswith(")") and rest.count(")") > rest.count("("):
            # It closes the bracket before the release.
            rest = rest[:-1].rstrip()
        build_id = _BUILD_ID.search(rest)
        if build_id is not None:
            rest = rest[: build_id.start()]
        preempt = _PREEMPT.search(rest)
        self.kernel = structs.replace(
            self.kernel,
            release=release.rstrip("."),
            version=rest,
            build_id="" if build_id is None else build_id[1],
            preempt="" if preempt is None else preempt[1],
        )

    def _read_taint(self, text: str) -> bool:
        """Read ``4.15.0+ #221 Not tainted`` of lockdep, ``      Not tainted 4.13.0 #4`` of others."""  # noqa: E501
        found = _RELEASE_TAINT.match(text)
        if found is None or self.kernel.release:
            return False
        self.kernel = structs.replace(self.kernel, taint=taint_of(found["taint"] or ""))
        if found["release"] is not None:
            self._read_version(found["release"], f"#{found['number']}")
        elif found["behind"] is not None:
            self._read_version(found["behind"], found["rest"])
        return True

    def _read_hardware(self, text: str) -> bool:
        found = _HARDWARE.search(text)
        if found is not None and not self.kernel.hardware:
            self.kernel = structs.replace(self.kernel, hardware=found[1].strip())
        return True

    def _read_workqueue(self, text: str) -> bool:
        found = _WORKQUEUE.search(text)
        if found is not None and not self.process.workqueue:
            self.process = structs.replace(self.process, workqueue=found[1].strip())
        return True

    def _read_process(self, text: str) -> bool:
        found = _PROCESS.match(text)
        if found is None:
            return False
        if self.process.pid is None:
            comm, pid = found["comm"], int(found["pid"])
            self.process = structs.replace(self.process, comm=comm, pid=pid)
        return True
