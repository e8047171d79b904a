# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration file and the manual page are generated from the schema."""

import tomllib
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Struct

from klogd_py.config import loader
from klogd_py.config.schema import Config
from klogd_py.config.value_types import KiB, Length
from scripts.config_docs import description, manual_page, mdoc_text, toml_file
from scripts.config_docs.description import Description, Example, Item, Items, Paragraph
from scripts.config_docs.documents import CONFIGURATION, PAGE, REPORT_SCHEMA, SCHEMA, generate
from scripts.config_docs.reference import NotDescribed, Table, read

DEFAULTS = msgspec.json.decode(msgspec.json.encode(Config()), type=dict[str, object])
REFERENCE = read(Config)


class Mode(Enum):
    """An enum of a schema."""

    FAST = "fast"
    SLOW = "slow"


class Sink(Struct):
    """A sink of its own. Several files can add some.

    For example::

        [[sinks]]
        name = "a"

        [[sinks]]
        name = "b"
        limit_kib = 64
    """

    name: str
    """The name."""
    limit_kib: KiB | None = None
    """How much may wait."""
    kind: Literal["file", "log"] | None = None
    """What it is:

    * "file": a file

      This is a detail.
    * "log": a log
    """


class Small(Struct):
    """A schema with what the real one may have."""

    sinks: Annotated[tuple[str | Sink, ...], Length(1, 3, "sink")] = ("syslog",)
    """Where records go."""
    mode: Mode = Mode.FAST
    """How.

    This is a detail.
    """


def table_with(default: object, kind: object) -> type[Struct]:
    """A schema whose only key has no description."""
    return msgspec.defstruct("Broken", [("key", kind, default)], module=__name__)


def defaults_in(page: str) -> str:
    """The section KEYS as TOML: subsections are tables, items and displays their lines."""
    rows = []
    is_display = is_entry = False
    for row in page.partition("\n.Sh KEYS\n")[2].partition("\n.Sh ")[0].splitlines():
        if row in (".Bd -literal", ".Ed"):
            is_display = row != ".Ed"
        elif row.startswith(".Ss "):
            # Any number of tables, and none by default
            is_entry = "[[" in row
            rows += [] if is_entry else [row.removeprefix(".Ss ")]
        elif is_display or (row.startswith(".It Li ") and " = " in row and not is_entry):
            rows.append(row.removeprefix(".It Li ").replace(r"\(dq", '"'))
    return "\n".join(rows)


@pytest.mark.parametrize(
    "path", [CONFIGURATION, PAGE, SCHEMA, REPORT_SCHEMA], ids=lambda path: path.name
)
def test_file_in_the_tree_is_up_to_date(path: Path) -> None:
    # If not: make config
    assert path.read_text() == generate()[path]


def test_shipped_configuration_equals_the_defaults(tmp_path: Path) -> None:
    assert tomllib.loads(CONFIGURATION.read_text()) == DEFAULTS
    # Away from whatever drop-ins may lie beside it
    copy = tmp_path / CONFIGURATION.name
    copy.write_bytes(CONFIGURATION.read_bytes())
    assert loader.load(copy, must_exist=True) == Config()


def test_page_shows_every_key_with_its_default() -> None:
    assert tomllib.loads(defaults_in(PAGE.read_text())) == DEFAULTS


def test_lines_of_configuration_fit_hundred_columns() -> None:
    lines = CONFIGURATION.read_text().splitlines()
    assert len(lines) > 150
    assert [line for line in lines if len(line) > 100] == []


def test_every_field_of_a_section_is_described() -> None:
    described = {
        f"{table.heading.strip('[]')}.{key.name}".strip(".")
        for table in REFERENCE
        if not table.is_entry
        for key in table.keys
        if key.description.blocks
    }
    assert described == {
        f"{name}.{key}" if isinstance(below, dict) else name
        for name, below in DEFAULTS.items()
        for key in (below if isinstance(below, dict) else [""])
    }


@pytest.mark.parametrize("table", REFERENCE, ids=lambda table: table.heading or "root")
def test_example_in_a_description_is_accepted(table: Table, tmp_path: Path) -> None:
    blocks = [*table.description.blocks, *(b for k in table.keys for b in k.description.blocks)]
    examples = [block.text for block in blocks if isinstance(block, Example)]
    assert examples or not table.is_entry
    for example in examples:
        (tmp_path / "example.toml").write_text(example)
        assert loader.load(tmp_path / "example.toml") != Config()


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (table_with("", str), "Broken.key: an empty description"),
        (table_with(0, Literal[0, 1]), "Broken.key: an empty description"),
    ],
)
def test_key_without_a_description_is_refused(schema: type[Struct], reason: str) -> None:
    with pytest.raises(NotDescribed) as raised:
        read(schema)
    assert str(raised.value) == reason


def test_choice_without_an_item_is_refused() -> None:
    class Incomplete(Struct):
        """A table."""

        style: Literal["on", "off"] = "on"
        """Whether:

        * "on": it is
        """

    with pytest.raises(NotDescribed, match=r"Incomplete\.style: the items are \['on'\]"):
        read(Incomplete)


