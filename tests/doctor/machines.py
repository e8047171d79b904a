# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories with the files of a machine that the doctor reads."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from klogd_py.config.loader import convert
from klogd_py.config.schema import Config
from klogd_py.config.symbol_choice import choose_sources
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.doctor.host import Host
from klogd_py.monitoring.status import Status
from klogd_py.symbols.symbol_loader import load_symbols
from tests.symbols.kernels import KALLSYMS, MAP

PROJECT = Path(__file__).parents[2]
NOW_S = 1_795_600_000.0
GOOD: Mapping[str, bytes] = {
    "proc/sys/kernel/osrelease": b"6.1.0\n",
    "proc/sys/kernel/printk_devkmsg": b"on\n",
    "proc/sys/kernel/printk_ratelimit": b"5\n",
    "proc/sys/kernel/printk_ratelimit_burst": b"10\n",
    "proc/kallsyms": KALLSYMS,
    "proc/modules": b"",
    "boot/System.map-6.1.0": MAP,
    "dev/kmsg": b"6,0,0,-;Linux version 6.1.0\n6,1,0,-;second\n",
    "usr/lib/systemd/systemd": b"",
    "var/lib/klogd-py/position.json": b"{}\n",
}


def write_machine(root: Path, files: Mapping[str, bytes | None] = {}) -> Path:
    """Write the files of a healthy machine, with ``files`` instead; ``None`` leaves one out."""
    for name, content in {**GOOD, **files}.items():
        if content is not None:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def add_unit(root: Path, **drop_ins: str) -> None:
    """Install the service of the repository, with drop-ins of these names and contents."""
    unit = (PROJECT / "systemd/klogd-py.service").read_text()
    folder = root / "usr/lib/systemd/system"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "klogd-py.service").write_text(unit.replace("@prefix@", "/usr"))
    for name, text in drop_ins.items():
        path = root / f"etc/systemd/system/klogd-py.service.d/{name}.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def add_process(
    root: Path, pid: int, *arguments: str, program: str = "", held: tuple[str, ...] = ()
) -> None:
    """Add a process to /proc, which has the files and sockets of ``held`` open."""
    folder = root / "proc" / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(Path(arguments[0]).name + "\n")
    (folder / "cmdline").write_text("\0".join(arguments) + "\0")
    (folder / "exe").symlink_to(program or f"/usr/sbin/{Path(arguments[0]).name}")
    for number, target in enumerate(held):
        os.symlink(target, folder / "fd" / str(number))


def add_dev_log(root: Path, inode: int) -> None:
    """Make /dev/log a socket with this inode."""
    (root / "proc/net").mkdir(parents=True, exist_ok=True)
    heading = "Num       RefCount Protocol Flags    Type St Inode Path\n"
    (root / "proc/net/unix").write_text(
        f"{heading}0000: 00000002 00000000 00000000 0002 01 {inode} /dev/log\n"
    )
    (root / "dev/log").touch()


def add_journald(root: Path, syslogd: bool = False) -> None:
    """Let journald run and own /dev/log; ``syslogd`` says whether it forwards to one."""
    folder = root / "run/systemd/journal"
    folder.mkdir(parents=True)
    (folder / "socket").touch()
    if syslogd:
        (folder / "syslog").touch()
    (root / "dev/log").symlink_to("/run/systemd/journal/dev-log")


def host_of(
    root: Path, daemon: Status | None = None, now_s: float = NOW_S, **settings: object
) -> Host:
    """Return the machine below ``root`` with these settings, as the doctor reads it."""
    config = convert(msgspec.to_builtins(Config()) | settings, "test")
    sources = choose_sources(SymbolOptions(root=str(root)), config.symbols, may_be_foreign=False)
    return Host(
        root, config, load_symbols(sources, check_all=True), sources.release or "", now_s, daemon
    )
