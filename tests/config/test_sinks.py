# SPDX-License-Identifier: GPL-2.0-or-later
"""Sinks are short forms or tables; drop-ins add and change them; wrong ones are refused."""

from pathlib import Path

import pytest

from klogd_py.cli.commands import KLOGD_PY
from klogd_py.cli.conversion import to_run_options
from klogd_py.cli.parser import parse
from klogd_py.config import loader
from klogd_py.config.errors import BadConfig
from klogd_py.config.schema import Config
from klogd_py.config.sink_config import (
    ConsoleSinkConfig,
    FileSinkConfig,
    JournalSinkConfig,
    QueueSettings,
    RotationSettings,
    SinkConfig,
    SyslogSinkConfig,
)
from klogd_py.config.sink_shorthand import Destination, SinkType, make_absolute, parse_shorthand
from klogd_py.config.sink_tables import parse_sinks

QUEUE = QueueSettings(8192, "wait")
TYPES = "'console', 'file', 'syslog' or 'journal'"


def tables(*sinks: str) -> str:
    """Return tables ``[[sinks]]``, each with these lines."""
    return "".join(f"[[sinks]]\n{lines}\n" for lines in sinks)


def write(folder: Path, main: str | None, *drop_ins: str) -> Path:
    """Write a main file and its drop-ins 1.toml, 2.toml and so on; return the main file's path."""
    path = folder / "k.toml"
    path.with_name("k.toml.d").mkdir(parents=True, exist_ok=True)
    if main is not None:
        path.write_text(main)
    for number, text in enumerate(drop_ins, 1):
        (folder / "k.toml.d" / f"{number}.toml").write_text(text)
    return path


def load(folder: Path, main: str | None, *drop_ins: str) -> tuple[SinkConfig, ...]:
    return parse_sinks(loader.load(write(folder, main, *drop_ins)))


def names(sinks: tuple[SinkConfig, ...]) -> list[str]:
    return [sink.name for sink in sinks]


def refusal(folder: Path, main: str | None, *drop_ins: str) -> str:
    """Return the message of a refusal, with paths as seen from ``folder``."""
    with pytest.raises(BadConfig) as raised:
        load(folder, main, *drop_ins)
    assert str(raised.value).isprintable()
    return str(raised.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("shorthand", "sink"),
    [
        ("console", ConsoleSinkConfig("console", QUEUE, False, "auto")),
        ("file:/x", FileSinkConfig("file:/x", QUEUE, "/x", "text", 0o640)),
        ("file:-", FileSinkConfig("file:-", QUEUE, "-", "text", 0o640)),
        ("syslog", SyslogSinkConfig("syslog:/dev/log", QUEUE, None)),
        ("syslog:/dev/log", SyslogSinkConfig("syslog:/dev/log", QUEUE, "/dev/log")),
        ("syslog:/run/x", SyslogSinkConfig("syslog:/run/x", QUEUE, "/run/x")),
        ("journal", JournalSinkConfig("journal", QUEUE, None)),
        ("journal:/run/x", JournalSinkConfig("journal:/run/x", QUEUE, "/run/x")),
    ],
)
def test_short_form_and_its_table_are_equal(
    shorthand: str, sink: SinkConfig, tmp_path: Path
) -> None:
    assert parse_sinks(Config(sinks=(shorthand,))) == (sink,)
    to = parse_shorthand(shorthand)
    key = "path" if to.type is SinkType.FILE else "socket"
    path = f'{key} = "{to.path}"\n' if to.path is not None else ""
    assert load(tmp_path, tables(f'type = "{to.type.value}"\n{path}')) == (sink,)
    assert load(tmp_path, tables(f'name = "{shorthand}"')) == (sink,)


def test_own_keys_of_a_sink_replace_the_defaults(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        tables(
            'type = "file"\npath = "/a"',
            'type = "file"\npath = "/b"\nformat = "json"\nmode = "0600"\nqueue_kib = 64',
            'type = "console"\nformat = "text"\ncolour = "never"\nwhen_full = "wait"',
        )
        + '[file]\nformat = "klogd"\nmode = "0644"\n[console]\njson = true\n'
        + '[queue]\nlimit_kib = 128\nwhen_full = "drop"\n',
    )
    assert found == (
        FileSinkConfig("file:/a", QueueSettings(128, "drop"), "/a", "klogd", 0o644),
        FileSinkConfig("file:/b", QueueSettings(64, "drop"), "/b", "json", 0o600),
        ConsoleSinkConfig("console", QueueSettings(128, "wait"), False, "never"),
    )


