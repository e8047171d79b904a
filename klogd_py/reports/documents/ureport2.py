# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a report as a uReport of version 2, which the servers of ABRT (faf) take.

Such a report is public by definition, so it is made of the public form. Addresses are 0: they
differ in each boot, and would make each occurrence another problem.

Source of truth: faf, src/pyfaf/ureport.py ``UREPORT_CHECKER`` and
src/pyfaf/problemtypes/kerneloops.py; the names of the taint flags are those of the latter.
"""

import re

from msgspec import Struct

from klogd_py.record.report import Frame, Report, Stack
from klogd_py.reports.blame.demangle import readable_name
from klogd_py.reports.public.public import make_public

_MAX_REASON = 512
_MAX_OOPS = 1 << 16
_MAX_NAME = 256
_TAINT_FLAGS = {
    "P": "module_proprietary",
    "F": "forced_module",
    "S": "smp_unsafe",
    "R": "forced_removal",
    "M": "mce",
    "B": "page_release",
    "U": "userspace",
    "D": "died_recently",
    "A": "acpi_overridden",
    "W": "warning",
    "C": "staging_driver",
    "I": "firmware_workaround",
    "O": "module_out_of_tree",
    "E": "unsigned_module",
    "L": "soft_lockup",
    "K": "live_patch",
}
_MODULE_FLAGS = re.compile(r"[A-Z+-]{1,16}", re.ASCII)
# As faf has it: one more character is no suffix, as in "4.16.0+".
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}(?:[^\s-]{2,60})?(?:-\S{1,120})?", re.ASCII)
_PLAIN_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}", re.ASCII)
_NO_VERSION = "0.0.0"
_NO_WORD = re.compile(r"[^a-zA-Z0-9_]")
_NO_NAME = re.compile(r"[^a-zA-Z0-9_.]")
# What faf itself puts where a frame has no name
_NO_FUNCTION = "_unknown_"


class OperatingSystem(Struct, frozen=True):
    """The system that the kernel ran: ``fedora``, ``41``, as in os-release(5)."""

    name: str = "linux"
    version: str = "unknown"


def ureport2(report: Report, system: OperatingSystem, version: str) -> dict[str, object]:
    """Return the document of a report; ``version`` is that of klogd-py.

    The document has at least one frame, as it must.
    """
    public = make_public(report)
    kernel = public.kernel
    release = _release(kernel.release)
    arch = _NO_WORD.sub("_", kernel.arch) or "noarch"
    problem = {
        "type": "kerneloops",
        "component": "kernel",
        "version": release,
        "taint_flags": [_TAINT_FLAGS[one] for one in kernel.taint.letters if one in _TAINT_FLAGS],
        "modules": [_module(module.name, module.flags) for module in public.modules],
        "frames": _frames(_main_stack(public)) or [_frame(Frame(_NO_FUNCTION, reliable=False))],
        "raw_oops": "\n".join(public.text)[:_MAX_OOPS],
    }
    return {
        "ureport_version": 2,
        "reason": public.title[:_MAX_REASON] or public.kind,
        "reporter": {"name": "klogd py", "version": version},
        "os": {
            "name": _NO_NAME.sub("_", system.name.lower()),
            "version": _NO_NAME.sub("_", system.version),
            "architecture": arch,
        },
        "problem": problem,
        "packages": [_package(release, arch)],
    }


def _release(text: str) -> str:
    """Return the release of a kernel, or as much of it as faf accepts."""
    if _VERSION.fullmatch(text):
        return text
    found = _PLAIN_VERSION.match(text)
    return found[0] if found is not None else _NO_VERSION


def _package(release: str, arch: str) -> dict[str, object]:
    """Return the package of a kernel: ``6.12.4-200.fc41.x86_64`` is version and release."""
    version, _, rest = release.partition("-")
    return {
        "name": "kernel",
        "epoch": 0,
        "version": _NO_NAME.sub("_", version),
        "release": _NO_NAME.sub("_", rest.removesuffix(f".{arch}")) or "0",
        "architecture": arch,
        "package_role": "affected",
    }


def _main_stack(report: Report) -> Stack:
    """Return the first stack with the function to blame, or the first one."""
    for stack in report.stacks:
        if any(readable_name(frame.function) == report.function for frame in stack.frames):
            return stack
    return report.stacks[0] if report.stacks else Stack("")


def _frames(stack: Stack) -> list[dict[str, object]]:
    return [_frame(frame) for frame in stack.frames]


def _frame(frame: Frame) -> dict[str, object]:
    document: dict[str, object] = {
        "address": 0,
        "reliable": frame.reliable,
        "function_name": _NO_NAME.sub("_", frame.function)[:_MAX_NAME] or _NO_FUNCTION,
        "function_offset": frame.offset or 0,
        "function_length": frame.size or 0,
    }
    if frame.module:
        document["module_name"] = _module(frame.module)
    return document


def _module(name: str, flags: str = "") -> str:
    shown = f"({flags})" if _MODULE_FLAGS.fullmatch(flags) else ""
    return f"{_NO_WORD.sub('_', name)}{shown}"
