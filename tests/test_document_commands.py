# SPDX-License-Identifier: GPL-2.0-or-later
"""Every command in the documents.

Run here with its output held against what is shown, or by a test that is named here.
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
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"<<'(\w+)'$")
_COMMENT = re.compile(r"\s+#.*")

# What needs a machine of its own: which file runs it, and the words by which it does.
ELSEWHERE = {
    "make run": (
        "tests/test_document_commands.py",
        '"--input", "-"',
        # In the foreground without end; here with an end
    ),
    "make test": ("Makefile", "-m pytest"),
    "make check": ("Makefile", "ruff check"),
    "make bench": ("Makefile", "scripts/bench"),
    "make vm": ("Makefile", "-m pytest -m vm tests/vm"),
    "make vm GUEST=debian12": ("Makefile", 'VM_GUEST="$*"'),
    "scripts/setup --test": ("Makefile", "scripts/setup --test"),
    "scripts/vm-lab bare --crash EXCEPTION --keep /tmp/oops": (
        "tests/vm/test_laboratory.py",
        "lab",
    ),
    "scripts/vm-lab bare --crash EXCEPTION": ("tests/vm/test_laboratory.py", "lab"),
    "scripts/vm-lab debian12 --crash oops --shell": ("tests/vm/test_laboratory.py", "lab"),
    "scripts/roundtrip DIR": ("tests/test_roundtrip.py", "roundtrip"),
    "scripts/fuzz --seconds 60": ("tests/test_fuzz.py", "fuzz"),
    "scripts/torture --rounds 20": ("tests/journeys/test_torture.py", "torture"),
    "make deb": ("tests/vm/lab/images.py", "make deb"),
    "sudo apt install ./dist/klogd-py_*.deb": (
        "tests/vm/test_package.py",
        "dpkg -i /stage/first.deb",
    ),
    "sudo make install": ("tests/test_install.py", "install"),
    "sudo systemctl daemon-reload": ("tests/vm/lab/guests.py", "systemctl daemon-reload"),
    "sudo systemctl enable --now klogd-py": (
        "tests/vm/test_changes.py",
        "systemctl enable -q klogd-py",
    ),
    "klogd-py check-config && systemctl reload klogd-py": (
        "tests/vm/test_service.py",
        "systemctl reload klogd-py",
    ),
    "sudo klogd-py status": ("tests/journeys/test_status.py", '"status"'),
    "klogd-py status": ("tests/journeys/test_status.py", '"status"'),
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
def test_every_command_that_is_shown_with_its_output_prints_just_that(
    document: str, tmp_path: Path
) -> None:
    played = sessions(document)
    assert len(played) >= 3
    for command, shown in played:
        done = play(command, tmp_path)
        assert re.fullmatch(pattern(shown), done.stdout), f"$ {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/guide.md"])
def test_every_other_command_is_run_by_a_test_that_is_there(document: str) -> None:
    rows = [row for block in blocks(document, "sh") for row in block.splitlines()]
    assert rows
    for row in rows:
        file, words = ELSEWHERE[_COMMENT.sub("", row)]
        assert words in (PROJECT / file).read_text(), row


def test_no_command_is_listed_that_no_document_shows() -> None:
    shown = {
        _COMMENT.sub("", row)
        for document in DOCUMENTS
        for block in blocks(document, "sh")
        for row in block.splitlines()
    }
    assert shown == set(ELSEWHERE)


@pytest.mark.parametrize("document", ["README.md", "docs/guide.md"])
def test_every_configuration_shown_loads(document: str) -> None:
    shown = blocks(document, "toml")
    assert shown
    for block in shown:
        assert loader.parse(block.encode(), document)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/migration.md"])
def test_every_relative_link_has_a_target(document: str) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", (PROJECT / document).read_text())
    assert targets
    for target in targets:
        assert ((PROJECT / document).parent / target).exists(), target


@pytest.mark.parametrize("document", ["docs/guide.md"])
def test_the_guide_shows_commands_for_each_of_its_places(document: str) -> None:
    text = (PROJECT / document).read_text()
    places = text.split("\n## ")[1:]
    assert len(places) >= 3
    for place in places:
        assert _BLOCK.search(place), place.splitlines()[0]


def test_what_runs_without_end_runs_with_one(tmp_path: Path) -> None:
    """``make run`` is klogd-py with the shipped configuration, to the console."""
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--config",
        SHIPPED,
        "--sink",
        "console",
        "--input",
        "-",
    ]
    done = subprocess.run(
        command, input="<6>text\n", capture_output=True, encoding="utf-8", timeout=30, check=False
    )
    assert (done.returncode, "text" in done.stdout) == (0, True)
    assert "--config etc/klogd-py.toml --sink console" in (PROJECT / "Makefile").read_text()
