# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from klogd_py.sources.rotation import group_rotated


@pytest.mark.parametrize(
    ("paths", "groups"),
    [
        (["/l/kern.log", "/l/kern.log.1"], [["/l/kern.log.1", "/l/kern.log"]]),
        (
            ["/l/m.0", "/l/m", "/l/m.10.gz", "/l/m.2.xz"],
            [["/l/m.10.gz", "/l/m.2.xz", "/l/m.0", "/l/m"]],
        ),
        (
            ["/l/k-20261126", "/l/k", "/l/k-20261119.zst"],
            [["/l/k-20261119.zst", "/l/k-20261126", "/l/k"]],
        ),
        (["/l/a.1", "/l/b", "/l/a"], [["/l/a.1", "/l/a"], ["/l/b"]]),
        (["/x/kern.log.1", "/y/kern.log"], [["/x/kern.log.1"], ["/y/kern.log"]]),
        (["-", "/l/kern.log"], [["-"], ["/l/kern.log"]]),
        (["/l/kern.log.gz", "/l/kern.log.1"], [["/l/kern.log.gz"], ["/l/kern.log.1"]]),
    ],
)
def test_rotated_files_are_one_log_oldest_first(paths: list[str], groups: list[list[str]]) -> None:
    assert group_rotated(paths, lambda path: False) == groups


def test_numbered_files_need_the_log_beside_them() -> None:
    paths = ["/l/oops.1", "/l/oops.2"]
    assert group_rotated(paths, lambda path: False) == [["/l/oops.1"], ["/l/oops.2"]]
    assert group_rotated(paths, lambda path: path == "/l/oops") == [["/l/oops.2", "/l/oops.1"]]
