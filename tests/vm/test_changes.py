"""Names while the machine changes: modules that move, maps that appear, symbols that are hidden, boots that end."""

import gzip

import pytest

from tests.vm.lab.session import POSITION, Session
from tests.vm.lines import Truths, lines_of, misnamed, since, wanted

DEBIANS = ("debian12", "debian13")
MODULAR = (*DEBIANS, "arm64")


@pytest.mark.guests(*MODULAR)
def test_a_module_loaded_again_elsewhere_is_named_where_it_is_now(session: Session) -> None:
    before = session.truth()["klogd_trouble", "go_deeper"]
    # what is loaded first takes the place that was freed
    session.machine.run("rmmod klogd_trouble && modprobe ext2 2>/dev/null; modprobe loop; modprobe dummy; modprobe nbd; true")
    truths = Truths(session)
    moved = session.truth()["klogd_trouble", "go_deeper"] != before
    session.crash("raw")
    asked = wanted(since(lines_of(session), "klogd_trouble: raw trace"))
    assert asked
    assert misnamed(asked, truths) == []
    assert moved, "the module came back to the same place, so that nothing was tested"


@pytest.mark.guests(*DEBIANS)
def test_a_new_map_in_boot_is_taken_into_use(session: Session) -> None:
    session.settle()
    release = (session.guest.kernel() / "release").read_text().strip()
    path = f"/boot/System.map-{release}"
    session.machine.run(f"cp -a {path} /root/stub 2>/dev/null || true")
    try:
        session.machine.put("/boot/map.gz", gzip.compress((session.guest.kernel() / "System.map").read_bytes()))
        session.machine.run(f"gunzip /boot/map.gz && mv /boot/map {path}")
        session.machine.wait_until(f"systemctl show -P StatusText klogd-py | grep -q {path}")
        truths = Truths(session)
        session.crash("raw")
        asked = wanted(since(lines_of(session), "klogd_trouble: raw trace"))
        assert misnamed(asked, truths) == []
        assert "agrees with kallsyms" in session.machine.run("klogd-py maps")
    finally:
        session.machine.run(f"mv /root/stub {path} 2>/dev/null || rm {path}")
        session.machine.wait_until(f"! systemctl show -P StatusText klogd-py | grep -q {path}")


@pytest.mark.guests(*DEBIANS)
@pytest.mark.parametrize("restriction", [0, 1, 2])
def test_with_kernel_pointers_hidden_it_names_rightly_or_not_at_all(session: Session, restriction: int) -> None:
    truths = Truths(session)
    session.machine.run(f"sysctl -q -w kernel.kptr_restrict={restriction} kernel.dmesg_restrict=1; systemctl restart klogd-py")
    try:
        session.crash("raw")
        asked = wanted(since(lines_of(session), "klogd_trouble: raw trace"))
        named = [one for one in asked if one.line.text != one.line.raw]
        assert misnamed(named, truths) == []
        assert len(named) == (0 if restriction == 2 else len(asked))
    finally:
        session.machine.run("sysctl -q -w kernel.kptr_restrict=0 kernel.dmesg_restrict=0; systemctl restart klogd-py")


@pytest.mark.guests(*DEBIANS)
def test_after_a_reboot_the_old_position_suppresses_nothing(session: Session) -> None:
    session.settle()
    old = session.machine.get(POSITION)
    session.machine.run("systemctl enable -q klogd-py && sync")
    session.machine.reboot()
    session.machine.wait_until("systemctl is-active -q klogd-py")
    assert b"boot_id" in old
    assert session.machine.get(POSITION) != old
    seqs = [line.seq for line in lines_of(session)]
    assert seqs == list(range(seqs[-1] + 1))
    logged = session.machine.run("grep -c 'Linux version ' /var/log/klogd-py.log")
    assert int(logged) == 2