def test_files_are_rotated_as_configured(tmp_path: Path) -> None:
    sinks = load(
        tmp_path,
        tables(
            'name = "file:/a"',
            'name = "file:/b"\nrotate_kib = 64\nrotate_keep = 2',
            'name = "file:/c"\nrotate_kib = 0',
            'name = "file:-"',
        )
        + "[file]\nrotate_kib = 1024\n",
    )
    assert [sink.rotation for sink in sinks if isinstance(sink, FileSinkConfig)] == [
        RotationSettings(1024, 4),
        RotationSettings(64, 2),
        None,
        None,
    ]
    (plain,) = load(tmp_path, tables('name = "file:/a"'))
    assert isinstance(plain, FileSinkConfig)
    assert plain.rotation is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # Without any list the tables of a drop-in add to the default.
        ((None, tables('name = "file:/a"')), ["syslog:/dev/log", "file:/a"]),
        (("user = ''\n", tables('name = "file:/a"')), ["syslog:/dev/log", "file:/a"]),
        # The list of the main file is complete, whatever it has.
        ((tables('name = "file:/a"'),), ["file:/a"]),
        (('sinks = ["journal"]',), ["journal"]),
        # Each drop-in adds.
        (
            ('sinks = ["journal"]', tables('name = "file:/a"'), tables('name = "file:/b"')),
            ["journal", "file:/a", "file:/b"],
        ),
        # A list with a string in it replaces, also with tables beside the string.
        (('sinks = ["journal"]', 'sinks = ["console"]'), ["console"]),
        (
            ('sinks = ["journal"]', 'sinks = ["console", { name = "file:/a" }]'),
            ["console", "file:/a"],
        ),
        ((None, tables('name = "file:/a"'), 'sinks = ["console"]'), ["console"]),
        # The other way to write tables
        (('sinks = ["journal"]', 'sinks = [{ name = "file:/a" }]'), ["journal", "file:/a"]),
    ],
)
def test_lists_replace_and_tables_add(
    files: tuple[str | None, ...], expected: list[str], tmp_path: Path
) -> None:
    main, *drop_ins = files
    assert names(load(tmp_path, main, *map(str, drop_ins))) == expected


def test_table_of_a_known_name_changes_it(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        'sinks = ["syslog", "file:/a"]',
        tables('name = "kern"\ntype = "file"\npath = "/k"\nformat = "json"\nmode = "0600"'),
        tables('name = "kern"\npath = "/l"\nformat = "text"', 'type = "syslog"\nqueue_kib = 64'),
        tables('name = "kern"\nwhen_full = "drop"', 'name = "file:/a"\nformat = "klogd"'),
    )
    assert found == (
        SyslogSinkConfig("syslog:/dev/log", QueueSettings(64, "wait"), None),
        FileSinkConfig("file:/a", QUEUE, "/a", "klogd", 0o640),
        FileSinkConfig("kern", QueueSettings(8192, "drop"), "/l", "text", 0o600),
    )


@pytest.mark.parametrize("name", ["syslog", "syslog:/dev/log"])
def test_change_of_syslog_leaves_its_routing(name: str, tmp_path: Path) -> None:
    changed = load(tmp_path, 'sinks = ["syslog"]', tables(f'name = "{name}"\nqueue_kib = 64'))
    assert changed == (SyslogSinkConfig("syslog:/dev/log", QueueSettings(64, "wait"), None),)


