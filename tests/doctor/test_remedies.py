# SPDX-License-Identifier: GPL-2.0-or-later
"""Remedies of all findings, on machines of ten distributions."""

from pathlib import Path

import pytest

from klogd_py.doctor.check_symbols import check_debug_info
from klogd_py.doctor.distribution import Family, find_family, parse_os_release
from klogd_py.doctor.finding import Level
from klogd_py.doctor.runner import CHECKS
from tests.doctor.distributions import DISTRIBUTIONS, PROBLEMS
from tests.doctor.machines import host_of, write_machine

SYSTEMD = ("debian", "ubuntu", "fedora", "rocky", "suse", "arch", "nixos")
NIX = "in /etc/nixos/configuration.nix, then: nixos-rebuild"
# What must be in the remedy, by problem and distribution
EXPECTED = {
    "no daemon": {
        "debian": "systemctl enable --now klogd-py",
        "alpine": "rc-update add klogd-py && rc-service klogd-py start",
        "nixos": f'wantedBy = [ "multi-user.target" ]; {NIX} switch',
        "devuan": "klogd, and the same line in the init scripts",
    },
    "overrun": {
        "debian": "GRUB_CMDLINE_LINUX in /etc/default/grub, then: update-grub",
        "fedora": "grubby --update-kernel=ALL --args=log_buf_len=4M",
        "rocky": "grubby --update-kernel=ALL --args=log_buf_len=4M",
        "suse": "grub2-mkconfig -o /boot/grub2/grub.cfg",
        "arch": "/boot/loader/entries",
        "alpine": "default_kernel_opts in /etc/update-extlinux.conf, then: update-extlinux",
        "nixos": f'boot.kernelParams = [ "log_buf_len=4M" ]; {NIX} boot',
        "busybox": "to the kernel's command line in the boot loader",
    },
    "limited": {
        "debian": "sysctl -w kernel.printk_devkmsg=on",
        "nixos": f'boot.kernel.sysctl."kernel.printk_devkmsg" = "on"; {NIX} switch',
    },
    "limited at boot": {
        "ubuntu": "add printk.devkmsg=on to GRUB_CMDLINE_LINUX",
        "fedora": "grubby --update-kernel=ALL --args=printk.devkmsg=on",
    },
    "clock": {"debian": "timedatectl set-ntp true, or: date -s", "alpine": "date -s"},
    "no map": {
        "debian": "apt-get install linux-image-6.1.0-dbg",
        "ubuntu": "apt-get install linux-modules-6.1.0",
        "fedora": "dnf install kernel-core-6.1.0",
        "rocky": "dnf install kernel-core-6.1.0",
        "suse": "zypper install kernel-default",
        "arch": "pacman -S linux-zen-headers",
        "alpine": 'apk add linux-lts, then: symbols.map = "/boot/System.map-lts"',
        "nixos": 'symbols.map = "${config.boot.kernelPackages.kernel}/System.map"',
        "busybox": "copy the System.map of this kernel to /boot/System.map-6.1.0",
    },
    "no debug info": {
        "debian": "apt-get install linux-image-6.1.0-dbg",
        "ubuntu": "linux-image-6.1.0-dbgsym",
        "fedora": "dnf debuginfo-install kernel-core-6.1.0",
        "suse": "zypper --plus-content debug install kernel-default-debuginfo",
        "arch": "pacman -S linux-zen-headers",
        "alpine": "/usr/lib/debug/boot/vmlinux-6.1.0",
        "nixos": "${config.boot.kernelPackages.kernel.dev}/vmlinux",
    },
    "journal twice": {
        "suse": "systemctl restart systemd-journald",
        "nixos": f'"ReadKMsg=no"; {NIX}',
    },
    "second copy": {"debian": "/etc/rsyslog.d/ && systemctl restart rsyslog"},
    "kern lost": {"fedora": "dnf install rsyslog, or: sinks"},
    "no /dev/log": {
        "debian": "apt-get install rsyslog",
        "ubuntu": "systemctl start rsyslog",
        "suse": "zypper install rsyslog",
        "arch": "pacman -S syslog-ng && systemctl enable --now syslog-ng@default",
        "alpine": "rc-update add syslog && rc-service syslog start",
        "nixos": f"services.rsyslogd.enable = true; {NIX} switch",
        "devuan": "/etc/init.d/rsyslog start",
        "busybox": "start a syslogd",
    },
    "other klogd": {
        "debian": "systemctl disable --now klogd",
        "alpine": "rc-service klogd stop && rc-update -a del klogd",
        "busybox": "kill $(pidof klogd)",
    },
    "imklog": {"alpine": "rc-service rsyslog restart", "devuan": "/etc/init.d/rsyslog restart"},
}
COMMANDS = {
    "systemctl": SYSTEMD,
    "timedatectl": SYSTEMD,
    "rc-service": ("alpine",),
    "rc-update": ("alpine",),
    "apt-get": ("debian", "ubuntu", "devuan"),
    "update-grub": ("debian", "ubuntu", "devuan"),
    "dnf": ("fedora", "rocky"),
    "grubby": ("fedora", "rocky"),
    "zypper": ("suse",),
    "pacman": ("arch",),
    "apk": ("alpine",),
    "nixos-rebuild": ("nixos",),
}


