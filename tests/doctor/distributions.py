# SPDX-License-Identifier: GPL-2.0-or-later
"""The files by which the doctor recognises a distribution, and machines that have a problem."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from klogd_py.doctor import check_daemon, check_kernel_log, check_log_daemons, check_symbols
from klogd_py.doctor.finding import Finding
from tests.doctor.machines import add_journald, add_process, host_of, write_machine
from tests.symbols.kernels import MAP

ZEROS = b"0000000000000000 T _stext\n0000000000000000 T do_fork\n"
NO_SYSTEMD = {"usr/lib/systemd/systemd": None}
Files = Mapping[str, bytes | None]

DISTRIBUTIONS: Mapping[str, Files] = MappingProxyType(
    {
        "debian": {"etc/os-release": b"ID=debian\n", "etc/default/grub": b""},
        "ubuntu": {
            "etc/os-release": b"ID=ubuntu\nID_LIKE=debian\n",
            "etc/default/grub": b"",
            "usr/sbin/rsyslogd": b"",
        },
        "fedora": {
            "usr/lib/os-release": b"ID=fedora\n",
            "etc/default/grub": b"",
            "usr/sbin/grubby": b"",
        },
        "rocky": {
            "etc/os-release": b'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
            "usr/sbin/grubby": b"",
        },
        "suse": {
            "etc/os-release": b'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
            "etc/default/grub": b"",
        },
        "arch": {
            "etc/os-release": b"ID=arch\n",
            "usr/lib/modules/6.1.0/pkgbase": b"linux-zen\n",
            "boot/loader/entries/arch.conf": b"",
        },
        "alpine": {
            "etc/os-release": b"ID=alpine\n",
            "etc/update-extlinux.conf": b"",
            "sbin/openrc-run": b"",
            **NO_SYSTEMD,
        },
        "nixos": {"etc/os-release": b"ID=nixos\n", **NO_SYSTEMD},
        "devuan": {
            "etc/os-release": b"ID=devuan\nID_LIKE=debian\n",
            "etc/init.d/rsyslog": b"",
            "usr/sbin/rsyslogd": b"",
            "etc/default/grub": b"",
            **NO_SYSTEMD,
        },
        "busybox": {"bin/busybox": b"", **NO_SYSTEMD},
    }
)


def _write(root: Path, distribution: str, files: Files = MappingProxyType({})) -> Path:
    return write_machine(root, {**DISTRIBUTIONS[distribution], **files})


def _has_twice(root: Path, distribution: str) -> list[Finding]:
    add_journald(_write(root, distribution))
    return check_log_daemons.check_journald(
        host_of(root, sinks=["journal"], journal={"mode": "exclusive"})
    )


def _has_second_copy(root: Path, distribution: str) -> list[Finding]:
    add_journald(_write(root, distribution), syslogd=True)
    return check_log_daemons.check_journald(host_of(root, sinks=["journal", "syslog"]))


def _lacks_kern(root: Path, distribution: str) -> list[Finding]:
    add_journald(_write(root, distribution))
    return check_log_daemons.check_dev_log(host_of(root))


def _has_other_klogd(root: Path, distribution: str) -> list[Finding]:
    add_process(_write(root, distribution), 300, "klogd", "-n")
    return check_log_daemons.check_other_daemons(host_of(root))


def _has_imklog(root: Path, distribution: str) -> list[Finding]:
    _write(root, distribution, {"etc/rsyslog.conf": b'module(load="imklog")\n'})
    add_process(root, 300, "rsyslogd", "-n")
    return check_log_daemons.check_other_daemons(host_of(root))


def _has_syslog_ng(root: Path, distribution: str) -> list[Finding]:
    _write(root, distribution, {"etc/syslog-ng/syslog-ng.conf": b"source s { system(); };\n"})
    add_process(root, 300, "syslog-ng", "-F")
    return check_log_daemons.check_other_daemons(host_of(root))


def _has_fifo_as_position(root: Path, distribution: str) -> list[Finding]:
    name = "var/lib/klogd-py/position.json"
    _write(root, distribution, {name: None})
    (root / name).parent.mkdir(parents=True)
    os.mkfifo(root / name)
    return check_daemon.check_position(host_of(root))


_Check = Callable[[Path, str], list[Finding]]
_UNPROVED: Files = {"proc/kallsyms": None, "proc/cmdline": b"nokaslr\n"}
_NO_MAP: Files = {"proc/kallsyms": None, "boot/System.map-6.1.0": None}
_FIXED: Files = {
    "proc/sys/kernel/printk_devkmsg": b"ratelimit\n",
    "proc/cmdline": b"quiet printk.devkmsg=ratelimit\n",
}
_LIMITED: Files = {"proc/sys/kernel/printk_devkmsg": b"ratelimit\n"}
_OVERRUN: Files = {"dev/kmsg": b"6,1200,5,-;text\n"}

PROBLEMS: Mapping[str, _Check] = MappingProxyType(
    {
        "no daemon": lambda root, name: check_daemon.check_daemon(host_of(_write(root, name))),
        "FIFO as position": _has_fifo_as_position,
        "no kmsg": lambda root, name: check_kernel_log.check_kernel_log(
            host_of(_write(root, name, {"dev/kmsg": None}))
        ),
        "overrun": lambda root, name: check_kernel_log.check_kernel_log(
            host_of(_write(root, name, _OVERRUN))
        ),
        "limited": lambda root, name: check_kernel_log.check_rate_limits(
            host_of(_write(root, name, _LIMITED))
        ),
        "limited at boot": lambda root, name: check_kernel_log.check_rate_limits(
            host_of(_write(root, name, _FIXED))
        ),
        "clock": lambda root, name: check_kernel_log.check_clock(
            host_of(_write(root, name), now_s=0)
        ),
        "hidden kallsyms": lambda root, name: check_symbols.check_kallsyms(
            host_of(_write(root, name, {"proc/kallsyms": ZEROS}))
        ),
        "no slide": lambda root, name: check_symbols.check_map(
            host_of(_write(root, name, {"proc/kallsyms": ZEROS}))
        ),
        "no map": lambda root, name: check_symbols.check_map(host_of(_write(root, name, _NO_MAP))),
        "unproved map": lambda root, name: check_symbols.check_map(
            host_of(_write(root, name, {**_UNPROVED, "boot/System.map-6.1.0": MAP}))
        ),
        "no debug info": lambda root, name: check_symbols.check_debug_info(
            host_of(_write(root, name))
        ),
        "journal twice": _has_twice,
        "second copy": _has_second_copy,
        "kern lost": _lacks_kern,
        "no /dev/log": lambda root, name: check_log_daemons.check_dev_log(
            host_of(_write(root, name))
        ),
        "other klogd": _has_other_klogd,
        "imklog": _has_imklog,
        "syslog-ng": _has_syslog_ng,
    }
)
