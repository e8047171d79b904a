# SPDX-License-Identifier: GPL-2.0-or-later
"""Check every command in the documents.

A command in a ``console`` block runs here, and must print what is shown. A command in an ``sh``
block is run by the test that ``ELSEWHERE`` names.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from klogd_py.config import loader

PROJECT = Path(__file__).parents[1]
SHIPPED = str(PROJECT / "etc/klogd-py.toml")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/guide.md", "docs/migration.md")
LINKING = sorted(
    str(path.relative_to(PROJECT)) for path in [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")]
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"<<'(\w+)'$")
_COMMENT = re.compile(r"\s+#.*")

# What needs a machine of its own: the file that runs it, and the words that run it there.
ELSEWHERE = {
    "sudo apt install git make": (".github/workflows/ci.yml", "ca-certificates git make"),
    # Without end in the foreground; here its input has an end
    "sudo make run": ("tests/test_document_commands.py", '"--input", "-"'),
    "make test": ("Makefile", "-m pytest"),
    "make test PYTHON=python3.13": ("Makefile", "export VENV = .venv$(addprefix -"),
    "make check": ("scripts/check", 'ruff" check'),
    "make bench": ("Makefile", "scripts/bench"),
    'make bench BENCH="--quick --before COMMIT"': ("Makefile", "scripts/bench $(BENCH)"),
    "make cases CASES=DIR": ("tests/test_cases.py", "scripts/cases"),
    "make config": ("Makefile", "scripts/generate-config"),
    "make vm": ("Makefile", "-m pytest -m vm tests/vm"),
    "make vm GUEST=debian12": ("Makefile", 'VM_GUEST="$*"'),
    "make rules": ("Makefile", "tests/monitoring/test_dashboard.py"),
    "PATH=$PWD/.venv/bin:$PATH; alias sudo='sudo env PATH=\"$PATH\"'": (
        "tests/test_setup.py",
        '"alias sudo="',
    ),
    "scripts/setup --test": ("tests/test_setup.py", "scripts/setup"),
    "scripts/vm-lab bare --crash EXCEPTION --keep /tmp/oops": (
        "tests/vm/test_lab.py",
        "lab",
    ),
    "scripts/vm-lab bare --crash EXCEPTION": ("tests/vm/test_lab.py", "lab"),
    "scripts/vm-lab debian12 --crash oops --shell": ("tests/vm/test_lab.py", "lab"),
    "scripts/roundtrip DIR": ("tests/test_roundtrip.py", "roundtrip"),
    "scripts/reports-score DIR": ("tests/test_reports_score.py", "report_score"),
    "scripts/release": ("tests/test_release.py", "scripts/release"),
    "scripts/fuzz --seconds 60": ("tests/test_fuzz.py", "fuzz"),
    "scripts/bare-systems --short": (".ci/run", "scripts/bare-systems --short"),
    "scripts/torture --rounds 20": ("tests/end_to_end/test_torture.py", "torture"),
    "BENCH_ENDINGS=10 .venv/bin/python -m pytest -n 0 tests/end_to_end/test_bench_cleanup.py": (
        "tests/end_to_end/test_bench_cleanup.py",
        "BENCH_ENDINGS",
    ),
    "make deb": ("tests/vm/lab/images.py", "make deb"),
    "sudo apt install ./dist/klogd-py_*.deb": (
        "tests/vm/test_package.py",
        "-i /stage/first.deb",
    ),
    "sudo make install": ("tests/test_install.py", "install"),
    "sudo systemctl enable --now klogd-py": (
        "tests/vm/test_changes.py",
        "systemctl enable -q klogd-py",
    ),
    "klogd-py check-config && sudo systemctl reload klogd-py": (
        "tests/vm/test_service.py",
        "systemctl reload klogd-py",
    ),
    "sudo klogd-py status": ("tests/end_to_end/test_status.py", '"status"'),
    "klogd-py reports": ("tests/cli/test_reports.py", "run_reports("),
    "klogd-py reports show last": ("tests/cli/test_reports.py", '"show", "last"'),
    "klogd-py reports list --since -1h --json": ("tests/cli/test_reports.py", '"--since"'),
    "klogd-py reports list -f": ("tests/cli/test_reports.py", '"list", "-f"'),
    "klogd-py reports export last --public > mail.txt": (
        "tests/cli/test_reports.py",
        '"export", "--public"',
    ),
    "klogd-py reports export last --format html > crash.html": (
        "tests/cli/test_reports.py",
        '"export", "--format", "html"',
    ),
    "klogd-py status": ("tests/end_to_end/test_status.py", '"status"'),
    "klogd-py status --json": ("tests/vm/test_service.py", "klogd-py status --json"),
    "sudo klogd-py doctor": ("tests/vm/test_service.py", "klogd-py doctor"),
    "journalctl SYSLOG_IDENTIFIER=kernel": ("tests/vm/test_journal.py", "journalctl"),
}


def blocks(document: str, kind: str) -> list[str]:
    """The fenced blocks of one kind in a document."""
    return [
        body for found, body in _BLOCK.findall((PROJECT / document).read_text()) if found == kind
    ]


def sessions(document: str) -> list[tuple[str, str]]:
    """Every command of the console blocks, with its here-document, and the output that is shown."""
    found: list[tuple[str, str]] = []
    for block in blocks(document, "console"):
        rows = iter(block.splitlines())
        for row in rows:
            if not row.startswith("$ "):
                command, shown = found.pop()
                found.append((command, f"{shown}{row}\n"))
                continue
            command = row.removeprefix("$ ")
            here = _HERE.search(command)
            while here and not command.endswith(f"\n{here[1]}"):
                command += f"\n{next(rows)}"
            found.append((command, ""))
    return found


def pattern(shown: str) -> str:
    """The output that is shown as a regular expression.

    ``...`` stands for anything, on a line of its own for any lines.
    """
    rows = [
        "(?:.*\n)*" if row == "..." else ".*".join(map(re.escape, row.split("..."))) + "\n"
        for row in shown.splitlines()
    ]
    return "".join(rows)


def play(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    surroundings = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=surroundings,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("document", ["README.md", "docs/guide.md"])
def test_command_prints_the_output_shown_below_it(document: str, tmp_path: Path) -> None:
    played = sessions(document)
    assert len(played) >= 3
    for command, shown in played:
        done = play(command, tmp_path)
        assert re.fullmatch(pattern(shown), done.stdout), f"$ {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/guide.md"])
def test_other_commands_are_run_by_existing_tests(document: str) -> None:
    rows = [row for block in blocks(document, "sh") for row in block.splitlines()]
    assert rows
    for row in rows:
        file, words = ELSEWHERE[_COMMENT.sub("", row)]
        assert words in (PROJECT / file).read_text(), row


def test_each_listed_command_stands_in_a_document() -> None:
    shown = {
        _COMMENT.sub("", row)
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for row in block.splitlines()
    }
    assert shown == set(ELSEWHERE)


@pytest.mark.parametrize("document", ["README.md", "docs/guide.md"])
def test_configuration_in_document_is_accepted(document: str) -> None:
    shown = blocks(document, "toml")
    assert shown
    for block in shown:
        assert loader.parse(block.encode(), document)


def test_link_within_project_leads_to_file() -> None:
    links = [
        (document, target)
        for document in LINKING
        for target in re.findall(r"\]\(([^)#:]+)\)", (PROJECT / document).read_text())
    ]
    assert len({document for document, _ in links}) >= 5
    for document, target in links:
        assert ((PROJECT / document).parent / target).exists(), (document, target)


def test_guide_shows_commands_in_each_section() -> None:
    sections = (PROJECT / "docs/guide.md").read_text().split("\n## ")[1:]
    assert len(sections) >= 3
    for section in sections:
        assert _BLOCK.search(section), section.splitlines()[0]


def test_make_run_shows_records_on_console(tmp_path: Path) -> None:
    """``make run`` is klogd-py with the shipped configuration, to the console."""
    options = ["--config", SHIPPED, "--sink", "console", "--input", "-"]
    command = [sys.executable, "-m", "klogd_py", *options]
    done = subprocess.run(
        command, input="<6>text\n", capture_output=True, encoding="utf-8", timeout=30, check=False
    )
    assert (done.returncode, "text" in done.stdout) == (0, True)
    assert "--config etc/klogd-py.toml --sink console" in (PROJECT / "Makefile").read_text()
