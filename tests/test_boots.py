import pytest

from klogd_py.boots import Boots, lines_of
from klogd_py.record import USER, Record
from klogd_py.traces import from_capture

BANNER = "Linux version 6.1.192 (root@vm) (gcc) #1 SMP"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([f"[    0.000000] {BANNER}", "[    0.100000] x"], ["6.1.192", None]),
        (["[    9.000000] x", "[    7.999999] x"], [None, ""]),
        (["[    9.000000] x", "[    8.000000] x", "[    9.000000] x"], [None, None, None]),
        (["[    0.700000] x", "[    0.000000] x", f"[    0.000000] {BANNER}"], [None, "", "6.1.192"]),
        (["[    9.000000] x", "no stamp", "[    1.000000] x"], [None, None, ""]),
    ],
)
def test_a_boot_begins_with_a_banner_or_where_the_stamps_run_back(texts: list[str], expected: list[str | None]) -> None:
    boots = Boots()
    assert [boots.begins(from_capture(text)) for text in texts] == expected


def test_what_a_process_wrote_begins_no_boot() -> None:
    boots = Boots()
    assert boots.begins(Record(BANNER, USER << 3 | 5)) is None
    assert boots.begins(from_capture(f"user  :notice: [    9.000000] {BANNER}")) is None
    assert boots.begins(from_capture(f"<13>[    9.000000] {BANNER}")) is None
    assert boots.begins(from_capture(f"13,1,9000000,-;{BANNER}")) is None
    assert boots.begins(from_capture(f"5,1,9000000,-;{BANNER}")) == "6.1.192"
    assert boots.begins(from_capture(f"kern  :notice: [    9.000000] {BANNER}")) == "6.1.192"


def test_a_line_ends_at_a_line_feed_and_nowhere_else() -> None:
    assert lines_of(b"a\x0cb\rc\x85d\x1ce\r\nf\n") == ["a\x0cb\rc\x85d\x1ce\r", "f"]
