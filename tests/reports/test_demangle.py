# SPDX-License-Identifier: GPL-2.0-or-later
"""Names that are not written in C become readable; names of C stay, but for their copies."""

import sys

import pytest

from klogd_py.reports.anatomy.function_names import function_name, plain_name
from klogd_py.reports.blame.demangle import _library, demangle, readable_name

NAMES = [
    ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
    ("_ZN3nic4pollEv", "nic::poll"),
    ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
    ("_ZNK3nic5Queue4sizeEv", "nic::Queue::size"),
    ("_Z4pollPv", "poll"),
    ("nic_poll", "nic_poll"),
    ("_raw_spin_lock", "_raw_spin_lock"),
    ("_Z", "_Z"),
    ("_ZN99nicE", "_ZN99nicE"),
    ("_R", "_R"),
    ("_Rubbish", "_Rubbish"),
    ("_ZN" + "4poll" * 200, "_ZN" + "4poll" * 200),
]


def forget() -> None:
    demangle.cache_clear()
    _library.cache_clear()


@pytest.mark.parametrize(("name", "readable"), NAMES)
def test_name_becomes_readable_or_stays(name: str, readable: str) -> None:
    demangle.cache_clear()
    assert demangle(name) == readable


def test_name_stays_mangled_without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("rust_demangler", "rust_demangler.rust_v0"):
        monkeypatch.setitem(sys.modules, module, None)
    forget()
    assert demangle("_RNvCs1234_7mycrate3foo") == "_RNvCs1234_7mycrate3foo"
    forget()


def test_library_prints_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    forget()
    demangle("_RINvC3foo3barTB0_B0_ETB1_B1_ETB2_B2_EE")
    assert capfd.readouterr().out == ""


FUNCTIONS = [
    ("__x64_sys_read", "sys_read"),
    ("__se_sys_read", "sys_read"),
    ("__do_sys_read", "sys_read"),
    ("__arm64_compat_sys_ioctl", "sys_ioctl"),
    ("SyS_read", "sys_read"),
    ("nic_poll.isra.0.cold", "nic_poll"),
    (".nic_poll", "nic_poll"),
    ("sys_read", "sys_read"),
    ("__sys_sendmsg", "__sys_sendmsg"),
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_copies_of_function_share_name(name: str, function: str) -> None:
    assert function_name(name) == function
    assert readable_name(name) == function


def test_name_of_dots_stays_itself() -> None:
    assert plain_name("...") == "..."


def test_references_to_references_stay_mangled() -> None:
    name = "_RNvC3foo" + "".join(f"TB{digit}_B{digit}_E" for digit in "123456789ab")
    assert demangle(name) == name