REFUSED = {
    'type = "journal"\nformat = "json"': (
        "key sinks[0].format: the journal has no format: it stores fields, not lines; "
        'for lines type: type = "file"'
    ),
    'type = "syslog"\nname = "log"\nsocket = "/x"\nformat = "text"': (
        "key sinks[0].format: syslog has no format (sink 'log'): RFC 3164 defines its lines; "
        'for others type: type = "file"'
    ),
    'type = "syslog"\npath = "/x"': (
        'key sinks[0].path: syslog has no path: it has a socket; type: socket = "PATH"'
    ),
    'type = "journal"\npath = "/x"': (
        'key sinks[0].path: the journal has no path: it has a socket; type: socket = "PATH"'
    ),
    'type = "file"\nsocket = "/x"': (
        'key sinks[0].socket: a file has no socket: it has a path; type: path = "PATH"'
    ),
    'type = "console"\npath = "/x"': (
        "key sinks[0].path: a console has no path: it is standard output; "
        'for a file type: type = "file"'
    ),
    'type = "console"\nmode = "0600"': (
        "key sinks[0].mode: a console has no mode: it is standard output; "
        'for a file type: type = "file"'
    ),
    'type = "journal"\nmode = "0600"': (
        "key sinks[0].mode: the journal has no mode: only a file has permissions; remove the key"
    ),
    'type = "syslog"\ncolour = "never"': (
        "key sinks[0].colour: syslog has no colour: only a console is coloured; remove the key"
    ),
    'type = "console"\nformat = "klogd"': (
        "key sinks[0].format: expected 'text' or 'json' for a console, got 'klogd'"
    ),
    'type = "file"': (
        'key sinks[0].path: expected the path of the file, such as path = "/var/log/kern.log"'
    ),
    'type = "file"\nname = "kern"': (
        "key sinks[0].path: expected the path of the file (sink 'kern'), "
        'such as path = "/var/log/kern.log"'
    ),
    'name = "kern"': f"key sinks[0].type: expected {TYPES}, as no sink before is named 'kern'",
    "queue_kib = 64": f"key sinks[0].type: expected {TYPES}, as it has no name",
    'type = "fiel"\npath = "/x"': (f"key sinks[0].type: expected {TYPES}, got 'fiel'"),
    'type = "file"\npath = "x"': "key sinks[0].path: expected an absolute path, got 'x'",
    'type = "file"\npath = "/x"\nqueue_kib = 1': (
        "key sinks[0].queue_kib: expected 64 to 1048576, got 1"
    ),
    'type = "syslog"\nrotate_kib = 64': (
        "key sinks[0].rotate_kib: syslog has no rotate_kib: only a file is rotated; remove the key"
    ),
    'type = "file"\npath = "/x"\nrotate_kib = 63': (
        "key sinks[0].rotate_kib: expected 0 (never) or 64 to 1073741824, got 63"
    ),
    'name = "file:-"\nrotate_kib = 64': (
        "key sinks[0].rotate_kib: standard output is not rotated (sink 'file:-'); remove the key"
    ),
    'type = "file"\npath = "/x"\nrotate_kib = 64\n[[sinks]]\ntype = "file"\npath = "/x.2"': (
        "key sinks.rotate_keep: expected a path of its own, got '/x.2', which sinks already has"
    ),
    'type = "file"\npath = "/x"\nlimit_kib = 64': (
        "unknown key sinks[0].limit_kib; expected one of: type, name, path, socket, format, mode,"
        " rotate_kib, rotate_keep, colour, queue_kib, when_full, min_severity, subsystem,"
        " exclude_subsystem, match, exclude"
    ),
    'type = "file"\nname = "a b"\npath = "/x"': (
        "key sinks[0].name: expected 1 to 64 letters, digits, '.', '_' and '-', "
        "or the short form of the sink, got 'a b'"
    ),
    'name = "file:/a"\npath = "/b"': (
        "key sinks[0].name: expected 'file:/b' or a word such as 'kern', got 'file:/a', "
        "which is the short form of another sink"
    ),
    'name = "journal"\ntype = "syslog"\nsocket = "/x"': (
        "key sinks[0].name: expected 'syslog:/x' or a word such as 'kern', got 'journal', "
        "which is the short form of another sink"
    ),
    'type = "file"\npath = "/x"\n[[sinks]]\nname = "file:/x"': (
        "key sinks: expected each sink once, got 'file:/x' twice"
    ),
    'type = "file"\npath = "/x"\n[[sinks]]\ntype = "file"\npath = "/y/../x"': (
        "key sinks: expected each sink once, got 'file:/y/../x' twice"
    ),
    'type = "syslog"\nname = "a"\n[[sinks]]\ntype = "journal"\nname = "a"': (
        "key sinks: expected each name once, got 'a' twice"
    ),
    'type = "file"\nname = "a"\npath = "/x"\n[[sinks]]\nname = "file:/x"': (
        "key sinks: expected each destination once, got 'file:/x' for the sinks 'a' and 'file:/x'; "
        "to change the first one: name = 'a'"
    ),
    'type = "file"\npath = "//run/klogd-py/status"': (
        "key status.socket: expected a path of its own, "
        "got '/run/klogd-py/status', which sinks already has"
    ),
    'type = "file"\npath = "/var/lib/klogd-py/position.json"': (
        "key state.cursor_file: expected a path of its own, "
        "got '/var/lib/klogd-py/position.json', which sinks already has"
    ),
}


@pytest.mark.parametrize("table", REFUSED)
def test_wrong_table_is_refused_with_the_reason(table: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / "a", tables(table)) == f"k.toml: {REFUSED[table]}"
    drop_in = refusal(tmp_path / "b", 'sinks = ["file:/other"]', "user = ''", tables(table))
    assert drop_in == f"k.toml.d/2.toml: {REFUSED[table]}"


