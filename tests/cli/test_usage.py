# SPDX-License-Identifier: GPL-2.0-or-later
"""What each command takes, how options are read, and how a mistake is answered."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klogd_py import __version__
from klogd_py.cli import main as cli
from klogd_py.cli.command_line import Command, Program
from klogd_py.cli.commands import KLOGD, KLOGD_PY
from klogd_py.cli.help_page import format_page
from klogd_py.cli.option_parser import WIDTH
from klogd_py.cli.parser import parse
from klogd_py.cli.usage_error import UsageError

MAP = "c0100000 T _text\nc010b800 T do_fork\nc010b900 T sys_fork\n"
SOURCES = {"map", "kallsyms", "modules", "module_files", "slide", "root", "release", "live"}
LISTING = {"since", "kinds", "report_boot", "follow", "json", "spool", "config_path"}
PUBLISHING = {"format", "public", "no_hardware"}
EVERYWHERE = {"help", "version"}
TAKEN = {
    "translate": SOURCES | {"config_path", "style", "resymbolize", "duplicate_raw"},
    "lookup": SOURCES | {"config_path", "json"},
    "maps": SOURCES | {"config_path", "json"},
    "status": {"config_path", "json", "socket"},
    "reports": LISTING,
    "reports list": LISTING,
    "reports show": {"raw", "json", "spool", "config_path"},
    "reports decode": SOURCES | PUBLISHING | {"input_format", "json", "config_path"},
    "reports export": PUBLISHING | {"spool", "config_path"},
    "reports forget": {"older", "spool", "config_path"},
    "doctor": {"config_path", "json", "root", "release"},
    "check-config": {"config_path", "json"},
    "schema": set[str](),
    "help": set[str](),
}


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return the two lines on standard error that answer a wrong command line."""
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 2
    return lines


def values(*words: str) -> dict[str, object]:
    return dict(parse(KLOGD_PY, words).line.values)


@pytest.mark.parametrize("name", TAKEN)
def test_command_takes_only_options_it_reads(name: str) -> None:
    command = KLOGD_PY.find_command(name)
    assert command is not None
    taken = {option.name for option in command.options_by_flag.values()}
    assert taken == TAKEN[name] | EVERYWHERE


def test_table_of_taken_options_has_all_commands() -> None:
    assert [None, *TAKEN] == [command.name for command in KLOGD_PY.all_commands]


def test_an_option_has_one_form_in_all_commands() -> None:
    forms: dict[str, set[bool]] = {}
    for command in KLOGD_PY.all_commands:
        for flag, option in command.options_by_flag.items():
            forms.setdefault(flag, set()).add(option.metavar is None)
    assert len(forms) > 30
    # A file that klogd writes, and what --follow is behind `reports`, as for journalctl
    assert {flag for flag, kinds in forms.items() if len(kinds) > 1} == {"-f"}


@pytest.mark.parametrize(
    ("words", "wrong", "remedy"),
    [
        ("transalte x", 'no command "transalte"', "translate"),
        ("stat", 'no command "stat"', "status"),
        ("--map m lokup 0", 'no command "lokup"', "lookup"),
        ("help dcotor", 'no command "dcotor"', "help doctor"),
        ("decode oops.txt", 'no command "decode"', "reports decode"),
        ("reports lst", 'reports has no command "lst"', "reports list"),
        ("reports last", 'reports has no command "last"', "reports show last"),
        ("reports 1:0123", 'reports has no command "1:0123"', "reports show 1:0123"),
        ("help reports lst", 'reports has no command "lst"', "help reports list"),
        ("status --sokcet /x", 'status has no option "--sokcet"', "status --socket"),
        ("--sokcet /x status", 'status has no option "--sokcet"', "status --socket"),
        (
            "translate --dup",
            'translate has no option "--dup"',
            "translate --duplicate-raw",
        ),
        ("--snik=console", 'the daemon has no option "--snik"', "--sink"),
    ],
)
def test_mistyped_word_is_answered_with_nearest(
    words: str, wrong: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, *words.split()) == [
        f"klogd-py: {wrong}",
        f"Did you mean: klogd-py {remedy}",
    ]


