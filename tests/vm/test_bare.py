# SPDX-License-Identifier: GPL-2.0-or-later
"""klogd-py with a kernel without kallsyms, whose oopses are numbers and whose slide is random."""

from pathlib import Path

import pytest

from tests.vm.lab.guests import GUESTS
from tests.vm.lab.session import Session
from tests.vm.lines import KernelSymbols, Line, lines_of, lines_since, misnamed, unnamed_addresses

# Types of LKDTM that the machine survives; each ends in an oops or a warning.
CRASHES = (
    "EXCEPTION",
    "BUG",
    "WARNING",
    "WARNING_MESSAGE",
    "EXEC_DATA",
    "EXEC_STACK",
    "EXEC_KMALLOC",
    "EXEC_VMALLOC",
    "EXEC_RODATA",
    "EXEC_USERSPACE",
    "EXEC_NULL",
    "ACCESS_NULL",
    "WRITE_RO",
    "WRITE_KERN",
)


@pytest.mark.guests("bare")
def test_bare_guest_has_no_kallsyms(session: Session) -> None:
    session.load()
    assert session.machine.attempt("cat /proc/kallsyms")[0] != 0
    assert session.machine.run("cat /proc/modules").split()[5] == "0x0000000000000000"


@pytest.mark.guests("bare")
@pytest.mark.parametrize("kind", CRASHES)
def test_first_oops_of_a_boot_is_fully_symbolized(
    session: Session, tmp_path: Path, kind: str
) -> None:
    """The load address of kernel and module can only be inferred from the oops itself."""
    with GUESTS["bare"].machine(tmp_path) as machine:
        session.guest.prepare(machine)
        fresh = Session(session.guest, machine)
        fresh.start("json")
        fresh.crash(kind)
        trace = oops_of(lines_of(fresh), kind)
        asked = unnamed_addresses(trace)
        symbols = KernelSymbols(fresh)
        symbols.tally = session.tally
        session.tally.slides.append(symbols.slide)
        assert len(asked) >= 6
        assert misnamed(asked, symbols) == []


@pytest.mark.guests("bare")
def test_the_boots_had_different_slides(session: Session) -> None:
    slides = session.tally.slides
    if len(slides) < 2:
        pytest.skip("needs the boots of the test before it, which was not selected")
    assert len(set(slides)) > len(slides) // 2, slides


@pytest.mark.guests("bare")
@pytest.mark.parametrize("kind", ["thread", "two", "irq", "warn", "bug", "oops"])
def test_no_oops_of_another_module_is_misnamed(session: Session, kind: str) -> None:
    """Some of these oopses do not suffice to infer the load address of the module."""
    before = len(lines_of(session))
    session.crash(kind)
    asked = unnamed_addresses(lines_of(session)[before:])
    named = [one for one in asked if one.line.text != one.line.raw]
    assert asked
    assert misnamed(named, KernelSymbols(session)) == []


@pytest.mark.guests("bare")
def test_reused_module_address_never_names_the_old_module(session: Session, tmp_path: Path) -> None:
    """Modules loaded in turn get each other's address, which /proc/modules does not show."""
    with GUESTS["bare"].machine(tmp_path) as machine:
        session.guest.prepare(machine)
        fresh = Session(session.guest, machine)
        fresh.start("json")
        for is_late in (False, False, True, True, True):
            fresh.crash("WARNING")
            if is_late:
                # It reads the trace of the first module when only the second one is loaded.
                machine.run("kill -STOP $(cat /run/klogd.pid)")
            machine.run("rmmod lkdtm")
            fresh.crash("warn")
            machine.run("kill -CONT $(cat /run/klogd.pid)")
            symbols = KernelSymbols(fresh)
            symbols.tally = session.tally
            lines = lines_since(lines_of(fresh), "a warning with text")
            asked = unnamed_addresses(lines)
            assert asked
            assert misnamed([one for one in asked if one.line.text != one.line.raw], symbols) == []
            assert not [line for line in lines if "unloaded]" in line.text]
            machine.run("rmmod klogd_trouble")


def oops_of(lines: list[Line], kind: str) -> list[Line]:
    """Return the lines from the request to crash to the end of the first trace."""
    begun = lines_since(lines, f"Performing direct entry {kind}")
    end = next(i for i, line in enumerate(begun) if "---[ end trace" in line.raw)
    return begun[:end]
