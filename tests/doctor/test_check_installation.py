# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path

import pytest

from klogd_py.doctor import check_installation
from klogd_py.doctor.finding import Level
from tests.doctor.machines import host_of, write_machine

PACKAGE: dict[str, bytes | None] = {
    "var/lib/dpkg/info/klogd-py.list": b"/usr/bin/klogd-py\n",
    "usr/bin/klogd-py": b"",
}


def test_package_alone_is_hidden_by_nothing(tmp_path: Path) -> None:
    assert check_installation.check_shadow(host_of(write_machine(tmp_path, PACKAGE))) == []


@pytest.mark.parametrize("path", check_installation.LOCAL_FILES)
def test_file_before_the_package_is_named(tmp_path: Path, path: str) -> None:
    write_machine(tmp_path, PACKAGE | {path.lstrip("/"): b""})
    (finding,) = check_installation.check_shadow(host_of(tmp_path))
    assert finding.level is Level.WARNING
    assert f"make uninstall in its clone, or: rm {path}" in finding.remedy
    assert finding.remedy.endswith("restart klogd-py") == path.endswith(".service")
    assert path in finding.words


def test_masked_unit_does_not_hide_the_package(tmp_path: Path) -> None:
    write_machine(tmp_path, PACKAGE | {"etc/systemd/system/other": b""})
    (tmp_path / "etc/systemd/system/klogd-py.service").symlink_to("/dev/null")
    assert check_installation.check_shadow(host_of(tmp_path)) == []


def test_postinst_and_doctor_name_same_files() -> None:
    postinst = Path(__file__).parents[2] / "packaging/debian/klogd-py.postinst"
    listed = postinst.read_text().split('FILES="')[1].split('"')[0].split()
    assert tuple(listed) == check_installation.LOCAL_FILES


def test_local_installation_alone_is_no_problem(tmp_path: Path) -> None:
    write_machine(tmp_path, {"usr/local/bin/klogd-py": b"", "usr/local/sbin/klogd": b""})
    assert check_installation.check_shadow(host_of(tmp_path)) == []


def test_libraries_of_other_machine_stay_unchecked(tmp_path: Path) -> None:
    assert check_installation.check_libraries(host_of(write_machine(tmp_path))) == []


@pytest.mark.parametrize(("packed", "wanted"), [(b".zst", True), (b".xz", False), (b"", False)])
def test_modules_in_zstd_need_the_library(tmp_path: Path, packed: bytes, wanted: bool) -> None:
    line = b"kernel/fs/ext4/ext4.ko%b: kernel/lib/crc16.ko%b\n" % (packed, packed)
    host = host_of(tmp_path)
    write_machine(tmp_path, {f"lib/modules/{host.release}/modules.dep": line})
    assert check_installation.has_zstd_modules(host) == wanted


def test_libraries_that_import_are_one_finding() -> None:
    (finding,) = check_installation.check_libraries(host_of(Path("/")))
    assert finding.level is Level.OK
    assert finding.words == "systemd-python, watchdog, pyroute2"