@pytest.mark.parametrize(
    ("words", "wrong", "page"),
    [
        ("xyzzy", 'no command "xyzzy"', ""),
        ("\x1b[31m", 'no command "\\x1b[31m"', ""),
        ("y" * 9000, f'no command "{"y" * 80}..."', ""),
        (
            f"--sink {'y' * 9000}",
            "option --sink: expected console, file:PATH, syslog[:SOCKET] or journal[:SOCKET], "
            f"got '{'y' * 80}' and 8920 characters more",
            "",
        ),
        ("--once extra", 'no command "extra"', ""),
        ("help xyzzy", 'no command "xyzzy"', ""),
        ("maps --xyzzy", 'maps has no option "--xyzzy"', "maps "),
        ("maps -Z", 'maps has no option "-Z"', "maps "),
        ("--sink console maps", "maps does not take --sink, which is for the daemon", "maps "),
        (
            "status --style off",
            "status does not take --style, which is for the daemon and translate",
            "status ",
        ),
        ("doctor --socket x", "doctor does not take --socket, which is for status", "doctor "),
        ("lookup", "lookup needs an argument: ADDRESS...", "lookup "),
        ("maps all", 'maps takes no argument, got "all"', "maps "),
        ("--config=", "option --config: expected the name of a file, got ''", ""),
        ("-f ", "option -f/--file: expected the name of a file, got ''", ""),
        ("check-config ", "FILE: expected the name of a file, got ''", "check-config "),
        ("check-config a b", "check-config takes one FILE, got 2", "check-config "),
        ("lookup 0 --map", "option -k/--map: expected a value", "lookup "),
        ("lookup 0 --map --live", "option -k/--map: expected a value", "lookup "),
        ("lookup --live=1 0", "option --live: takes no value, got '1'", "lookup "),
        ("-c9", "option -c/--console-level: expected one digit from 1 to 8, got '9'", ""),
        (
            "translate --style red",
            "option --style: expected replace, append or off, got 'red'",
            "translate ",
        ),
        (
            "-2 maps",
            "maps does not take -2/--duplicate-raw, which is for the daemon and translate",
            "maps ",
        ),
        ("-i -I", "option -I: cannot be combined with -i", ""),
    ],
)
def test_wrong_line_is_answered_with_help_page(
    words: str, wrong: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(capsys, *words.split(" ")) == [
        f"klogd-py: {wrong}",
        f"klogd-py: see klogd-py {page}--help",
    ]


def test_klogd_takes_no_command_or_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.klogd(["-n", "status"]) == 2
    assert capsys.readouterr().err == (
        'klogd: the daemon takes no argument, got "status"\nklogd: see klogd --help\n'
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--map", "MAP", "--json", "lookup", "do_fork"],
        ["lookup", "--map=MAP", "do_fork", "--json"],
        ["--json", "lookup", "-kMAP", "--", "do_fork"],
        ["-k", "MAP", "--json", "--", "lookup", "do_fork"],
    ],
    ids=" ".join,
)
def test_options_stand_before_and_behind_command(words: list[str]) -> None:
    line = parse(KLOGD_PY, words).line
    assert (line.operands, line.values) == (("do_fork",), {"map": "MAP", "json": True})


def test_word_behind_two_dashes_is_no_option() -> None:
    line = parse(KLOGD_PY, ["translate", "--live", "--", "--map", "-", "--"]).line
    assert (line.operands, line.values) == (("--map", "-", "--"), {"live": True})


def test_addresses_around_an_option_are_all_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "map").write_text(MAP)
    assert cli.main(["lookup", "c010b800", "--map", str(tmp_path / "map"), "c010b810"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
        "do_fork+0x0/0x100",
        "do_fork+0x10/0x100",
    ]


def test_style_before_the_command_is_used(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "map").write_text(MAP)
    (tmp_path / "log").write_text("[<c010b810>]\n")
    words = ["--style", "append", "translate", "--map", str(tmp_path / "map")]
    assert cli.main([*words, str(tmp_path / "log")]) == 0
    assert capfdbinary.readouterr().out == b"[<c010b810> do_fork+0x10/0x100]\n"


def test_single_letters_join_and_take_values() -> None:
    joined = values("-nc4", "-xkMAP", "-2o", "--sink=console", "--sink", "syslog")
    assert joined == values(
        *("-n", "-c", "4", "-x", "-k", "MAP", "-2", "-o", "--sink", "console", "--sink", "syslog")
    )
    assert (joined["console_level"], joined["sinks"]) == (4, ["console", "syslog"])


def test_the_later_of_two_values_counts() -> None:
    assert values("--resymbolize", "--no-resymbolize")["resymbolize"] is False
    assert values("--no-resymbolize", "--resymbolize")["resymbolize"] is True
    assert values("--map", "a", "-k", "b")["map"] == "b"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--map=-x"], {"map": "-x"}),
        (["--slide=-0x10"], {"slide": -16}),
        (["-f-"], {"klogd_file": "-"}),
        (["-f", "-"], {"klogd_file": "-"}),
        (["-k=MAP"], {"map": "MAP"}),
        (["--map="], {"map": ""}),
        (["--input", "a b"], {"input": ["a b"]}),
        (["-2"], {"duplicate_raw": True}),
    ],
    ids=str,
)
def test_value_of_an_option_is_kept(words: list[str], found: dict[str, object]) -> None:
    assert values(*words) == found


