# SPDX-License-Identifier: GPL-2.0-or-later
"""Hide the addresses in a report from readers who may not see those of the kernel."""

import re

from msgspec import structs

from klogd_py.record.report import Report, Stack

HIDDEN = "(address)"

# Neither the offset and size of a symbol, nor a build id, nor an error code
_KERNEL_ADDRESS = re.compile(
    r"(?<![\w+/])(?:0x[0-9a-fA-F]{5,16}|[0-9a-fA-F]{16}|[0-9a-fA-F]{8})(?!\w)"
)


def without_addresses(report: Report) -> Report:
    """Return the report with `HIDDEN` in the place of each address.

    The code bytes are left out, since they hold addresses, too.
    """
    access, kernel = report.access, report.kernel
    return structs.replace(
        report,
        title=_hide(report.title),
        at=_hide(report.at),
        message=_hide(report.message),
        access=access and structs.replace(access, address=HIDDEN if access.address else ""),
        kernel=structs.replace(kernel, kaslr_offset=HIDDEN if kernel.kaslr_offset else ""),
        stacks=tuple(map(_hide_in_stack, report.stacks)),
        code="",
        locks=tuple(map(_hide, report.locks)),
        text=tuple(_hide_in_line(line) for line in report.text),
        context_before=tuple(_hide_in_line(line) for line in report.context_before),
    )


def _hide_in_stack(stack: Stack) -> Stack:
    frames = (structs.replace(one, function=_hide(one.function)) for one in stack.frames)
    return Stack(_hide(stack.label), tuple(frames))


def _hide_in_line(line: str) -> str:
    if line.lstrip().startswith("Code: "):
        return "Code: (hidden)"
    return _hide(line)


def _hide(text: str) -> str:
    return _KERNEL_ADDRESS.sub(HIDDEN, text)
