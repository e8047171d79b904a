# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line has the right function name, according to objdump(1) and addr2line(1)."""

import re

import pytest

from tests.vm.lab.binutils import without_suffix
from tests.vm.lab.session import Session
from tests.vm.lines import KernelSymbols, lines_of, lines_since, misnamed, unnamed_addresses

NAMED_BY_KERNEL = re.compile(
    r"(RIP: 0010:| (?:\? )?)([A-Za-z_][\w.]*)\+(0x[0-9a-f]+)/0x[0-9a-f]+(?: \[(\w+)\])?"
)


@pytest.mark.guests("debian12", "debian13", "arm64")
def test_every_address_of_raw_trace_gets_its_function(session: Session) -> None:
    symbols = KernelSymbols(session)
    session.crash("raw")
    asked = unnamed_addresses(lines_since(lines_of(session), "klogd_trouble: raw trace"))
    assert len(asked) >= 10
    assert any("raw_trace+" in one.line.text for one in asked)
    assert misnamed(asked, symbols) == []


@pytest.mark.guests("debian12", "debian13", "arm64")
@pytest.mark.parametrize("kind", ["oops", "warn", "bug", "thread", "irq"])
def test_names_printed_by_the_kernel_stay_unchanged(session: Session, kind: str) -> None:
    symbols = KernelSymbols(session)
    before = len(lines_of(session))
    session.crash(kind)
    lines = lines_of(session)[before:]
    frames = [found for line in lines if (found := NAMED_BY_KERNEL.fullmatch(line.raw))]
    assert any(found[4] == "klogd_trouble" for found in frames)
    assert [line for line in lines if line.text != line.raw] == []
    for lead, name, offset, module in (found.groups() for found in frames):
        addresses = symbols.addresses_of(name, int(offset, 16), module or "")
        functions = symbols.functions_at(
            [address - (not lead.startswith("RIP")) for address in addresses]
        )
        assert any(without_suffix(name) in names for _, names in functions.values()), name
