# SPDX-License-Identifier: GPL-2.0-or-later
from klogd_py.record.quantity import quantity


def test_noun_of_one_has_no_plural() -> None:
    assert quantity(1, "boot") == "1 boot"
    assert (quantity(0, "boot"), quantity(2, "boot")) == ("0 boots", "2 boots")
    assert quantity(1, "address", "addresses") == "1 address"
    assert quantity(3, "address", "addresses") == "3 addresses"