@pytest.mark.parametrize(
    "words",
    [
        ["-xZ"],
        ["-5"],
        ["--map", "-x"],
        ["--map", "--", "x"],
        ["--onc"],
        ["translate", "--sokcet=a b"],
        ["translate", "-Z a"],
        ["lookup", "-1"],
        ["-i3"],
    ],
    ids=" ".join,
)
def test_word_like_an_option_is_no_argument(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "option" in answer(capsys, *words)[0]


@pytest.mark.parametrize("word", ["--map=--", "-k--"])
def test_two_dashes_are_a_value_or_refused(word: str) -> None:
    """Versions of argparse differ."""
    try:
        found: object = values(word)
    except UsageError as error:
        found = str(error)
    assert found in ({"map": "--"}, 'no option can have the value "--"')


@given(st.lists(st.one_of(st.text(), st.sampled_from(["status", "--map", "-k", "--sink", "help"]))))
def test_any_words_are_read_or_refused(words: list[str]) -> None:
    try:
        line = parse(KLOGD_PY, words).line
    except UsageError as error:
        printed = [str(error), str(error.remedy)]
        assert [text for text in printed if not text or not text.isprintable()] == []
    else:
        assert len(line.values) + len(line.operands) <= len(words)


PAGES = [(program, command) for program in (KLOGD_PY, KLOGD) for command in program.all_commands]


@pytest.mark.parametrize(
    ("program", "command"),
    PAGES,
    ids=[program.invocation_of(command) for program, command in PAGES],
)
def test_help_page_fits_into_80_columns(program: Program, command: Command) -> None:
    page = format_page(program, command)
    assert max(map(len, page.splitlines())) <= WIDTH == 80
    assert page.startswith(f"usage: {program.invocation_of(command)}")
    for option in command.options_by_flag.values():
        # Before Python 3.13: -k FILE, --map FILE
        row = "( [A-Z]+)?, ".join(map(re.escape, option.flags))
        assert (re.search(rf"^  {row}( |$)", page, re.MULTILINE) is None) is option.hidden
    assert f"\n\nExample:\n  {command.example}\n\n" in page
    titles = re.findall(r"^([A-Z].*):$", page, re.MULTILINE)
    assert [title for title in titles if title not in ("Commands", "Arguments", "Example")] == [
        group.title for group in command.groups
    ]


@pytest.mark.parametrize(
    ("program", "command"),
    PAGES,
    ids=[program.invocation_of(command) for program, command in PAGES],
)
def test_example_on_help_page_is_right(program: Program, command: Command) -> None:
    typed = [
        re.split(" (?:&&|>) ", example)[0].removeprefix("sudo ").split()
        for example in command.example.splitlines()
    ]
    assert {name for name, *_ in typed} == {program.name}
    commands = [parse(program, words).command for _, *words in typed]
    assert commands[0] is command


@pytest.mark.parametrize("name", [*TAKEN])
def test_help_of_command_is_its_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pages = []
    for words in (["help", *name.split()], [*name.split(), "--help"], ["-h", *name.split()]):
        assert cli.main(words) == 0
        pages.append(capsys.readouterr().out)
    assert len({*pages}) == 1
    assert pages[0].startswith(f"usage: klogd-py {name}")


def test_help_alone_is_the_daemons_page(capsys: pytest.CaptureFixture[str]) -> None:
    pages = []
    for words in (["help"], ["--help"], ["-h", "--sink", "no such sink"], ["-h", "--sink"]):
        assert cli.main(words) == 0
        pages.append(capsys.readouterr().out)
    assert len({*pages}) == 1
    for command in KLOGD_PY.commands:
        assert f"\n  {command.name} " in pages[0]


@pytest.mark.parametrize("words", [["-v"], ["--version", "status"], ["maps", "-v"]], ids=" ".join)
def test_version_is_printed_whatever_the_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 0
    assert capsys.readouterr().out == f"klogd-py {__version__}\n"


MODULES = "import sys; from klogd_py.cli.main import main; main({words}); print(*sys.modules)"


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["help"], ["klogd_py.config.run_options", "klogd_py.symbols"]),
        (["status", "--socket", "/nowhere"], ["klogd_py.symbols", "klogd_py.pipeline"]),
        (["check-config", os.devnull], ["klogd_py.symbols", "klogd_py.monitoring"]),
        (["maps", "--root", "/nowhere"], ["klogd_py.monitoring", "klogd_py.sinks"]),
    ],
    ids=lambda value: value[0],
)
def test_command_imports_only_what_it_uses(words: list[str], absent: list[str]) -> None:
    program = MODULES.format(words=words)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    loaded = set(done.stdout.split())
    assert "klogd_py.cli.main" in loaded
    never = ["klogd_py.daemon", "klogd_py.lifecycle", "asyncio", "difflib"]
    assert loaded & {*never, *absent} == set()
