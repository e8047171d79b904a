from pathlib import Path

import pytest

from klogd_py import config
from klogd_py.config import BadConfig
from klogd_py.settings import Config


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sink = 1", "unknown key sink; expected one of: sinks, console_level, user, input"),
        ('sinks = ["foo"]', "key sinks: expected console, file:PATH, syslog[:SOCKET] or journal[:SOCKET], got 'foo'"),
        ('sinks = ["file:"]', "key sinks: expected console, file:PATH"),
        ('[translate]\nstile = "x"', "unknown key translate.stile; expected one of: style, decoded, twice, join, paranoid"),
        ('[translate]\nstyle = "x"', "key translate.style: invalid enum value 'x'; expected one of: 'replace', 'append', 'off'"),
        ("sinks = 1", "key sinks: expected a list, got a whole number"),
        ("sinks = [1]", "key sinks[0]: expected a string, got a whole number"),
        ('[outbox]\nlimit_kib = "a"', "key outbox.limit_kib: expected a whole number, got a string"),
        ("[outbox]\nlimit_kib = 1", "key outbox.limit_kib: expected 64 to 1048576, got 1"),
        ("input = 3", "key input: expected a table, got a whole number"),
        ("console_level = 9", "key console_level: expected 0 (leave it alone) or 1 to 8, got 9"),
        ('[file]\nmode = "rw"', "key file.mode: expected an octal mode"),
        ("[translate\n", "not TOML: Expected ']' at the end of a table declaration (at line 1, column 11)"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_was_expected(text: str, complaint: str) -> None:
    with pytest.raises(BadConfig) as raised:
        config.parse(text.encode(), "/etc/x.toml")
    assert str(raised.value).startswith(f"/etc/x.toml: {complaint}")


def test_bytes_that_are_not_text_are_not_toml() -> None:
    with pytest.raises(BadConfig, match="not TOML"):
        config.parse(b"\xff\xfe", "x")


def test_no_file_at_all_means_the_defaults(tmp_path: Path) -> None:
    assert config.load(tmp_path / "none.toml") == Config()


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"none\.toml: no such file"):
        config.load(tmp_path / "none.toml", must_exist=True)


def test_drop_ins_win_over_the_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    main = tmp_path / "klogd-py.toml"
    main.write_text('sinks = ["console"]\n[translate]\nstyle = "off"\ntwice = true\n')
    (tmp_path / "klogd-py.toml.d").mkdir()
    (tmp_path / "klogd-py.toml.d" / "20.toml").write_text('[translate]\nstyle = "append"\n')
    (tmp_path / "klogd-py.toml.d" / "10.toml").write_text('[translate]\nstyle = "replace"\n')
    (tmp_path / "klogd-py.toml.d" / "30.conf").write_text("not read")
    loaded = config.load(main)
    assert (loaded.sinks, loaded.translate.style, loaded.translate.twice) == (("console",), "append", True)


def test_an_error_in_a_drop_in_names_the_drop_in(tmp_path: Path) -> None:
    main = tmp_path / "klogd-py.toml"
    (tmp_path / "klogd-py.toml.d").mkdir()
    (tmp_path / "klogd-py.toml.d" / "x.toml").write_text("nonsense = 1")
    with pytest.raises(BadConfig, match=r"klogd-py\.toml\.d/x\.toml: unknown key nonsense"):
        config.load(main)
