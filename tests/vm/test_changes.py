# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbols while the machine changes: modules move, maps appear, kallsyms is hidden, it reboots."""

from collections.abc import Iterator

import pytest

from tests.vm.lab.session import POSITION, SERVICE_LOG, Session
from tests.vm.lines import KernelSymbols, lines_of, lines_since, misnamed, unnamed_addresses

DEBIANS = ("debian12", "debian13")
MODULAR = (*DEBIANS, "arm64")


@pytest.mark.guests(*MODULAR)
def test_reloaded_module_is_named_at_its_new_address(session: Session) -> None:
    before = session.symbol_addresses()["klogd_trouble", "go_deeper"]
    # The first module loaded gets the address that was freed
    session.machine.run(
        "rmmod klogd_trouble && modprobe ext2 2>/dev/null; "
        "modprobe loop; modprobe dummy; modprobe nbd; true"
    )
    symbols = KernelSymbols(session)
    moved = session.symbol_addresses()["klogd_trouble", "go_deeper"] != before
    session.crash("raw")
    asked = unnamed_addresses(lines_since(lines_of(session), "klogd_trouble: raw trace"))
    assert asked
    assert misnamed(asked, symbols) == []
    assert moved, "the module was loaded at the same address, so that nothing was tested"


@pytest.mark.guests(*DEBIANS)
def test_map_in_boot_is_used_kept_and_dropped(
    session: Session,
) -> None:
    session.wait_until_written()
    with session.map_in_boot() as path:
        session.machine.wait_until(f"systemctl show -P StatusText klogd-py | grep -q {path}")
        symbols = KernelSymbols(session)
        session.crash("raw")
        asked = unnamed_addresses(lines_since(lines_of(session), "klogd_trouble: raw trace"))
        assert len(asked) >= 10
        assert misnamed(asked, symbols) == []
        assert "agrees with kallsyms" in session.machine.run("klogd-py maps")
    session.machine.wait_until(
        "klogd-py status | grep -q 'kept as it was read, since what is there now is refused'"
    )
    session.machine.run(f"mv {path} /root/stub")
    session.machine.wait_until(f"! systemctl show -P StatusText klogd-py | grep -q {path}")
    session.machine.run(f"mv /root/stub {path}")


@pytest.fixture
def restricted(session: Session, request: pytest.FixtureRequest) -> Iterator[int]:
    """Set kernel.kptr_restrict to the parameter, and restrict the log to root."""
    session.machine.run(
        f"sysctl -q -w kernel.kptr_restrict={request.param} kernel.dmesg_restrict=1"
    )
    yield request.param
    session.machine.run("sysctl -q -w kernel.kptr_restrict=0 kernel.dmesg_restrict=0")
    session.restart()


@pytest.mark.guests(*MODULAR)
@pytest.mark.parametrize("restricted", [0, 1, 2], indirect=True)
def test_hidden_pointers_without_map_misname_nothing(session: Session, restricted: int) -> None:
    symbols = KernelSymbols(session)
    session.restart()
    session.crash("raw")
    asked = unnamed_addresses(lines_since(lines_of(session), "klogd_trouble: raw trace"))
    named = [one for one in asked if one.line.text != one.line.raw]
    assert len(asked) >= 10
    assert misnamed(named, symbols) == []
    # With 2 the addresses are hidden from root too, and what can be named depends on the kernel
    if restricted < 2:
        assert len(named) == len(asked)


@pytest.mark.guests(*MODULAR)
@pytest.mark.parametrize("restricted", [0, 1, 2], indirect=True)
def test_hidden_pointers_with_map_name_every_address(session: Session, restricted: int) -> None:
    symbols = KernelSymbols(session)
    with session.map_in_boot():
        session.restart()
        session.crash("raw")
        asked = unnamed_addresses(lines_since(lines_of(session), "klogd_trouble: raw trace"))
    assert len(asked) >= 10
    assert misnamed(asked, symbols) == []


@pytest.mark.guests(*DEBIANS)
def test_after_a_reboot_the_old_position_suppresses_nothing(session: Session) -> None:
    session.wait_until_written()
    old = session.machine.get(POSITION)
    session.machine.run("systemctl enable -q klogd-py && sync")
    session.machine.reboot()
    session.machine.wait_until("systemctl is-active -q klogd-py")
    session.machine.wait_until(f"grep -q $(tr -d - </proc/sys/kernel/random/boot_id) {POSITION}")
    assert b"boot_id" in old
    assert session.machine.get(POSITION) != old
    seqs = [line.seq for line in lines_of(session)]
    assert seqs == list(range(seqs[-1] + 1))
    logged = session.machine.run(f"grep -c 'Linux version ' {SERVICE_LOG}")
    assert int(logged) == 2
