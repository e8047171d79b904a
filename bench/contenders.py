# SPDX-License-Identifier: GPL-2.0-or-later
"""Who takes part, and how is each of them told to do the same job?

The job is to bring the kernel's log to a file, or to a datagram socket as a syslog daemon listens
on. Each is configured as plainly as it can be; klogd-py keeps its position and puts names to
addresses as it does by default.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from msgspec import Struct

from bench.packages import NotToBeHad, library_path, unpacked

TREE = Path(__file__).parents[1]


class Job(Enum):
    """Where the records are to go."""

    FILE = "file"
    SYSLOG = "syslog"


class Contender(Struct, frozen=True):
    """One program ready to be started.

    ``command`` brings the kernel's log to the target of a job.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]


Build = Callable[[Job, Path, Path], Contender]


def klogd_py(job: Job, target: Path, folder: Path) -> Contender:
    """The klogd-py of this tree, its configuration in a directory where nothing else changes, which
    it watches.
    """
    return klogd_py_with(folder, "", ["--sink", f"{job.value}:{target}"])


def klogd_py_with(folder: Path, configuration: str, options: list[str]) -> Contender:
    """The same with more in its configuration and on its command line."""
    (folder / "etc").mkdir()
    config = folder / "etc" / "klogd-py.toml"
    config.write_text(f'state.cursor_file = "{folder / "position.json"}"\n{configuration}')
    command = [
        sys.executable,
        "-m",
        "klogd_py",
        "--log-level",
        "error",
        "--config",
        str(config),
        *options,
    ]
    return Contender("klogd-py", command, {"PYTHONPATH": str(TREE)})


def rsyslog(job: Job, target: Path, folder: Path) -> Contender:
    """Its imkmsg, which reads /dev/kmsg as klogd-py does."""
    program, path, modules = (
        shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin"),
        "",
        "",
    )
    if program is None:
        root = unpacked("rsyslog")
        program, path = str(root / "usr/sbin/rsyslogd"), library_path(root)
        modules = str(next(root.rglob("imkmsg.so")).parent)
    config = folder / "rsyslog.conf"
    out = f'action(type="omfile" file="{target}")'
    if job is Job.SYSLOG:
        out = f'module(load="omuxsock")\n$OMUxSockSocket {target}\n*.* :omuxsock:'
    config.write_text(f'global(workDirectory="{folder}")\nmodule(load="imkmsg")\n{out}\n')
    command = [
        program,
        "-n",
        "-f",
        str(config),
        "-i",
        str(folder / "pid"),
        *(["-M", modules] if modules else []),
    ]
    return Contender("rsyslog", command, {"LD_LIBRARY_PATH": path} if path else {})


def syslog_ng(job: Job, target: Path, folder: Path) -> Contender:
    """Its reader of /dev/kmsg, as its own system() source sets it up."""
    root = unpacked("syslog-ng-core")
    modules = next(root.rglob("libaffile.so")).parent
    out = f'file("{target}")' if job is Job.FILE else f'unix-dgram("{target}")'
    config = folder / "syslog-ng.conf"
    config.write_text(
        f"@version: {modules.name}\noptions {{ stats-freq(0); }};\n"
        'source kernel { file("/dev/kmsg" program-override("kernel") flags(kernel) format("linux-kmsg")); };\n'
        f"destination out {{ {out}; }};\nlog {{ source(kernel); destination(out); }};\n"
    )
    command = [
        str(root / "usr/sbin/syslog-ng"),
        "-F",
        "--no-caps",
        f"--module-path={modules}",
        "-f",
        str(config),
    ]
    command += [
        "-R",
        str(folder / "persist"),
        "-c",
        str(folder / "control"),
        "-p",
        str(folder / "pid"),
    ]
    return Contender("syslog-ng", command, {"LD_LIBRARY_PATH": library_path(root)})


def busybox(job: Job, target: Path, folder: Path) -> Contender:
    """Its klogd and syslogd, two processes with a /dev of their own, since the way between them is
    always /dev/log.
    """
    if job is not Job.FILE:
        raise NotToBeHad("busybox: its klogd sends to /dev/log only")
    program = unpacked("busybox") / "bin/busybox"
    script = (
        "mount -t tmpfs none /mnt && mknod /mnt/kmsg c 1 11 && mknod /mnt/null c 1 3 && mount --bind /mnt /dev || exit\n"
        f"{program} syslogd -n -O {target} & sleep 0.2; {program} klogd -n & wait\n"
    )
    return Contender("busybox", ["unshare", "--mount", "sh", "-c", script], {})


def floor(reader: Path) -> Build:
    """The minimal reader in C, built from reader.c."""
    return lambda job, target, folder: Contender(
        "C reader", [str(reader), job.value, str(target)], {}
    )
