# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a report that anybody may read, as in a mail to a public list.

What stays: title, functions, offsets, modules, places in the kernel's sources, the release, taint,
the model of the hardware, kernel threads. Everything else is left out: addresses and the KASLR
offset, registers, words of the stack, code bytes, host, boot id, processes and users, command
lines, names of files and devices, the lines before the crash.
"""

import re

from msgspec import structs

from klogd_py.record.report import Access, Boot, Frame, Kernel, Module, Process, Report, Stack
from klogd_py.reports.public.public_hardware import public_hardware
from klogd_py.reports.public.public_lines import (
    USER_PROCESS,
    public_comm,
    public_line,
    public_queue,
    public_release,
    public_version,
    public_work,
)
from klogd_py.reports.public.public_words import (
    FUNCTION,
    MODULE_NAME,
    Names,
    public_path,
    public_words,
)

_HELD_LOCK = re.compile(
    r" ?#(?P<number>\d{1,4}): (?:[0-9a-f]{8,16} )?(?P<lock>\([\w&>.*()\[\]-]{1,120}\)\{[^}]{1,16}\}"
    r"(?:-\{\d:\d\})?), at: (?P<place>\S{1,160}(?: \[\S{1,80}\])?)",
    re.ASCII,
)
# The id of a report begins with digits of the id of its boot.
_WITHOUT_BOOT = re.compile(r"\A[0-9a-f]{8}-(?=\d{12}-)")
_MODULE_NAME = re.compile(MODULE_NAME, re.ASCII)
# The class of a lock that is a workqueue: its name may be that of a device.
_QUEUE_LOCK = re.compile(r"\(wq_completion\)([\w&>.*\[\]-]{1,120})", re.ASCII)


def make_public(report: Report) -> Report:
    """Return the report with what anybody may read, and nothing else."""
    names = _names(report)
    source = report.source
    path = public_path(source.file) if source is not None else ""
    lines = (public_line(line, names) for line in report.text)
    return structs.replace(
        report,
        id=_WITHOUT_BOOT.sub("", report.id),
        title=public_words(report.title, names),
        function=_name(report.function),
        module=_module(report.module),
        at=public_words(report.at, names) if report.at else "",
        source=structs.replace(source, file=path) if source is not None and path else None,
        subsystem=report.subsystem if path else "",
        boot=Boot(offset=report.boot.offset),
        host="",
        message=public_words(report.message, names),
        process=_process(report.process),
        kernel=_kernel(report.kernel, names),
        modules=tuple(Module(one.name, one.flags) for one in report.modules if _module(one.name)),
        last_unloaded=tuple(filter(_module, report.last_unloaded)),
        access=_access(report.access),
        stacks=tuple(_stack(stack, names) for stack in report.stacks),
        code="",
        locks=tuple(filter(None, (_lock(line, names) for line in report.locks))),
        text=tuple(line for line in lines if line is not None),
        context_before=(),
    )


def without_hardware(report: Report) -> Report:
    """Return the report without the model of the machine."""
    return structs.replace(
        report,
        kernel=structs.replace(report.kernel, hardware=""),
        text=tuple(line for line in report.text if not line.startswith("Hardware name:")),
    )


def _names(report: Report) -> Names:
    frames = [frame for stack in report.stacks for frame in stack.frames]
    functions = (report.function, *(frame.function for frame in frames))
    modules = (
        *(report.module, *(frame.module for frame in frames)),
        *(*(one.name for one in report.modules), *report.last_unloaded),
    )
    kernel = {*map(_name, functions), *map(_module, modules)} - {""}
    here = {report.host, report.host.partition(".")[0]}
    if public_comm(report.process.comm) == USER_PROCESS:
        here |= {report.process.comm, *report.process.comm.split()}
    return Names(frozenset(kernel), frozenset(name.lower() for name in here if name))


def _name(function: str) -> str:
    return function if FUNCTION.fullmatch(function) else ""


def _module(name: str) -> str:
    return name if _MODULE_NAME.fullmatch(name) else ""


def _process(process: Process) -> Process:
    comm = public_comm(process.comm)
    return Process(
        comm=comm,
        pid=process.pid if comm != USER_PROCESS else None,
        cpu=process.cpu,
        workqueue=public_work(process.workqueue),
    )


def _kernel(kernel: Kernel, names: Names) -> Kernel:
    return structs.replace(
        kernel,
        release=public_release(kernel.release),
        version=public_version(kernel.version),
        preempt=public_version(kernel.preempt),
        hardware=public_hardware(kernel.hardware, names.here),
        kaslr_offset="",
    )


def _access(access: Access | None) -> Access | None:
    return None if access is None else structs.replace(access, address="")


def _stack(stack: Stack, names: Names) -> Stack:
    frames = (_frame(frame) for frame in stack.frames)
    return Stack(public_words(stack.label, names), tuple(one for one in frames if one is not None))


def _frame(frame: Frame) -> Frame | None:
    if not _name(frame.function):
        return None
    path = public_path(frame.file)
    return structs.replace(
        frame, module=_module(frame.module), file=path, line=frame.line if path else 0
    )


def _lock(line: str, names: Names) -> str:
    found = _HELD_LOCK.fullmatch(line)
    if found is None:
        return ""
    lock = _QUEUE_LOCK.sub(_queue_lock, found["lock"])
    return f"#{found['number']}: {lock}, at: {public_words(found['place'], names)}"


def _queue_lock(found: re.Match[str]) -> str:
    return f"(wq_completion){public_queue(found[1])}"
