# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters of sinks: what a table may say, and what is refused."""

from pathlib import Path

import pytest

from klogd_py.config import loader
from klogd_py.config.errors import BadConfig
from klogd_py.config.filter_types import MAX_EXPRESSION_CHARS
from klogd_py.config.sink_config import FilterSettings
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.record.types import Severity

SINK = '[[sinks]]\nname = "console"\n'


def settings_of(lines: str) -> FilterSettings:
    """Return the filter of a console with these lines in its table."""
    (sink,) = parse_sinks(loader.convert(loader.parse((SINK + lines).encode(), "x"), "x"))
    return sink.filter


def refusal(lines: str) -> str:
    with pytest.raises(BadConfig) as raised:
        settings_of(lines)
    return str(raised.value).removeprefix("x: key sinks[0].")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((f'"{severity.name.lower()}"', int(severity)) for severity in Severity),
        *((str(number), number) for number in range(8)),
        *((f'"{number}"', number) for number in range(8)),
        ('"warn"', 4),
        ('"error"', 3),
        ('"panic"', 0),
    ],
)
def test_severity_is_a_name_or_a_number(value: str, number: int) -> None:
    assert settings_of(f"min_severity = {value}").min_severity == number


def test_sink_without_conditions_gets_everything() -> None:
    assert settings_of("") == FilterSettings()
    assert settings_of("match = []\nsubsystem = []\nmin_severity = 7") == FilterSettings()


def test_one_string_is_a_list_of_one() -> None:
    one = settings_of("match = 'a'\nexclude = 'b'\nsubsystem = 'usb'\nexclude_subsystem = 'scsi'\n")
    assert one == FilterSettings(7, ("usb",), ("scsi",), ("a",), ("b",))
    several = settings_of("match = ['a', 'c']\nsubsystem = ['usb', 'net']")
    assert several == FilterSettings(7, ("usb", "net"), (), ("a", "c"))


EXPRESSIONS = {
    "(a": "a regular expression (missing ), unterminated subpattern at character 1), got '(a'",
    "ab[": "a regular expression (unterminated character set at character 3), got 'ab['",
    "*": "a regular expression (nothing to repeat at character 1), got '*'",
    "": f"a regular expression of 1 to {MAX_EXPRESSION_CHARS} printable characters, got ''",
    "(?P<a>x)(?P<a>y)": "a regular expression (redefinition of group name 'a' as group 2; "
    "was group 1 at character 13), got '(?P<a>x)(?P<a>y)'",
}


@pytest.mark.parametrize("key", ["match", "exclude"])
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_wrong_expression_is_refused_with_its_place(key: str, text: str) -> None:
    assert refusal(f"{key} = '{text}'") == f"{key}: expected {EXPRESSIONS[text]}"
    assert refusal(f"{key} = ['x', '{text}']") == f"{key}: expected {EXPRESSIONS[text]}"


@pytest.mark.parametrize(
    "text", ["x" * (MAX_EXPRESSION_CHARS + 1), "(" * 500 + ")" * 500, "a{99999999999999999999}"]
)
def test_huge_expression_is_refused_in_one_line(text: str) -> None:
    message = refusal(f"match = '{text}'")
    assert message.startswith("match: expected a ")
    assert len(message) < 400


def test_ambiguous_expression_is_accepted_without_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert settings_of("match = '[[a]'").match == ("[[a]",)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'min_severity = "loud"',
            "min_severity: expected emerg, alert, crit, err, warning, notice, info, debug, "
            "or 0 to 7, got 'loud'",
        ),
        ("min_severity = 8", "min_severity: expected 0 to 7, got 8"),
        ("min_severity = true", "min_severity: expected a string or a whole number, got"),
        ("match = 7", "match: expected a string or a list, got a whole number"),
        ("match = [7]", "match[0]: expected a string, got a whole number"),
        (
            "subsystem = 'a b'",
            "subsystem: expected the name of a subsystem such as 'usb', up to 64 characters, "
            "got 'a b'",
        ),
        (f"exclude = {['x'] * 129}", "exclude: expected at most 128 expressions, got 129"),
    ],
)
def test_wrong_condition_says_what_was_expected(line: str, message: str) -> None:
    assert refusal(line).startswith(message)


def test_drop_in_changes_the_filter_of_a_sink(tmp_path: Path) -> None:
    main = tmp_path / "k.toml"
    main.write_text("[[sinks]]\nname = 'kern'\ntype = 'console'\nmatch = 'a'\nexclude = 'b'\n")
    drop_in = tmp_path / "k.toml.d" / "10.toml"
    drop_in.parent.mkdir()
    drop_in.write_text("[[sinks]]\nname = 'kern'\nmatch = []\nmin_severity = 'err'\n")
    (sink,) = parse_sinks(loader.load(main))
    assert sink.filter == FilterSettings(3, exclude=("b",))
    drop_in.write_text("[[sinks]]\nname = 'kern'\nmatch = '('\n")
    with pytest.raises(BadConfig, match=r"10\.toml: key sinks\[0\]\.match: expected a regular"):
        loader.load(main)
