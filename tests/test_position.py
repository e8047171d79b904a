import os
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py.position import Ledger, PositionInUse, PositionNotSaved


def test_a_saved_position_is_found_again_on_the_same_boot(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "boot-a").save({"syslog": 12, "file:/x": 7})
    ledger = Ledger(path, "boot-a")
    assert (ledger.owed("syslog"), ledger.owed("file:/x"), ledger.owed("new")) == (12, 7, None)


def test_parts_had_ahead_are_found_again_with_the_position(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(Ledger(path, "b")) as ledger:
        ledger.save({"syslog": 12, "file:/x": 7}, {"syslog": (14, 17), "file:/x": (9,)})
        ledger.save({"file:/x": 8}, {"file:/x": (10,)})
    again = Ledger(path, "b")
    assert (again.ahead("syslog"), again.ahead("file:/x"), again.ahead("new")) == ((14, 17), (10,), ())
    with closing(Ledger(path, "b")) as ledger:
        ledger.save({"syslog": 20})
    assert Ledger(path, "b").ahead("syslog") == ()


def test_parts_of_a_position_beyond_the_ring_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(Ledger(path, "b")) as ledger:
        ledger.save({"s": 102}, {"s": (105,)})
    again = Ledger(path, "b")
    again.forget_beyond(100)
    assert (again.owed("s"), again.ahead("s")) == (None, ())


def test_a_damaged_list_of_parts_suppresses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(Ledger(path, "b")) as ledger:
        ledger.save({"s": 12}, {"s": (14,)})
    path.write_bytes(path.read_bytes().replace(b"[14]", b"[15]"))
    assert "damaged" in Ledger(path, "b").remark


def test_another_boot_has_no_position_and_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "boot-a").save({"syslog": 12})
    ledger = Ledger(path, "boot-b")
    assert (ledger.owed("syslog"), ledger.remark, ledger.is_empty) == (None, "", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which is what it is about")
def test_a_file_that_root_creates_belongs_to_whom_the_directory_does(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65533)
    Ledger(tmp_path / "position.json", "boot-a").save({"syslog": 12})
    status = (tmp_path / "position.json").stat()
    assert (status.st_uid, status.st_gid) == (65534, 65533)


def test_saving_one_sink_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    for positions in ({"syslog": 12}, {"journal": 3}):
        with closing(Ledger(path, "b")) as ledger:
            ledger.save(positions)
    assert Ledger(path, "b").owed("syslog") == 12


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"boot_id": 1}', b'{"boot_id": "b", "next": {"s": "x"}}', b"\xff\0"])
def test_a_damaged_file_suppresses_nothing_and_is_said(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    path.write_bytes(content)
    ledger = Ledger(path, "b")
    assert ledger.owed("s") is None
    assert str(path) in ledger.remark


def test_a_position_beyond_the_newest_record_suppresses_nothing_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "b").save({"ahead": 102, "next": 101, "behind": 5})
    ledger = Ledger(path, "b")
    ledger.forget_beyond(100)
    assert (ledger.owed("ahead"), ledger.owed("next"), ledger.owed("behind")) == (None, 101, 5)
    assert "ahead" in ledger.remark


def test_the_file_is_private_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    Ledger(tmp_path / "position.json", "b").save({"s": 1})
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(PositionNotSaved, match="gone"):
        Ledger(tmp_path / "gone" / "position.json", "b").save({"s": 1})


def test_a_second_user_of_the_file_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(Ledger(path, "b", claimed=True)), pytest.raises(PositionInUse, match=r"position\.json: in use by another"):
        Ledger(path, "b", claimed=True)
    Ledger(path, "b", claimed=True).close()


def test_a_claimed_file_is_a_saved_position_before_anything_moves(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "b", claimed=True).close()
    assert (Ledger(path, "b").remark, Ledger(path, "b").is_empty) == ("", True)


@pytest.mark.parametrize("harm", ["removed", "replaced"])
def test_a_file_that_lost_its_name_is_written_anew(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "position.json"
    with closing(Ledger(path, "b")) as ledger:
        ledger.save({"s": 1})
        path.unlink()
        if harm == "replaced":
            path.touch()
        ledger.save({"s": 2})
    assert Ledger(path, "b").owed("s") == 2


def test_a_shorter_position_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    with closing(Ledger(path, "b")) as ledger:
        ledger.save({"s" * 600: 1})
    with closing(Ledger(path, "another")) as ledger:
        ledger.save({"s": 2})
    again = Ledger(path, "another")
    assert (again.owed("s"), again.owed("s" * 600), again.remark) == (2, None, "")


@given(st.integers(0, 2**63), st.integers(0, 2**63), st.data())
def test_a_write_that_was_cut_anywhere_gives_the_old_position_the_new_one_or_none(
    tmp_path_factory: pytest.TempPathFactory, old: int, new: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("position") / "position.json"
    written = []
    for seq in (old, new):
        with closing(Ledger(path, "b")) as ledger:
            ledger.save({"s": seq})
        written.append(path.read_bytes())
    cut = data.draw(st.integers(0, len(written[1])))
    path.write_bytes(written[1][:cut] + written[0][cut:])
    assert Ledger(path, "b").owed("s") in (old, new, None)


def test_a_position_that_has_not_moved_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    ledger = Ledger(path, "b")
    ledger.save({"s": 1})
    path.unlink()
    ledger.save({"s": 1})
    assert not path.exists()
