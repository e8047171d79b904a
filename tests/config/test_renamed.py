# SPDX-License-Identifier: GPL-2.0-or-later
"""Every renamed key, value and option is refused with its replacement."""

from collections.abc import Mapping

import msgspec
import pytest

from klogd_py.cli import main as cli
from klogd_py.config import loader
from klogd_py.config.errors import BadConfig
from klogd_py.config.renamed import RENAMED_KEYS, RENAMED_OPTIONS, RENAMED_VALUES
from klogd_py.config.schema import Config

PROGRAMS = {"klogd-py": cli.main, "klogd": cli.klogd}
# The new name, without the remark behind it
REPLACEMENTS = {old: new.partition(",")[0] for old, new in RENAMED_KEYS.items()}


def has_key(name: str) -> bool:
    """Whether the configuration has a key or a table of this dotted name."""
    value: object = msgspec.to_builtins(Config())
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def refusal(text: str) -> str:
    with pytest.raises(BadConfig) as raised:
        loader.parse(text.encode(), "/etc/x.toml")
    return str(raised.value)


@pytest.mark.parametrize("old", RENAMED_KEYS)
def test_an_old_key_names_the_new_one(old: str) -> None:
    assert refusal(f"{old} = 1") == f"/etc/x.toml: key {old} is now {RENAMED_KEYS[old]}"
    assert has_key(REPLACEMENTS[old])
    assert not has_key(old)


def test_renamed_table_is_refused_whatever_it_holds() -> None:
    assert refusal("[outbox]\nlimits = 1") == "/etc/x.toml: key outbox is now queue"
    assert refusal('[outbox.sink."file:/x"]\nlimit_kib = 64') == (
        "/etc/x.toml: key outbox.sink is now sinks, "
        "whose tables have the keys queue_kib and when_full"
    )
    assert refusal("[queue]\nlimit_kib = 1\n[outbox]\nlimit_kib = 64") == (
        "/etc/x.toml: key outbox.limit_kib is now queue.limit_kib"
    )


@pytest.mark.parametrize(("key", "old"), RENAMED_VALUES)
def test_an_old_value_names_the_new_one(key: str, old: str) -> None:
    new = RENAMED_VALUES[key, old]
    assert refusal(f'{key} = "{old}"') == f'/etc/x.toml: key {key}: "{old}" is now "{new}"'
    loader.parse(f'{key} = "{new}"'.encode(), "x")


@pytest.mark.parametrize("old", RENAMED_OPTIONS)
@pytest.mark.parametrize("program", ["klogd-py", "klogd"])
@pytest.mark.parametrize("value", [[], ["replace"]], ids=["alone", "with a value"])
def test_an_old_option_names_the_new_one(
    old: str, program: str, value: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert PROGRAMS[program]([old, *value]) == 2
    wrong, remedy = capsys.readouterr().err.splitlines()
    assert wrong == f"{program}: option {old} is now {RENAMED_OPTIONS[old]}"
    assert remedy == f"{program}: see {program} --help"
    new = RENAMED_OPTIONS[old].partition(" ")[0]
    assert PROGRAMS[program]([new, "--version"]) == 0


def test_old_option_of_a_command_names_the_new(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["translate", "--twice", "console.log"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "klogd-py: option --twice is now --duplicate-raw",
        "klogd-py: see klogd-py translate --help",
    ]
