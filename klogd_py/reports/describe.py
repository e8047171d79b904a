# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the report of the lines of a crash. Pure; 1 ms of a processor for 60 lines."""

from datetime import UTC, datetime

from msgspec import structs

from klogd_py.record.report import (
    Boot,
    Confidence,
    Frame,
    Origin,
    Report,
    Span,
    Stack,
)
from klogd_py.reports import identity, titles
from klogd_py.reports.anatomy.anatomy import Anatomy, read_anatomy
from klogd_py.reports.anatomy.stacks import TracedStack
from klogd_py.reports.blame.blame import Blame, find_blame
from klogd_py.reports.blame.demangle import demangle, readable_name
from klogd_py.reports.blame.noise import is_noise
from klogd_py.reports.blame.program_counter_frame import stacks_with_counter
from klogd_py.reports.confidence import doubts_of
from klogd_py.reports.detection import headers
from klogd_py.reports.fingerprint import fingerprint_of
from klogd_py.reports.raw_report import RawReport
from klogd_py.reports.subsystem import subsystem_of


def describe(
    raw: RawReport,
    *,
    boot_id: str = "",
    boot_offset: int = 0,
    origin: Origin = Origin.KMSG,
    host: str = "",
) -> Report:
    """Return the report of a crash; ``boot_id`` and ``host`` where the lines do not state them."""
    machine = raw.header.record.machine
    if machine is not None:
        boot_id, host = machine.boot_id or boot_id, machine.host or host
    anatomy = read_anatomy(raw)
    return structs.replace(
        _concluded(raw, anatomy, boot_id),
        boot=Boot(boot_id, boot_offset),
        origin=origin,
        host=host,
        source=anatomy.source,
        message=anatomy.message,
        process=anatomy.process,
        kernel=anatomy.kernel,
        modules=anatomy.modules,
        last_unloaded=anatomy.last_unloaded,
        access=anatomy.access,
        stacks=tuple(map(_stack, stacks_with_counter(anatomy))),
        code=anatomy.code,
        locks=anatomy.locks,
    )


def _concluded(raw: RawReport, anatomy: Anatomy, boot_id: str) -> Report:
    """Return the report with what is concluded from the facts, and its lines."""
    blame = find_blame(raw.kind, anatomy)
    template = titles.template_of(raw)
    doubts = doubts_of(raw, anatomy, blame, wants_function=titles.wants_function(template))
    facts = headers.facts_of(raw.kind)
    return Report(
        id=identity.id_of(raw, boot_id),
        kind=raw.kind.value,
        title=titles.fill(template, blame.function),
        severity=facts.severity,
        fingerprint=fingerprint_of(template, facts.crash_class, blame, anatomy),
        crash_class=facts.crash_class,
        function=blame.function,
        module=blame.module,
        at=blame.at,
        subsystem=_subsystem(anatomy, blame),
        confidence=Confidence.LOW if doubts else Confidence.HIGH,
        doubts=doubts,
        first_seen=_iso(raw.lines[0].wall_us),
        last_seen=_iso(raw.lines[-1].wall_us),
        seq=_span([line.record.seq for line in raw.lines]),
        usec=_span([line.record.usec for line in raw.lines]),
        panicked=raw.panicked,
        after_oops=raw.after_oops,
        truncated=raw.truncated,
        text=tuple(line.text for line in raw.lines),
        context_before=tuple(line.text for line in raw.context),
    )


def _subsystem(anatomy: Anatomy, blame: Blame) -> str:
    """Return the part of the kernel that the function to blame is in, where its file is known.

    The header names the file of the function that has found the crash, which may be another one.
    """
    for stack in anatomy.stacks:
        for frame in stack.frames:
            if frame.file and readable_name(frame.function) == blame.function:
                return subsystem_of(frame.file)
    finders = (*anatomy.header.functions[:1], *([anatomy.counter] if anatomy.counter else ()))
    is_finder = any(readable_name(frame.function) == blame.function for frame in finders)
    if anatomy.source is None or not (is_finder or not finders):
        return ""
    return subsystem_of(anatomy.source.file)


def _stack(stack: TracedStack) -> Stack:
    """Return a stack with readable names, and its noise marked."""
    return Stack(stack.about or stack.label, tuple(map(_shown, stack.frames)))


def _shown(frame: Frame) -> Frame:
    name = frame.function
    return Frame(
        demangle(name) if name.startswith(("_R", "_Z")) else name,
        frame.offset,
        frame.size,
        frame.module,
        frame.build_id,
        frame.reliable,
        is_noise(name),
        frame.file,
        frame.line,
    )


def _span(numbers: list[int | None]) -> Span | None:
    known = [number for number in numbers if number is not None]
    return Span(min(known), max(known)) if known else None


def _iso(wall_us: int) -> str:
    moment = datetime.fromtimestamp(wall_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_us % 1_000_000:06d}Z"
