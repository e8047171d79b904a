# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare the documents with what they describe.

The manual pages with the parsers and the configuration; paths and names in the other documents with
the tree. tests/config/test_config_docs.py compares what is generated from the schema.
"""

import contextlib
import io
import re
import subprocess
from pathlib import Path

import pytest

from klogd_py.cli import main as cli
from klogd_py.cli.command_line import Command
from klogd_py.cli.commands import KLOGD_PY
from klogd_py.config import loader
from klogd_py.config.errors import BadConfig
from klogd_py.config.schema import Config
from klogd_py.config.sink_tables import parse_sinks
from klogd_py.oops.provenance import Origin
from klogd_py.pipeline.boot_symbols import BootSymbols
from klogd_py.pipeline.clock import CaptureClock
from klogd_py.pipeline.stages import Stages
from klogd_py.pipeline.symbol_stage import Naming
from klogd_py.record.crash_kind import NOTES, CrashKind
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_set import SymbolSet

PROJECT = Path(__file__).parent.parent
PROGRAMS = {"klogd-py": cli.main, "klogd": cli.klogd}
PAGES = tuple(
    PROJECT / "docs" / name
    for name in ("klogd-py.8", "klogd.8", "klogd-py.toml.5", "klogd-py-reports.8")
)
COMMANDS, DROP_IN, CONFIGURATION, REPORTS = (page.read_text() for page in PAGES)

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")])
# A path below the root of the project: `klogd_py/daemon.py`, `tests/vm`, `scripts/bench micro`.
_PATH = re.compile(r"`((?:bench|docs|etc|klogd_py|packaging|scripts|systemd|tests)/[\w./-]*)")
_DROP_IN = r"```toml\n# /etc/klogd-py\.toml\.d/(\S+)\n(.*?)```"
_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
_FLAG = re.compile(r"\bFl (Fl )?([A-Za-z0-9][A-Za-z0-9-]*)")


def mandoc(page: Path, *parser: str) -> subprocess.CompletedProcess[str]:
    command = ["mandoc", *parser, str(page)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False)


def section(page: str, title: str) -> str:
    """Return the mdoc source of one section, without its heading."""
    return page.partition(f"\n.Sh {title}\n")[2].partition("\n.Sh ")[0]


def displays(text: str) -> list[str]:
    """Return the texts of the literal displays of an mdoc source."""
    return re.findall(r"^\.Bd -literal.*\n((?:.*\n)*?)\.Ed$", text, re.MULTILINE)


def listed_options(page: str) -> set[str]:
    """Return the options that have an item of their own: ``.It Fl k Ar file , Fl Fl map Ar
    file``."""
    items = re.findall(r"^\.It Fl .*$", section(page, "OPTIONS"), re.MULTILINE)
    return {("--" if long else "-") + name for item in items for long, name in _FLAG.findall(item)}


def help_of(program: str, *command: str) -> str:
    """Return what a program, or one of its commands, prints with --help."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert PROGRAMS[program]([*command, "--help"]) == 0
    return printed.getvalue()


def commands_of(program: str) -> list[str]:
    """Return the commands in --help: ``  status                    show the daemon's status``."""
    return re.findall(r"^  ([a-z][a-z-]+)  ", help_of(program), re.MULTILINE)


def options_of(program: str) -> set[str]:
    """Return every option in --help of a program and its commands: ``  -k FILE, --map FILE``.

    Those of ``reports`` have a page of their own.
    """
    names = [name for name in commands_of(program) if name != "reports"]
    return options_on(help_of(program), *(help_of(program, name) for name in names))


