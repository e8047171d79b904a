# SPDX-License-Identifier: GPL-2.0-or-later
import os

import pytest

from klogd_py.system import privileges
from klogd_py.system.privileges import NoSuchUser, User


def test_a_user_is_known_by_number_and_group() -> None:
    root = privileges.look_up("root")
    assert (root.name, root.number, root.group) == ("root", 0, 0)


@pytest.mark.parametrize("name", ["no-such-user-here", "nul\0byte"])
def test_a_name_that_nobody_has_is_told(name: str) -> None:
    with pytest.raises(NoSuchUser, match="no user"):
        privileges.look_up(name)


def test_dropping_to_the_current_user_does_nothing() -> None:
    privileges.drop_privileges(User("me", os.geteuid(), 54321))
    assert os.getegid() != 54321