def test_table_without_a_description_is_refused() -> None:
    class Silent(Struct):
        key: bool = False
        """A key."""

    with pytest.raises(NotDescribed, match="Silent: an empty description"):
        read(Silent)


def test_list_of_tables_is_a_comment() -> None:
    text = toml_file.render(read(Small))
    assert text == (
        "# Where records go. 1 to 3 sinks.\n"
        'sinks = ["syslog"]\n\n'
        '# How. One of "fast" or "slow".\n'
        'mode = "fast"\n\n'
        "# A sink of its own. Several files can add some.\n"
        "#   name: The name.\n"
        "#   limit_kib: How much may wait: 64 to 1048576 KiB.\n"
        "#   kind: What it is:\n"
        '#       "file": a file\n'
        '#       "log": a log\n'
        "#\n"
        '#[[sinks]]\n#name = "a"\n#\n#[[sinks]]\n#name = "b"\n#limit_kib = 64\n'
    )


def test_page_has_a_subsection_of_entries() -> None:
    text = manual_page.render(read(Small))
    assert (
        ".It Li mode = \\(dqfast\\(dq\nOne of\n.Qq fast\nor\n.Qq slow .\nHow.\nThis is a detail.\n"
        ".El\n.Ss [[sinks]]\nA sink of its own.\nSeveral files can add some.\nFor example:\n"
        ".Bd -literal -offset indent\n[[sinks]]\n"
    ) in text
    assert ".It Li limit_kib\nNumber: 64 to 1048576 KiB.\nHow much may wait.\n" in text


DOCSTRING = """What to do:

    * "wait", "hold": Leave them
      where they are.

      A detail.
    * "drop": Drop them.

    For one sink::

        [queue]

        sink = {}

    The end.
    """
PARSED = Description(
    (
        Paragraph("What to do:"),
        Items(
            (
                Item(("wait", "hold"), ("Leave them where they are.", "A detail.")),
                Item(("drop",), ("Drop them.",)),
            )
        ),
        Paragraph("For one sink:"),
        Example("[queue]\n\nsink = {}"),
        Paragraph("The end."),
    )
)


def test_docstring_is_parsed_into_its_blocks() -> None:
    parsed = description.parse(DOCSTRING)
    assert parsed == PARSED
    assert parsed.terms == ["wait", "hold", "drop"]


def test_reason_for_a_size_is_left_out() -> None:
    found = description.parse("Text.\n\nSize: one field for each key.\n\nMore.")
    assert found.blocks == (Paragraph("Text."), Paragraph("More."))


def test_brief_description_ends_before_second_paragraph() -> None:
    assert PARSED.brief == (
        Paragraph("What to do:"),
        Items((Item(("wait", "hold"), ("Leave them where they are.",)), PARSED_DROP)),
    )


PARSED_DROP = Item(("drop",), ("Drop them.",))


@pytest.mark.parametrize(
    ("docstring", "reason"),
    [
        ("", "an empty description"),
        ("A text.\n\n    [queue]\n\nMore.\n", "an indented block behind no item"),
        ("A list:\n\n* drop: Drop them.\n", "expected an item such as"),
        ('* "drop": Drop them.\n', "does not begin with a paragraph"),
    ],
)
def test_docstring_in_another_form_is_refused(docstring: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        description.parse(docstring)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("One. Two; three.", ["One.", "Two; three."]),
        (
            'The form "unix:PATH" or "a b", too.',
            ["The form", ".Qq unix: Ns Ar path", "or", ".Qq a b ,", "too."],
        ),
        ("See syslog(2) (and klogd(8)).", ["See", ".Xr syslog 2", "(and", ".Xr klogd 8 ) ."]),
        (
            "It owns /dev/log, $NO_COLOR and CAP_SYSLOG.",
            ["It owns", ".Pa /dev/log ,", ".Ev NO_COLOR", "and", ".Dv CAP_SYSLOG ."],
        ),
        ("Give --no-json to `klogd-py status`.", ["Give", ".Fl Fl no-json", "to"]),
        ("Read ``[<a>]`` or ``No .``", ["Read", ".Ql [<a>]", "or", r".Ql \&No \&."]),
        (r".x is a\b", [r"\&.x is a\eb"]),
    ],
)
def test_text_becomes_lines_of_mdoc(text: str, lines: list[str]) -> None:
    assert list(mdoc_text.sentences(text))[: len(lines)] == lines


@pytest.mark.parametrize("text", ['x"a"', "``a``s", 'the "a"-form'])
def test_mark_that_touches_a_word_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="touches a word"):
        list(mdoc_text.sentences(text))


@pytest.mark.parametrize("render", [toml_file.render, manual_page.render])
def test_default_without_a_form_is_refused(render: Callable[[list[Table]], str]) -> None:
    class Odd(Struct):
        """A table."""

        ratio: float = 0.5
        """A key."""

    with pytest.raises(TypeError, match=r"a default without a form in TOML: 0\.5"):
        render(read(Odd))
