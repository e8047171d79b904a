# SPDX-License-Identifier: GPL-2.0-or-later
"""Hide the addresses in a report from readers who may not see those of the kernel."""

from msgspec import structs

from klogd_py.record.address_mask import HIDDEN, hide_addresses
from klogd_py.record.report import Report, Stack


def without_addresses(report: Report) -> Report:
    """Return the report with `HIDDEN` in the place of each address.

    The code bytes are left out, since they hold addresses, too.
    """
    access, kernel = report.access, report.kernel
    return structs.replace(
        report,
        title=hide_addresses(report.title),
        at=hide_addresses(report.at),
        message=hide_addresses(report.message),
        access=access and structs.replace(access, address=HIDDEN if access.address else ""),
        kernel=structs.replace(kernel, kaslr_offset=HIDDEN if kernel.kaslr_offset else ""),
        stacks=tuple(map(_hide_in_stack, report.stacks)),
        code="",
        locks=tuple(map(hide_addresses, report.locks)),
        text=tuple(_hide_in_line(line) for line in report.text),
        context_before=tuple(_hide_in_line(line) for line in report.context_before),
    )


def _hide_in_stack(stack: Stack) -> Stack:
    frames = (structs.replace(one, function=hide_addresses(one.function)) for one in stack.frames)
    return Stack(hide_addresses(stack.label), tuple(frames))


def _hide_in_line(line: str) -> str:
    if line.lstrip().startswith("Code: "):
        return "Code: (hidden)"
    return hide_addresses(line)