def options_on(*pages: str) -> set[str]:
    """Return every option on pages of help."""
    heads = [
        head for page in pages for head in re.findall(r"^ +(-.*?)(?:  |$)", page, re.MULTILINE)
    ]
    return {option for head in heads for option in re.findall(r"(?<!\S)--?[\w-]+", head)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_reports_no_warning_in_manual_page(page: Path) -> None:
    done = mandoc(page, "-T", "lint", "-W", "warning")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_renders_under_its_own_name(page: Path) -> None:
    done = mandoc(page, "-T", "utf8")
    assert done.returncode == 0
    assert done.stdout.lstrip().startswith(f"{page.stem}({page.suffix[1:]})".upper())
    assert len(done.stdout.splitlines()) > 50


@pytest.mark.parametrize(
    ("program", "page", "hidden"),
    # Without effect for klogd-py, and so not in its help
    [("klogd-py", COMMANDS, {"-n", "--foreground"}), ("klogd", DROP_IN, set())],
)
def test_page_lists_options_of_its_program(program: str, page: str, hidden: set[str]) -> None:
    assert listed_options(page) == options_of(program) | hidden
    assert not hidden & options_of(program)
    assert PROGRAMS[program]([*sorted(hidden), "--version"]) == 0


def test_page_of_reports_lists_its_options() -> None:
    commands = [command for command in KLOGD_PY.commands if command.commands]
    assert [command.name for command in commands] == ["reports"]
    names = [str(command.name).split()[1] for command in commands[0].commands]
    pages = [help_of("klogd-py", "reports", name) for name in names]
    assert listed_options(REPORTS) == options_on(*pages)
    items = re.findall(r"^\.It Cm (\S+)", section(REPORTS, "COMMANDS"), re.MULTILINE)
    assert items == names


def test_page_lists_all_kinds_of_crashes() -> None:
    items = re.findall(r"^\.It Cm (\S+)\n(.*)", section(REPORTS, "KINDS"), re.MULTILINE)
    assert [name for name, _ in items] == [kind.value for kind in CrashKind]
    notes = {name for name, text in items if text.endswith("(a note)")}
    assert notes == {kind.value for kind in NOTES}


@pytest.mark.parametrize("name", ["record", "report"])
def test_schema_has_no_names_of_python(name: str) -> None:
    text = (PROJECT / f"klogd_py/{name}.schema.json").read_text()
    assert '"description"' in text
    assert [word for word in ("`", "klogd_py.", "crash_class") if word in text] == []


def test_page_lists_the_commands_in_order() -> None:
    items = re.findall(r"^\.It Cm (\S+)", section(COMMANDS, "COMMANDS"), re.MULTILINE)
    assert items == commands_of("klogd-py")


@pytest.mark.parametrize("command", KLOGD_PY.commands, ids=lambda command: command.name)
def test_page_names_only_options_the_command_takes(command: Command) -> None:
    rows = [
        *section(COMMANDS, "SYNOPSIS").replace("\n.Cm ", "\n.It Cm ").split("\n.Nm\n.It Cm "),
        *section(COMMANDS, "COMMANDS").split("\n.It Cm "),
    ]
    found = [row.partition("\n.Nm")[0] for row in rows if row.split()[0] == command.name]
    assert len(found) == 2
    named = {("--" if long else "-") + name for row in found for long, name in _FLAG.findall(row)}
    assert named <= {*command.options_by_flag}


def test_page_lists_map_locations_in_search_order() -> None:
    search = section(COMMANDS, "SYMBOLS").partition("\n.Ss The search")[2]
    assert tuple(displays(search)[0].split()) == Config().symbols.search


def load_drop_ins(folder: Path, drop_ins: dict[str, str]) -> Config:
    """Load the shipped configuration with these drop-ins."""
    shipped = PROJECT / "etc" / "klogd-py.toml"
    main = folder / shipped.name
    main.write_bytes(shipped.read_bytes())
    main.with_name(f"{main.name}.d").mkdir()
    for name, text in drop_ins.items():
        (folder / f"{main.name}.d" / name).write_text(text)
    return loader.load(main, must_exist=True)


def test_example_of_the_page_is_accepted(tmp_path: Path) -> None:
    example = displays(section(CONFIGURATION, "EXAMPLES"))[0]
    sinks = parse_sinks(load_drop_ins(tmp_path, {"10-local.toml": example}))
    assert [(sink.name, sink.queue.when_full) for sink in sinks] == [
        ("syslog:/dev/log", "drop"),
        ("json", "wait"),
    ]


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("README.md", {"syslog:/dev/log", "journal", "file:/var/log/klogd-py/kern.json"}),
        (
            "docs/guide.md",
            {
                "syslog:/dev/log",
                "journal",
                "file:/var/log/klogd-py/kern.json",
                "file:/var/log/klogd-py/storage.log",
            },
        ),
    ],
)
def test_drop_ins_of_a_document_load_together(
    document: str, names: set[str], tmp_path: Path
) -> None:
    text = (PROJECT / document).read_text()
    drop_ins = dict(re.findall(_DROP_IN, text, re.DOTALL))
    assert text.count("```toml") == len(drop_ins)
    assert {sink.name for sink in parse_sinks(load_drop_ins(tmp_path, drop_ins))} == names


def test_errors_shown_in_page_are_reported() -> None:
    shown = displays(section(CONFIGURATION, "DESCRIPTION"))[0].splitlines()
    wrong = {
        "[symbols]\nmaps = 1": shown[0],
        "[watch]\nfiles = 1": shown[1],
        "\n\nsinks 1": shown[2],
    }
    for text, line in wrong.items():
        name = line.split(": ")[1]
        with pytest.raises(BadConfig) as raised:
            loader.parse(text.encode(), name)
        assert f"klogd-py: {raised.value}" == line


@pytest.mark.parametrize(
    ("document", "name"),
    [
        pytest.param(document, name, id=f"{document.name}:{name}")
        for document in DOCUMENTS
        for name in sorted(set(_PATH.findall(document.read_text())))
    ],
)
def test_path_named_in_document_exists(document: Path, name: str) -> None:
    assert (PROJECT / name).exists()


def test_architecture_page_names_many_paths() -> None:
    page = (PROJECT / "docs/architecture.md").read_text()
    assert len(set(_PATH.findall(page))) > 20


def read_section(title: str) -> str:
    """Return a section of the page about the architecture."""
    page = (PROJECT / "docs/architecture.md").read_text()
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def find_classes() -> set[str]:
    """Return the names of all classes of the package."""
    paths = (PROJECT / "klogd_py").rglob("*.py")
    return {name for path in paths for name in _CLASS.findall(path.read_text())}


def test_terms_of_architecture_page_are_classes() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ", read_section("Terms"), re.MULTILINE)
    terms = {term for row in rows for term in row.split(", ") if re.match(r"[A-Z]", term)}
    assert len(terms) > 10
    assert terms <= find_classes()


def test_objects_of_architecture_page_are_classes() -> None:
    objects = re.findall(r"^\| `(\w+)` \| ", read_section("Where state is"), re.MULTILINE)
    assert len(objects) > 10
    assert set(objects) <= find_classes()


def test_picture_shows_every_stage_in_order() -> None:
    symbols = BootSymbols(SymbolSet(SymbolResolver()))
    stages = Stages(
        symbols, CaptureClock(), Naming(Origin.CAPTURE), lambda job, error: None, live=False
    )
    shown = re.findall(r"^ +\|   (\w+) +[|v]  ", read_section("The way of a record"), re.MULTILINE)
    assert shown == [type(stage).__name__ for stage in stages._stages]