def remedies_of(root: Path, problem: str, distribution: str) -> list[str]:
    found = PROBLEMS[problem](root, distribution)
    return [finding.remedy for finding in found if finding.level is not Level.OK]


@pytest.mark.parametrize(
    ("problem", "distribution"),
    [(problem, name) for problem, rows in EXPECTED.items() for name in rows],
)
def test_remedy_has_command_of_its_distribution(
    tmp_path: Path, problem: str, distribution: str
) -> None:
    (remedy, *_) = remedies_of(tmp_path, problem, distribution)
    assert EXPECTED[problem][distribution] in remedy


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_remedy_has_no_command_of_others(tmp_path: Path, problem: str, distribution: str) -> None:
    found = remedies_of(tmp_path, problem, distribution)
    assert found
    assert all(found)
    words = {word.strip("(),;") for remedy in found for word in remedy.split()}
    foreign = [name for name, having in COMMANDS.items() if distribution not in having]
    assert not words.intersection(foreign)


def test_container_gets_map_of_its_host(tmp_path: Path) -> None:
    container = {"run/.containerenv": b""}
    write_machine(tmp_path, {**DISTRIBUTIONS["debian"], **container})
    (finding,) = check_debug_info(host_of(tmp_path))
    assert finding.remedy.startswith("copy the vmlinux of this kernel to /usr/lib/debug/boot/")


def test_grub_alone_leads_to_its_command(tmp_path: Path) -> None:
    assert "update-grub" in remedies_of(tmp_path / "with", "overrun", "debian")[0]
    (tmp_path / "with/etc/default/grub").unlink()
    (remedy,) = [
        finding.remedy
        for check in CHECKS
        for finding in check(host_of(tmp_path / "with"))
        if finding.check == "ring"
    ]
    assert "grub" not in remedy
    assert "log_buf_len=4M" in remedy


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ('ID="linuxmint"\nID_LIKE="ubuntu debian"\n', Family.UBUNTU),
        ("ID=raspbian\nID_LIKE=debian\n", Family.DEBIAN),
        ("ID='opensuse-leap'\nID_LIKE='suse opensuse'\n", Family.SUSE),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"\n', Family.FEDORA),
        ("ID=manjaro\nID_LIKE=arch\n", Family.ARCH),
        ("ID=postmarketos\nID_LIKE=alpine\n", Family.ALPINE),
        ("# ID=debian\nNAME=Buildroot\nID=buildroot\n", Family.OTHER),
        ('ID="debian\n', Family.OTHER),
    ],
)
def test_family_follows_id_then_id_like(tmp_path: Path, text: str, family: Family) -> None:
    write_machine(tmp_path, {"etc/os-release": text.encode()})
    assert find_family(host_of(tmp_path)) is family


def test_absolute_links_stay_below_the_root(tmp_path: Path) -> None:
    write_machine(tmp_path, {"nix/store/1/os-release": b"ID=nixos\n"})
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/static").symlink_to("/nix/store/1")
    (tmp_path / "etc/os-release").symlink_to("/etc/static/os-release")
    assert find_family(host_of(tmp_path)) is Family.NIXOS
    (tmp_path / "etc/os-release").unlink()
    (tmp_path / "etc/os-release").symlink_to("/../../../../usr/lib/os-release")
    assert find_family(host_of(tmp_path)) is Family.OTHER
    (tmp_path / "etc/os-release").unlink()
    (tmp_path / "etc/os-release").symlink_to("/etc/os-release")
    assert find_family(host_of(tmp_path)) is Family.OTHER


def test_values_of_os_release_lose_quotes() -> None:
    text = "ID=debian\nNAME=\"Debian GNU/Linux\"\n#X=1\nodd\nVERSION='12 (x)'\n"
    assert parse_os_release(text) == {
        "ID": "debian",
        "NAME": "Debian GNU/Linux",
        "VERSION": "12 (x)",
    }
