# SPDX-License-Identifier: GPL-2.0-or-later
"""Test what a release consists of: the Debian recipe, the workflow, the changelog.

tests/vm/test_package.py builds, installs and purges the Debian package.
"""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from klogd_py import __version__

PROJECT = Path(__file__).parents[1]
DEBIAN = PROJECT / "packaging" / "debian"
SCRIPTS = [
    PROJECT / "scripts" / name
    for name in (
        "deb",
        "install",
        "install-files",
        "release",
        "setup",
        "common.sh",
        "system-packages.sh",
    )
] + [DEBIAN / "klogd-py.postrm", DEBIAN / "klogd-py.postinst"]
NAMES = {"systemd-python": "python3-systemd"}
# Not in Debian, and its source has no text of its licence: names of Rust stay mangled there.
LEFT_OUT = {"python3-rust-demangler"}


def needed() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=!~ ]", text)[0] for text in project["dependencies"]}
    return {NAMES.get(name, f"python3-{name}") for name in names} - LEFT_OUT


def test_package_depends_on_every_needed_library() -> None:
    recipe = (PROJECT / "scripts" / "deb").read_text()
    assert (
        set(
            re.findall(
                r"python3-[a-z0-9]+",
                "".join(re.findall(r'^ *libraries="(.*)"$', recipe, re.MULTILINE)),
            )
        )
        == needed()
    )


def test_vendored_libraries_are_needed_and_hashed() -> None:
    lines = [
        line
        for line in (PROJECT / "packaging/vendored.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert lines
    for line in lines:
        found = re.fullmatch(r"([a-z0-9-]+)==[0-9.]+ --hash=sha256:[0-9a-f]{64}", line)
        assert found is not None
        assert f"python3-{found[1]}" in needed()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_script_is_valid_for_any_shell(script: Path) -> None:
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def purge(tmp_path: Path, arguments: str) -> tuple[str, list[str]]:
    """Run the postrm with commands that only tell what they were called with.

    Its errors, and these calls.
    """
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("rm", "rmdir", "getent", "userdel", "groupdel", "deluser", "delgroup"):
        (commands / name).write_text(f'#!/bin/sh\necho {name} "$@"\n')
        (commands / name).chmod(0o755)
    script = (PROJECT / "packaging/debian/klogd-py.postrm").read_text()
    done = subprocess.run(
        ["/bin/sh", "-s", arguments],
        input=script,
        env={"PATH": str(commands)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr, done.stdout.splitlines()


def test_purge_removes_files_and_keeps_user(tmp_path: Path) -> None:
    errors, called = purge(tmp_path, "purge")
    assert errors == ""
    assert "rm -rf /var/lib/klogd-py /var/log/klogd-py" in called
    assert {line.split()[0] for line in called} <= {"rm", "rmdir"}


@pytest.mark.parametrize("action", ["remove", "upgrade"])
def test_removal_without_purge_keeps_files(tmp_path: Path, action: str) -> None:
    assert purge(tmp_path, action) == ("", [])


def test_dist_that_is_not_writable_is_named(tmp_path: Path) -> None:
    for name in ("deb", "common.sh", "system-packages.sh"):
        (tmp_path / "scripts").mkdir(exist_ok=True)
        (tmp_path / "scripts" / name).write_text((PROJECT / "scripts" / name).read_text())
    (tmp_path / "dist").write_text("no directory")
    done = subprocess.run(
        ["sh", tmp_path / "scripts/deb"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot write to dist" in done.stderr
    assert done.stderr.endswith("remove it with: sudo make clean\n")


def configured(root: Path) -> list[str]:
    """Run the postinst with the places of other installations below a root; return its lines."""
    script = (DEBIAN / "klogd-py.postinst").read_text()
    script = re.sub(r"/(?:usr/local|etc)/", lambda found: f"{root}{found[0]}", script)
    done = subprocess.run(
        ["/bin/sh", "-s", "configure"], input=script, capture_output=True, text=True, check=True
    )
    return done.stderr.replace(str(root), "").splitlines()


def test_postinst_names_what_hides_the_package(tmp_path: Path) -> None:
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    (tmp_path / "usr/local/bin/klogd-py").touch()
    assert configured(tmp_path) == [
        "klogd-py: another installation hides this package: /usr/local/bin/klogd-py",
        "klogd-py: sudo make uninstall in its clone, or: sudo rm /usr/local/bin/klogd-py",
    ]
    (tmp_path / "usr/local/lib/systemd/system").mkdir(parents=True)
    (tmp_path / "usr/local/lib/systemd/system/klogd-py.service").touch()
    assert configured(tmp_path)[1].endswith(
        "klogd-py.service && sudo systemctl daemon-reload && sudo systemctl restart klogd-py"
    )


def test_postinst_is_silent_about_administrators_unit(tmp_path: Path) -> None:
    """It is masked, or made by `systemctl edit --full`."""
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/klogd-py.service").write_text("[Service]\n")
    assert configured(tmp_path) == []


def test_workflow_runs_every_declared_python() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    workflow = (PROJECT / ".github/workflows/ci.yml").read_text()
    matrix = re.findall(r"python: \[(.*)\]", workflow)
    assert len(declared) >= 2
    assert [re.findall(r'"(.*?)"', versions) for versions in matrix] == [declared]


def test_changelog_links_each_of_its_versions() -> None:
    text = (PROJECT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[([^]]+)\]", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert __version__ in versions
    assert re.findall(r"^\[([^]]+)\]: https://", text, re.MULTILINE) == versions
