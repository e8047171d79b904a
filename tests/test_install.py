# SPDX-License-Identifier: GPL-2.0-or-later
"""Test `make install` and `make uninstall` below DESTDIR, and the installed unit."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from klogd_py.sinks.report_fields import MESSAGE_ID
from tests.needs import needs_mount

PROJECT = Path(__file__).parents[1]
SYSTEMD = int(
    subprocess.check_output(["pkg-config", "--modversion", "libsystemd"], text=True).split(".")[0]
)
MAX_EXPOSED = 1.2
DOCUMENTS = sorted(
    f"usr/share/doc/klogd-py/{path.relative_to(PROJECT)}"
    for pattern in ("*.md", "docs/*.md", "docs/*.svg")
    for path in PROJECT.glob(pattern)
)
INSTALLED = [
    "etc/klogd-py.toml",
    "usr/bin/klogd-py",
    "usr/lib/systemd/catalog/klogd-py.catalog",
    "usr/lib/systemd/system/klogd-py.service",
    *(["usr/lib/systemd/system/klogd-py.service.d/notify-reload.conf"] if SYSTEMD >= 253 else []),
    "usr/lib/sysusers.d/klogd-py.conf",
    "usr/sbin/klogd",
    *DOCUMENTS,
    "usr/share/doc/klogd-py/journald-exclusive.conf",
    "usr/share/doc/klogd-py/klogd-py-dashboard.json",
    "usr/share/doc/klogd-py/klogd-py.rules.yml",
    "usr/share/doc/klogd-py/logrotate.conf",
    "usr/share/doc/klogd-py/no-capabilities.conf",
    "usr/share/doc/klogd-py/report-hook.conf",
    "usr/share/doc/klogd-py/rsyslog-klogd-py.conf",
    "usr/share/man/man5/klogd-py.toml.5",
    "usr/share/man/man8/klogd-py.8",
    "usr/share/man/man8/klogd-py-reports.8",
    "usr/share/man/man8/klogd.8",
]
# Both commands were in sbin; a directory that was half exchanged is left by a kill.
LEFT = [
    "usr/sbin/klogd-py",
    "usr/lib/klogd-py.new/x",
    "usr/lib/klogd-py.old/x",
    "usr/lib/klogd-py/klogd_py/old_module.py",
    # The configuration as that version installed it, and unchanged
    "usr/lib/klogd-py/klogd-py.toml",
    "etc/klogd-py.toml",
]
OLD = b"old"


def make(target: str, root: Path) -> str:
    places = [f"DESTDIR={root}", "PREFIX=/usr", "SYSCONFDIR=/etc"]
    ran = subprocess.run(["make", "-C", PROJECT, target, *places], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of an installation over what earlier versions left, which all tests share."""
    folder = tmp_path_factory.mktemp("root")
    for path in map(folder.__truediv__, LEFT):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(OLD)
    before = set(PROJECT.iterdir())
    assert "was kept" not in make("install", folder)
    assert set(PROJECT.iterdir()) == before, "the clone stays as it was"
    return folder


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_install_puts_every_file_below_destdir(
    root: Path,
) -> None:
    shown = [name for name in files(root) if not name.startswith("usr/lib/klogd-py/")]
    assert shown == sorted(INSTALLED)
    assert (root / "etc/klogd-py.toml.d").is_dir()
    assert (root / "usr/lib/klogd-py/klogd_py/cli/main.py").exists()


def test_links_between_installed_documents_lead_somewhere(root: Path) -> None:
    links = [
        (name, target)
        for name in DOCUMENTS
        if name.endswith(".md")
        for target in re.findall(r"\]\(([^)#:]+)\)", (root / name).read_text())
    ]
    assert len(links) >= 20
    # The licence is in /usr/share/common-licenses of a Debian, the others have no such files.
    absent = {"LICENSE", "../LICENSE"}
    for name, target in links:
        assert target in absent or ((root / name).parent / target).exists(), (name, target)


def test_install_replaces_what_earlier_versions_left(root: Path) -> None:
    left = [path for path in map(root.__truediv__, files(root)) if path.read_bytes() == OLD]
    assert left == []
    assert not any((root / name).exists() for name in LEFT if "klogd-py.toml" not in name)


# $1 is the directory of the commands that a machine with systemd has, $2 the project, $3 the root
_WITH_SYSTEMD = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system
PATH=$1:$PATH
for target in $4; do
    make -C "$2" "$target" PREFIX="$3/usr" SYSCONFDIR="$3/etc"
