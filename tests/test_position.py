from pathlib import Path

import pytest

from klogd_py.position import Ledger, PositionNotSaved


def test_a_saved_position_is_found_again_on_the_same_boot(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "boot-a").save({"syslog": 12, "file:/x": 7})
    ledger = Ledger(path, "boot-a")
    assert (ledger.owed("syslog"), ledger.owed("file:/x"), ledger.owed("new")) == (12, 7, None)


def test_another_boot_has_no_position_and_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "boot-a").save({"syslog": 12})
    ledger = Ledger(path, "boot-b")
    assert (ledger.owed("syslog"), ledger.remark, ledger.is_empty) == (None, "", True)


def test_saving_one_sink_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    Ledger(path, "b").save({"syslog": 12})
    Ledger(path, "b").save({"journal": 3})
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


def test_a_position_that_has_not_moved_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    ledger = Ledger(path, "b")
    ledger.save({"s": 1})
    path.unlink()
    ledger.save({"s": 1})
    assert not path.exists()
