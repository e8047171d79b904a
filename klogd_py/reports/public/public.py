# SPDX-License-Identifier: GPL-2.0-or-later
"""Make a report that anybody may read, as in a mail to a public list.

What stays: title, functions, offsets, modules, places in the kernel's sources, the release, taint,
the model of the hardware, kernel threads. Everything else is left out: addresses and the KASLR
offset, registers, words of the stack, code bytes, host, boot id, processes and users, command
lines, names of files and devices, the lines before the crash.
"""

import re
from collections.abc import Collection

from msgspec import structs

from klogd_py.record.report import Access, Boot, Frame, Kernel, Module, Process, Report, Stack
from klogd_py.reports.public.common_words import COMMON_WORDS
from klogd_py.reports.public.public_lines import (
    USER_PROCESS,
    public_comm,
    public_hardware,
    public_line,
    public_queue,
    public_release,
    public_version,
)
from klogd_py.reports.public.public_words import (
    FUNCTION,
    KERNEL_WORDS,
    LEFT_OUT,
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
_MODULE_NAME = re.compile(r"(?![0-9a-fA-F]{8,}\b)[A-Za-z_][\w-]{0,63}", re.ASCII)


def make_public(report: Report) -> Report:
    """Return the report with what anybody may read, and nothing else."""
    report = _without_own_words(report)
    known = _known_names(report)
    frames = [frame for stack in report.stacks for frame in stack.frames]
    known |= {name for frame in frames for name in (_name(frame.function), _module(frame.module))}
    known.discard("")
    source = report.source
    path = public_path(source.file) if source is not None else ""
    lines = (public_line(line, known) for line in report.text)
    return structs.replace(
        report,
        id=_WITHOUT_BOOT.sub("", report.id),
        title=public_words(report.title, known),
        function=_name(report.function),
        module=_module(report.module),
        at=public_words(report.at, known) if report.at else "",
        source=structs.replace(source, file=path) if source is not None and path else None,
        subsystem=report.subsystem if path else "",
        boot=Boot(offset=report.boot.offset),
        host="",
        message=public_words(report.message, known),
        process=_process(report.process),
        kernel=_kernel(report.kernel),
        modules=tuple(Module(one.name, one.flags) for one in report.modules if _module(one.name)),
        last_unloaded=tuple(filter(_module, report.last_unloaded)),
        access=_access(report.access),
        stacks=tuple(_stack(stack, known) for stack in report.stacks),
        code="",
        locks=tuple(filter(None, (_lock(line, known) for line in report.locks))),
        text=tuple(line for line in lines if line is not None),
        context_before=(),
    )


def _without_own_words(report: Report) -> Report:
    """Return the report without the words that are names here: a host or a process called "window".

    Those of the kernel's own messages stay, where a gap would tell as much.
    """
    names = [report.host, report.host.partition(".")[0]]
    if public_comm(report.process.comm) == USER_PROCESS:
        names.append(report.process.comm)
    words = [name for name in names if name.lower() in COMMON_WORDS - KERNEL_WORDS]
    if not words:
        return report
    either = "|".join(map(re.escape, words))
    # Neither a part of a path nor a function
    own = re.compile(rf"(?<![\w/.-])(?:{either})\.?(?![\w/+-])", re.IGNORECASE)
    return structs.replace(
        report,
        title=own.sub(LEFT_OUT, report.title),
        message=own.sub(LEFT_OUT, report.message),
        text=tuple(own.sub(LEFT_OUT, line) for line in report.text),
    )


def _known_names(report: Report) -> set[str]:
    return {_name(report.function), _module(report.module)}


def _name(function: str) -> str:
    return function if FUNCTION.fullmatch(function) else ""


def _module(name: str) -> str:
    return name if _MODULE_NAME.fullmatch(name) else ""


def _process(process: Process) -> Process:
    comm = public_comm(process.comm)
    queue, _, function = process.workqueue.partition(" ")
    shown = f"{public_queue(queue)} {_name(function)}".rstrip() if queue else ""
    return Process(
        comm=comm,
        pid=process.pid if comm != USER_PROCESS else None,
        cpu=process.cpu,
        workqueue=shown,
    )


def _kernel(kernel: Kernel) -> Kernel:
    return structs.replace(
        kernel,
        release=public_release(kernel.release),
        version=public_version(kernel.version),
        preempt=public_version(kernel.preempt),
        hardware=public_hardware(kernel.hardware),
        kaslr_offset="",
    )


def _access(access: Access | None) -> Access | None:
    return None if access is None else structs.replace(access, address="")


def _stack(stack: Stack, known: Collection[str]) -> Stack:
    frames = (_frame(frame) for frame in stack.frames)
    return Stack(public_words(stack.label, known), tuple(one for one in frames if one is not None))


def _frame(frame: Frame) -> Frame | None:
    if not _name(frame.function):
        return None
    path = public_path(frame.file)
    return structs.replace(
        frame, module=_module(frame.module), file=path, line=frame.line if path else 0
    )


def _lock(line: str, known: Collection[str]) -> str:
    found = _HELD_LOCK.fullmatch(line)
    if found is None:
        return ""
    return f"#{found['number']}: {found['lock']}, at: {public_words(found['place'], known)}"