done
"""
_SYSTEMCTL = """#!/bin/sh
echo "$@" >>{folder}/calls
case $1 in is-active | is-enabled) [ -e {folder}/active ] ;; esac
"""


def make_with_systemd(folder: Path, targets: str, package: str = "") -> tuple[str, list[str]]:
    """Run make on a machine with systemd; return what it printed, and the calls of systemctl."""
    commands = folder / "commands"
    commands.mkdir(exist_ok=True)
    (commands / "systemctl").write_text(_SYSTEMCTL.format(folder=folder))
    (commands / "systemd-sysusers").write_text("#!/bin/sh\n")
    (commands / "journalctl").write_text(f"#!/bin/sh\necho journalctl $@ >>{folder}/calls\n")
    (commands / "sudo").write_text("#!/bin/sh\n")
    (commands / "dpkg-query").write_text(f"#!/bin/sh\necho '{package}'\n")
    for command in commands.iterdir():
        command.chmod(0o755)
    (folder / "calls").write_text("")
    words = ["unshare", "--mount", "sh", "-c", _WITH_SYSTEMD, "sh"]
    arguments = [str(commands), str(PROJECT), str(folder), targets]
    ran = subprocess.run([*words, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr, (folder / "calls").read_text().splitlines()


@needs_mount
def test_removal_stops_and_disables_the_service(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, symlinks=True, dirs_exist_ok=True)
    _, calls = make_with_systemd(tmp_path, "uninstall")
    assert calls == [
        "disable --quiet --now klogd-py.service",
        "daemon-reload",
        "journalctl --update-catalog",
    ]
    assert files(tmp_path / "usr") == []


@needs_mount
def test_installation_beside_the_package_is_reported(tmp_path: Path) -> None:
    (tmp_path / "active").touch()
    printed, calls = make_with_systemd(tmp_path, "install", package="install ok installed")
    assert {"daemon-reload", "journalctl --update-catalog"} < {*calls}
    assert calls[-1] == "restart klogd-py.service"
    assert "restarted klogd-py.service" in printed
    assert "the Debian package klogd-py is installed too" in printed
    assert "sudo make uninstall, or sudo apt remove klogd-py" in printed
    printed, calls = make_with_systemd(tmp_path, "uninstall", package="install ok installed")
    assert [call for call in calls if not call.startswith("is-")] == [
        "daemon-reload",
        "journalctl --update-catalog",
        "reenable --quiet klogd-py.service",
        "restart klogd-py.service",
    ]
    assert (tmp_path / "etc/klogd-py.toml").exists(), "it is a file of the package"
    assert "left: what belongs to the Debian package" in printed


def test_place_of_the_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho install ok installed\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    for target in ([], ["--remove"]):
        ran = subprocess.run(
            [PROJECT / "scripts/install", *target],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PREFIX": "/usr"},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 1
        assert len(ran.stderr.splitlines()) == 2
        if os.geteuid() == 0:
            assert "apt remove klogd-py" in ran.stderr


def test_installed_program_needs_only_its_own_libraries(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "msgspec.py").write_text("raise SystemExit('another one')")
    script = (
        (root / "usr/bin/klogd-py")
        .read_text()
        .replace('"/usr/lib/klogd-py"', f'"{root}/usr/lib/klogd-py"')
    )
    moved = root / "klogd-py"
    moved.write_text(script)
    moved.chmod(0o755)
    done = subprocess.run(
        [moved, "lookup", "--map", PROJECT / "tests/data/i386.map", "10"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(other)},
    )
    moved.unlink()
    assert done.stdout.startswith("0x10  -  ")
    assert done.stderr == ""


def test_systemd_analyze_verify_accepts_the_unit(root: Path) -> None:
    unit = root / "klogd-py.service"
    text = (root / "usr/lib/systemd/system/klogd-py.service").read_text()
    assert "ExecStart=/usr/bin/klogd-py\n" in text
    unit.write_text(text.replace("=/usr/bin/", f"={root}/usr/bin/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    unit.unlink()
    assert (done.returncode, done.stderr) == (0, "")


def test_unit_limits_equal_the_documented_ones() -> None:
    unit = (PROJECT / "systemd/klogd-py.service").read_text()
    reported = (PROJECT / "docs/security.md").read_text()
    for limit in ("MemoryMax=768M", "TasksMax=256"):
        assert f"\n{limit}\n" in unit
        assert f"`{limit}`" in reported


@pytest.mark.parametrize(
    ("drop_in", "most"),
    [("", MAX_EXPOSED), ("no-capabilities.conf", 0.5), ("report-hook.conf", MAX_EXPOSED)],
)
def test_unit_exposure_is_as_documented(
    root: Path, tmp_path: Path, drop_in: str, most: float
) -> None:
    unit = tmp_path / "klogd-py.service"
    unit.write_text((root / "usr/lib/systemd/system/klogd-py.service").read_text())
    if drop_in:
        with unit.open("a") as file:
            file.write((PROJECT / "systemd" / drop_in).read_text())
    shown = subprocess.check_output(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit], text=True
    )
    assert float(re.findall(r"exposure level for .*: ([0-9.]+) ", shown)[0]) <= most


def test_journal_explains_a_report_by_catalog(root: Path) -> None:
    command = ["journalctl", f"--root={root}", "--update-catalog"]
    subprocess.run(command, check=True, capture_output=True)
    dump = ["journalctl", f"--root={root}", "--dump-catalog", MESSAGE_ID]
    shown = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    shutil.rmtree(root / "var")
    assert shown.startswith(f"-- {MESSAGE_ID}\nSubject: The kernel reports a fault")
    text = shown.partition("\n\n")[2]
    assert max(map(len, text.split("\n"))) <= 80
    assert text.strip("\n").count("\n\n") == 0
    assert "klogd-py reports show @KLOGD_REPORT_ID@" in text
    assert "Documentation: man:klogd-py-reports(8)\n" in shown


def test_changed_configuration_survives_install_and_uninstall(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path, symlinks=True, dirs_exist_ok=True)
    config = tmp_path / "etc/klogd-py.toml"
    config.write_text('sinks = ["console"]\n')
    assert "was kept" in make("install", tmp_path)
    assert config.read_text() == 'sinks = ["console"]\n'
    assert "left because you changed it" in make("uninstall", tmp_path)
    assert files(tmp_path) == ["etc/klogd-py.toml"]
    config.unlink()
    left = ("etc/klogd-py.toml.part", "usr/bin/klogd-py.new", "usr/sbin/klogd.new")
    for path in (*map(tmp_path.__truediv__, left), tmp_path / "usr/lib/klogd-py.new/x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    make("uninstall", tmp_path)
    assert files(tmp_path) == []
