# SPDX-License-Identifier: GPL-2.0-or-later
"""Test scripts/setup and its callers in a small project, whose libraries are wheels on the disk.

The environments are made by the real Python and pip. Making one takes some seconds, so most
tests share one, and leave it as it was.
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.needs import needs_other_users
from tests.terminals import read_to_end
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[1]
PYTHON = str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))

SETTINGS = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "klogd-py"
version = "0"
dependencies = ["small-library"]

[project.optional-dependencies]
test = ["small-tool"]
"""
BACKEND = """
import os, zipfile

NAME = "klogd_py-0-py3-none-any.whl"

def build_editable(folder, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(os.path.join(folder, NAME), "w") as wheel:
        wheel.writestr("klogd_py.pth", os.getcwd())
        about = "Metadata-Version: 2.1\\nName: klogd-py\\nVersion: 0\\n"
        wheel.writestr("klogd_py-0.dist-info/METADATA", about)
        wheel.writestr("klogd_py-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr("klogd_py-0.dist-info/RECORD", "")
    return NAME
"""
# A daemon that runs until it is ended
DAEMON = "#!/bin/sh\necho started\nexec sleep 60\n"
FAMILIES = [
    ("ID=debian", "apt-get install", "python3-venv"),
    ("ID=raspbian\nID_LIKE=debian", "apt-get install", "libsystemd-dev"),
    ('ID=linuxmint\nID_LIKE="ubuntu debian"', "apt-get install", "libsystemd-dev"),
    ("ID=fedora", "dnf install", "systemd-devel"),
    ('ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf install", "pkgconf-pkg-config"),
    ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"', "zypper install", "qemu-x86"),
    ("ID=arch", "pacman -S --needed", "systemd-libs"),
    ("ID=manjaro\nID_LIKE=arch", "pacman -S --needed", "pkgconf"),
    ("ID=alpine", "apk add", "qemu-system-aarch64"),
]
INSTALLERS = [
    ("apt-get", "apt-get install"),
    ("dnf", "dnf install"),
    ("zypper", "zypper install"),
    ("pacman", "pacman -S --needed"),
    ("apk", "apk add"),
]
TOOLS = [
    "awk",
    "cksum",
    "cut",
    "dirname",
    "find",
    "flock",
    "grep",
    "head",
    "id",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "stat",
    "sync",
    "tail",
]


def write_wheel(folder: Path, name: str) -> None:
    module = name.replace("-", "_")
    with zipfile.ZipFile(folder / f"{module}-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module}.py", "")
        about = f"{module}-1.dist-info"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def write_clone(clone: Path) -> Path:
    """A clone of a project with one library and one tool for its tests."""
    (clone / "scripts").mkdir(parents=True)
    for path in (PROJECT / "scripts").iterdir():
        if path.is_file():
            shutil.copy(path, clone / "scripts")
    shutil.copy(PROJECT / "Makefile", clone)
    (clone / "pyproject.toml").write_text(SETTINGS)
    (clone / "backend.py").write_text(BACKEND)
    for name in ("klogd_py", "tests", "bench", "wheels"):
        (clone / name).mkdir()
    (clone / "klogd_py/__init__.py").write_text("")
    write_wheel(clone / "wheels", "small-library")
    write_wheel(clone / "wheels", "small-tool")
    return clone


def environment(clone: Path, **changes: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    for key in ("VENV", "MAKEFLAGS", "MAKELEVEL"):
        kept.pop(key, None)
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{clone}/wheels", "PIP_CONFIG_FILE": os.devnull}
    return kept | pip | {"PYTHON": PYTHON} | changes


def run(
    clone: Path,
    *command: str,
    changes: Mapping[str, str] | None = None,
    user: str | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clone / command[0], *command[1:]],
        cwd=clone,
        env=environment(clone, **(changes or {})),
        user=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def is_ready(clone: Path, *options: str) -> bool:
    return run(clone, "scripts/setup", "--is-ready", *options).returncode == 0


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, list[str]]:
    """What two set-ups that began at once in one clone printed."""
    clone = write_clone(tmp_path_factory.mktemp("made") / "clone")
    both = [
        subprocess.Popen(
            [clone / "scripts/setup"],
            env=environment(clone),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    return {clone: printed}


@pytest.fixture
def made(outputs: dict[Path, list[str]]) -> Iterator[Path]:
    """A clone with an environment, without what the tests need, as before after the test."""
    (clone,) = outputs
    files = [clone / "pyproject.toml", clone / ".venv/.complete"]
    before = [path.read_text() for path in files]
    yield clone
    for path, text in zip(files, before, strict=True):
        path.write_text(text)
    assert is_ready(clone)


@pytest.fixture
def few_tools(tmp_path: Path) -> Path:
    """A directory for PATH that has no compiler, no pkg-config and no installer."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None, name
        (folder / name).symlink_to(found)
    return folder


def test_second_setup_waits_for_the_first(outputs: dict[Path, list[str]]) -> None:
    (printed,) = outputs.values()
    assert sum("making .venv with" in text for text in printed) == 1
    (waited,) = [text for text in printed if "making .venv with" not in text]
    assert waited == "another set-up is at work in this clone: waiting for it\n"


def test_setup_without_changes_needs_nothing(made: Path) -> None:
    again = run(made, "scripts/setup", changes={"PIP_FIND_LINKS": "/nowhere"})
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_killed_setup_begins_anew_and_succeeds(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "clone")
    killed = subprocess.Popen(
        [clone / "scripts/setup"],
        env=environment(clone),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until((clone / ".venv/bin/python").exists, "a Python")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not is_ready(clone)
    again = run(clone, "scripts/setup")
    assert again.returncode == 0, again.stderr
    assert ".venv was not complete or did not fit, and is made anew\n" in again.stderr
    assert is_ready(clone)


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        (r"place .*", "place /elsewhere/.venv"),
        (r"python \S+", "python 3.10"),
        (r"python (\S+) .*", r"python \1 /opt"),
        (r"project .*", "project 0 0"),
        (r"(?s).*", ""),
        (r"parts .*", "parts"),
    ],
)
def test_environment_that_does_not_fit_is_noticed(made: Path, line: str, changed: str) -> None:
    marker = made / ".venv/.complete"
    text, count = re.subn(line, changed, marker.read_text(), count=1)
    marker.write_text(text)
    assert count == 1
    assert not is_ready(made)


def test_moved_clone_is_not_ready(made: Path) -> None:
    moved = made.rename(made.with_name("moved"))
    assert not is_ready(moved)
    moved.rename(made)
    assert is_ready(made)


def test_changed_settings_are_added_in_place(made: Path) -> None:
    path = made / "pyproject.toml"
    path.write_text(path.read_text().replace('"small-library"', '"small-library", "small-tool"'))
    done = run(made, "scripts/setup")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "adding to .venv what is new\n  libraries\n  klogd-py\n"
    assert is_ready(made)
    assert not is_ready(made, "--test")


def test_part_for_tests_is_added_in_place(made: Path) -> None:
    assert not is_ready(made, "--test")
    done = run(made, "scripts/setup", "--test")
    assert (done.returncode, done.stdout) == (0, "")
    assert "adding to .venv what is new\n" in done.stderr
    assert is_ready(made, "--test")
    assert is_ready(made)


def test_failed_pip_shows_reason_and_remedy(made: Path) -> None:
    path = made / "pyproject.toml"
    path.write_text(path.read_text().replace("small-tool", "missing-tool"))
    done = run(made, "scripts/setup", "--test")
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[2] == "setup: pip cannot install the libraries"
    assert "missing-tool" in lines[-3]
    assert lines[-2:] == [
        "the whole output is in .venv/setup.log",
        "type it again; if it fails once more, begin anew with: make clean",
    ]
    assert len(lines) <= 8
    assert "missing-tool" in (made / ".venv/setup.log").read_text()
    assert not is_ready(made)


def test_pip_without_network_names_the_network(made: Path) -> None:
    path = made / "pyproject.toml"
    path.write_text(path.read_text().replace("small-tool", "missing-tool"))
    closed = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "1"}
    done = run(made, "scripts/setup", "--test", changes=closed)
    assert done.returncode == 1
    assert done.stderr.endswith("\nlook whether the network works, then type it again\n")


@pytest.mark.parametrize(("system", "command", "package"), FAMILIES)
def test_missing_packages_have_names_everywhere(
    few_tools: Path, tmp_path: Path, system: str, command: str, package: str
) -> None:
    (tmp_path / "os-release").write_text(system)
    clone = write_clone(tmp_path / "clone")
    changes = {"PATH": str(few_tools), "OS_RELEASE": str(tmp_path / "os-release")}
    options = ["--test", "--vm", "--only-packages"]
    done = run(clone, "scripts/setup", *options, changes=changes)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 2)
    assert lines[1].startswith(f"  {command} ")
    assert package in lines[1].split() or package == "python3-venv"
    assert "-" not in lines[1].split()[3:]
    assert not {"@", "="} & set(lines[1])


@pytest.mark.parametrize(("installer", "command"), INSTALLERS)
def test_unknown_system_is_known_by_its_installer(
    few_tools: Path, tmp_path: Path, installer: str, command: str
) -> None:
    (tmp_path / "os-release").write_text("ID=unheard")
    # As root set-up runs apt-get, which fails here.
    (few_tools / installer).symlink_to("/bin/false")
    clone = write_clone(tmp_path / "clone")
    changes = {"PATH": str(few_tools), "OS_RELEASE": str(tmp_path / "os-release")}
    done = run(clone, "scripts/setup", "--vm", "--only-packages", changes=changes)
    assert done.returncode == 1
    assert f"  {command} " in done.stderr


def test_system_without_known_installer_gets_names(few_tools: Path, tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text("ID=unheard")
    clone = write_clone(tmp_path / "clone")
    changes = {"PATH": str(few_tools), "OS_RELEASE": str(tmp_path / "os-release")}
    done = run(clone, "scripts/setup", "--only-packages", changes=changes)
    assert done.returncode == 1
    title, packages = done.stderr.splitlines()
    assert title == "klogd-py needs packages that are not installed; Debian calls them:"
    assert {"gcc", "pkg-config", "libsystemd-dev"} <= set(packages.split())


def test_alpine_is_made_without_systemd_library(
    made: Path, few_tools: Path, tmp_path: Path
) -> None:
    (tmp_path / "os-release").write_text("ID=alpine")
    path = made / "pyproject.toml"
    path.write_text(path.read_text().replace('"small-library"', '"systemd-python>=235"'))
    changes = {"PATH": str(few_tools), "OS_RELEASE": str(tmp_path / "os-release")}
    done = run(made, "scripts/setup", changes=changes)
    assert done.returncode == 0, done.stderr
    assert "  without systemd-python: Alpine has no libsystemd (docs/install.md)\n" in done.stderr
    assert is_ready(made)


@pytest.mark.parametrize(
    "name", ["bench", "fuzz", "generate-config", "roundtrip", "setup", "vm-lab"]
)
def test_help_of_script_installs_nothing(tmp_path: Path, name: str) -> None:
    clone = write_clone(tmp_path / "clone")
    done = run(clone, f"scripts/{name}", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"scripts/{name}" in done.stdout
    assert not (clone / ".venv").exists()


def test_interrupt_ends_make_run_in_silence(made: Path) -> None:
    daemon = made / ".venv/bin/klogd-py"
    daemon.write_text(DAEMON)
    daemon.chmod(0o755)
    terminal, other_end = pty.openpty()
    name = os.ttyname(other_end)
    # The terminal that a new session opens first is its own: Ctrl-C reaches all its processes.
    command = f"exec make run VENV=.venv <{name} >{name} 2>&1"
    make = subprocess.Popen(
        ["sh", "-c", command], cwd=made, env=environment(made), start_new_session=True
    )
    printed = b""
    while b"started" not in printed:
        printed += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    assert make.wait(timeout=30) in (0, -signal.SIGINT, 130)
    os.close(other_end)
    printed += read_to_end(terminal)
    assert printed.split() == [b"started", b"^C"]


def test_line_in_readme_makes_commands_work(made: Path, tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text().splitlines()
    (line,) = [line for line in readme if "alias sudo=" in line]
    (made / ".venv/bin/klogd-py").write_text('#!/bin/sh\necho "ran $1"\n')
    (made / ".venv/bin/klogd-py").chmod(0o755)
    # As sudo does with secure_path in Debian's /etc/sudoers
    (tmp_path / "sudo").write_text('#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    commands = f"{line}\ncd /\nklogd-py 1\necho | klogd-py 2\nsudo klogd-py 3\nsudo id -u\n"
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(
        ["sh"], input=commands, cwd=made, env={"PATH": path}, capture_output=True, text=True
    )
    assert done.stdout == f"ran 1\nran 2\nran 3\n{os.geteuid()}\n"
    assert done.stderr == ""


def test_clean_removes_all_that_was_made(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "clone")
    for name in (".venv", ".venv-python3.13", "dist", ".mypy_cache", "klogd_py/__pycache__"):
        (clone / name).mkdir()
    done = run(clone, "scripts/clean")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name for path in clone.iterdir()} == {
        *("Makefile", "backend.py", "bench", "klogd_py", "pyproject.toml"),
        *("scripts", "tests", "wheels"),
    }
    assert not (clone / "klogd_py/__pycache__").exists()


def test_directory_of_others_is_never_removed(tmp_path: Path) -> None:
    """VENV may name any directory, also one that is no virtual environment."""
    clone = write_clone(tmp_path / "clone")
    thesis = tmp_path / "papers" / "thesis"
    thesis.parent.mkdir()
    thesis.write_text("text")
    done = run(clone, "scripts/setup", changes={"VENV": str(thesis.parent)})
    assert (done.returncode, thesis.read_text()) == (1, "text")
    assert done.stderr.splitlines() == [
        f"VENV={thesis.parent} is a directory that the set-up has not made",
        f"name one that does not exist: VENV={thesis.parent}/klogd-py",
    ]


def test_clean_removes_a_link_and_not_its_target(tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "clone")
    other = tmp_path / "other"
    other.mkdir()
    (other / ".complete").write_text("text")
    (clone / ".venv").symlink_to(other)
    assert run(clone, "scripts/clean").returncode == 0
    assert not (clone / ".venv").is_symlink()
    assert (other / ".complete").read_text() == "text"


def give_to_nobody(clone: Path) -> None:
    for path in [clone, *clone.rglob("*")]:
        shutil.chown(path, "nobody", "nogroup")


def owners(clone: Path) -> set[str]:
    return {path.owner() for path in [clone, *clone.rglob("*")] if not path.is_symlink()}


@needs_other_users
def test_root_leaves_nothing_in_foreign_clone(place: Path) -> None:
    clone = write_clone(place / "clone")
    give_to_nobody(clone)
    done = run(clone, "scripts/in-venv", "python", "-c", "import klogd_py")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("this clone belongs to nobody: .venv is made as that user\n")
    (clone / "klogd_py/later.py").write_text("")
    shutil.chown(clone / "klogd_py/later.py", "nobody", "nogroup")
    # The environment's Python, called without any script, with and without its variables
    for options in ([], ["-I"]):
        command = [".venv/bin/python", *options, "-c", "import klogd_py.later"]
        assert run(clone, *command).returncode == 0
    assert owners(clone) == {"nobody"}
    assert run(clone, "scripts/setup", user="nobody").stderr == ""


@needs_other_users
def test_environment_of_root_is_an_error_with_remedy(place: Path) -> None:
    clone = write_clone(place / "clone")
    give_to_nobody(clone)
    (clone / ".venv/bin").mkdir(parents=True)
    done = run(clone, "scripts/setup", user="nobody")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        ".venv belongs to root, and nobody cannot change it",
        "remove it with: sudo make clean",
    ]
    assert "sudo make clean" in run(clone, "scripts/clean", user="nobody").stderr


@needs_other_users
def test_cache_of_root_is_an_error_with_remedy(place: Path) -> None:
    clone = write_clone(place / "clone")
    give_to_nobody(clone)
    (clone / ".mypy_cache").mkdir()
    done = run(clone, "scripts/setup", "--test", user="nobody")
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [
            ".mypy_cache belongs to root, and nobody cannot change it",
            "remove it with: sudo make clean",
        ],
    )
