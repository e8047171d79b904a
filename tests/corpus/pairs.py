# SPDX-License-Identifier: GPL-2.0-or-later
r"""Find the addresses in a kernel log that have a name beside them, and the names alone.

Read without `klogd_py.oops.address_scanner`, so that the two can be compared: a name is a name
wherever it stands, and it belongs to a number if nothing but brackets, blanks and a ``?`` stands
between them.

    [<ffffffff8163654b>] dump_stack+0x19/0x1b
    [c000000010f93150] [c000000008028668] .rtas_read_config+0x128/0x170
    <ffffffff880f7039>{:ipath_core:ipath_close+1616}
    [<c03017f4>] (gic_handle_irq) from [<c0e9b030>] (__irq_svc+0x70/0x98)
"""

import re

from msgspec import Struct

from klogd_py.record.types import SymbolAddress

_NAME = r"(?::(?P<lead>[\w-]+):)?(?P<name>[A-Za-z_.$][\w.$]*)"
_MODERN = (
    _NAME
    + r"\+0x(?P<offset>[0-9a-f]+)/0x(?P<size>[0-9a-f]+)(?: \[(?P<module>[\w-]+)(?: [0-9a-f]{40})?\])?"  # noqa: E501
)
_BRACE = r"\{(?::(?P<brace_module>\w+):)?(?P<brace>[A-Za-z_.$][\w.$]*)\+(?P<decimal>\d+)\}"
_ALONE = r"(?<=>\] \()(?P<alone>[A-Za-z_.$][\w.$]*)(?=\) from \[<)"
_SYMBOL = re.compile(f"(?<![\\w.$:])(?:{_MODERN}|{_ALONE})|{_BRACE}")
_NUMBER_BEFORE = re.compile(
    r"(?<![\w])(?:0x)?([0-9a-fA-F]{8,16})(?:[>\])]{0,2}:?\s{0,2}(?:\? )?[(<]?)$"
)


class Named(Struct, frozen=True):
    """A name in a line: where it stands, what it says; and where the digits of its number do, if it
    has one.

    ``bracketed``: the number stands in ``[<`` and ``>]``, so that a kernel without names could have
    printed that alone.
    """

    start: int
    end: int
    text: str
    place: SymbolAddress
    digits: tuple[int, int] = (0, 0)
    bracketed: bool = False
    brace: bool = False

    @property
    def paired(self) -> bool:
        """Whether it stands beside a number."""
        return self.digits != (0, 0)


def read(line: str) -> list[Named]:
    """The names in a line, in order."""
    return [_named(line, found) for found in _SYMBOL.finditer(line)]


def _named(line: str, found: re.Match[str]) -> Named:
    number = _NUMBER_BEFORE.search(line, max(0, found.start() - 32), found.start())
    if number is None:
        return Named(found.start(), found.end(), found[0], _place(found))
    first, end = number.span(1)
    bracketed = line[max(first - 2, 0) : first] == "[<" and line.startswith(">]", end)
    return Named(
        found.start(),
        found.end(),
        found[0],
        _place(found),
        (first, end),
        bracketed,
        found["brace"] is not None,
    )


def _place(found: re.Match[str]) -> SymbolAddress:
    # Its offset is not told: any will do
    if found["alone"]:
        return SymbolAddress(found["alone"], 1, 2, "", "t", "")
    if found["brace"]:
        offset = int(found["decimal"])
        return SymbolAddress(
            found["brace"], offset, offset + 16, found["brace_module"] or "", "t", ""
        )
    module = found["module"] or found["lead"] or ""
    return SymbolAddress(
        found["name"], int(found["offset"], 16), int(found["size"], 16), module, "t", ""
    )