def test_wrong_table_is_told_by_its_number(tmp_path: Path) -> None:
    right, wrong = 'type = "syslog"', 'type = "console"\nrotate_kib = 100'
    message = "key sinks[1].rotate_kib: a console has no rotate_kib: only a file is rotated"
    assert f"k.toml: {message}" in refusal(tmp_path / "a", tables(right, wrong))
    drop_in = refusal(tmp_path / "b", 'sinks = ["file:/other"]', tables(right, wrong))
    assert f"k.toml.d/1.toml: {message}" in drop_in


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ('name = "kern"\nsocket = "/s"', "key sinks[0].socket: a file has no socket (sink 'kern')"),
        ('name = "kern"\ntype = "syslog"', "key sinks[0].path: syslog has no path (sink 'kern')"),
        (
            'name = "file:/a"\npath = "/b"',
            "key sinks[0].name: expected 'file:/b' or a word such as 'kern', got 'file:/a', "
            "which is the short form of another sink",
        ),
        (
            'name = "syslog"\ntype = "console"',
            "key sinks[0].name: expected 'console' or a word such as 'kern', "
            "got 'syslog:/dev/log', which is the short form of another sink",
        ),
        (
            'name = "other"\ntype = "file"\npath = "/k"',
            "key sinks: expected each destination once, got 'file:/k' for the sinks 'kern' and "
            "'other'; to change the first one: name = 'kern'",
        ),
    ],
)
def test_wrong_change_names_the_later_file(added: str, message: str, tmp_path: Path) -> None:
    kern = 'name = "kern"\ntype = "file"\npath = "/k"'
    main = tables(kern, 'name = "file:/a"', 'name = "syslog"')
    found = refusal(tmp_path, main, tables(added), tables('name = "file:/c"'))
    assert found.startswith(f"k.toml.d/1.toml: {message}")


def test_too_many_sinks_name_the_last_file(tmp_path: Path) -> None:
    many = tables(*(f'name = "file:/{number}"' for number in range(100)))
    more = tables(*(f'name = "file:/x{number}"' for number in range(29)))
    message = "k.toml.d/1.toml: key sinks: expected at most 128 sinks, got 129"
    assert refusal(tmp_path, many, more) == message


def test_two_lists_in_a_file_are_explained(tmp_path: Path) -> None:
    found = refusal(tmp_path, 'sinks = ["syslog"]\n' + tables('name = "file:/a"'))
    assert found.startswith("k.toml: not TOML: ")
    assert found.endswith("; a file has either sinks = [...] or [[sinks]]")


def test_limits_beside_the_sink_name_their_replacement(tmp_path: Path) -> None:
    assert refusal(tmp_path, '[queue.sink."file:/x"]\nlimit_kib = 64') == (
        "k.toml: key queue.sink is now sinks, whose tables have the keys queue_kib and when_full"
    )


@pytest.mark.parametrize(
    ("text", "absolute"),
    [
        ("file:x", "file:/here/x"),
        ("file:/x", "file:/x"),
        ("syslog:x/y", "syslog:/here/x/y"),
        ("file:-", "file:-"),
        ("syslog", "syslog"),
        ("file:", "file:"),
    ],
)
def test_relative_path_is_taken_from_the_folder(text: str, absolute: str) -> None:
    assert make_absolute(text, Path("/here")) == absolute


def test_one_destination_has_one_normalized_form() -> None:
    assert (
        Destination(SinkType.SYSLOG).normalized
        == Destination(SinkType.SYSLOG, "/dev/x/../log").normalized
    )
    assert Destination(SinkType.JOURNAL).normalized == Destination(SinkType.JOURNAL)
    spellings = ("/a/b", "//a/b", "///a//b", "/a/./b/")
    assert {Destination(SinkType.FILE, path).normalized.path for path in spellings} == {"/a/b"}


def with_options(main: Path, *options: str) -> tuple[SinkConfig, ...]:
    """Return the sinks of a run with a configuration and options."""
    parsed = parse(KLOGD_PY, ["--config", str(main), *options])
    return parse_sinks(to_run_options(parsed.line).load_config())


def test_option_sink_replaces_all_configured_sinks(tmp_path: Path) -> None:
    main = write(tmp_path, tables('name = "file:/a"\nformat = "json"'), tables('name = "journal"'))
    assert with_options(main, "--sink", "file:/a") == (
        FileSinkConfig("file:/a", QUEUE, "/a", "text", 0o640),
    )
    assert names(with_options(main)) == ["file:/a", "journal"]


def test_option_json_applies_to_configured_console(tmp_path: Path) -> None:
    main = write(tmp_path, tables('type = "console"\nformat = "text"', 'name = "file:/a"'))
    assert [getattr(sink, "is_json", None) for sink in with_options(main)] == [False, None]
    assert [getattr(sink, "is_json", None) for sink in with_options(main, "--json")] == [True, None]
