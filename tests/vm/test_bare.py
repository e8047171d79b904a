"""The kernel that needs klogd: no kallsyms, so that its oopses are numbers."""

import pytest

from tests.vm.lab.session import Session
from tests.vm.lines import lines_of, since, wanted


@pytest.mark.guests("bare")
def test_it_is_as_bare_as_it_should_be(session: Session) -> None:
    session.load()
    assert session.machine.attempt("cat /proc/kallsyms")[0] != 0
    assert session.machine.run("cat /proc/modules").split()[5] == "0x0000000000000000"
    session.crash("oops")
    assert len(wanted(since(lines_of(session), "Oops: "))) > 5
