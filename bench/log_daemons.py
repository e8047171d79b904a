# SPDX-License-Identifier: GPL-2.0-or-later
"""Configure each log daemon to do the same job.

The job is to write the kernel's log to a file, or to send it to a datagram socket like /dev/log.
Each daemon has the smallest possible configuration; klogd-py saves its position and resolves
addresses, as it does by default.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path

from msgspec import Struct

from bench.packages import library_path, unpack
from bench.trees import Tree


class Job(Enum):
    """The destination of the records."""

    FILE = "file"
    SYSLOG = "syslog"


class LogDaemon(Struct, frozen=True):
    """A program to start: ``command`` sends the kernel's log to the target of a job."""

    name: str
    command: list[str]
    environment: Mapping[str, str]


Build = Callable[[Job, Path, Path], LogDaemon]


def klogd_py(tree: Tree) -> Build:
    """Return the configuration of klogd-py of a tree.

    It watches the directory of its configuration, in which nothing else changes.
    """
    return lambda job, target, folder: klogd_py_with(
        tree, folder, "", ["--sink", f"{job.value}:{target}"]
    )


def klogd_py_with(tree: Tree, folder: Path, configuration: str, options: list[str]) -> LogDaemon:
    """Configure klogd-py with more text in its configuration and more options."""
    (folder / "etc").mkdir()
    config = folder / "etc" / "klogd-py.toml"
    # The service of this machine may have the sockets and files that are the default.
    own = f'state.cursor_file = "{folder}/position.json"\nstatus.socket = "{folder}/status"\n'
    config.write_text(own + configuration)
    command = [
        *tree.program,
        "--log-level",
        "error",
        "--config",
        str(config),
        *options,
    ]
    return LogDaemon(tree.name, command, tree.environment)


def rsyslog(module: str) -> Build:
    """Return the configuration of rsyslog with imkmsg or imklog.

    imkmsg reads /dev/kmsg, as klogd-py does; imklog reads /proc/kmsg, as klogd did.
    """
    return lambda job, target, folder: _rsyslog(module, job, target, folder)


def _rsyslog(module: str, job: Job, target: Path, folder: Path) -> LogDaemon:
    """Configure rsyslog; raises Unavailable."""
    program, path, modules = (
        shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin"),
        "",
        "",
    )
    if program is None:
        root = unpack("rsyslog")
        program, path = str(root / "usr/sbin/rsyslogd"), library_path(root)
        modules = str(next(root.rglob("imkmsg.so")).parent)
    config = folder / "rsyslog.conf"
    out = f'action(type="omfile" file="{target}")'
    if job is Job.SYSLOG:
        out = f'module(load="omuxsock")\n$OMUxSockSocket {target}\n*.* :omuxsock:'
    # The records of the bench are a process's, which imklog leaves out by default.
    more = ' permitNonKernelFacility="on"' if module == "imklog" else ""
    config.write_text(f'global(workDirectory="{folder}")\nmodule(load="{module}"{more})\n{out}\n')
    command = [
        program,
        "-n",
        "-f",
        str(config),
        "-i",
        str(folder / "pid"),
        *(["-M", modules] if modules else []),
    ]
    return LogDaemon(f"rsyslog {module}", command, {"LD_LIBRARY_PATH": path} if path else {})


def syslog_ng(job: Job, target: Path, folder: Path) -> LogDaemon:
    """Configure syslog-ng to read /dev/kmsg as its system() source does. Raises Unavailable."""
    root = unpack("syslog-ng-core")
    modules = next(root.rglob("libaffile.so")).parent
    out = f'file("{target}")' if job is Job.FILE else f'unix-dgram("{target}")'
    config = folder / "syslog-ng.conf"
    config.write_text(
        f"@version: {modules.name}\noptions {{ stats-freq(0); }};\n"
        'source kernel { file("/dev/kmsg" program-override("kernel") flags(kernel) '
        'format("linux-kmsg")); };\n'
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
    return LogDaemon("syslog-ng", command, {"LD_LIBRARY_PATH": library_path(root)})


def busybox(job: Job, target: Path, folder: Path) -> LogDaemon:
    """Configure klogd and syslogd of busybox, which always communicate through /dev/log.

    The two processes therefore get a /dev of their own, and die with unshare(1). Raises
    Unavailable.
    """
    assert job is Job.FILE
    program = unpack("busybox") / "bin/busybox"
    script = (
        "mount -t tmpfs none /mnt && mknod /mnt/kmsg c 1 11 && mknod /mnt/null c 1 3 "
        "&& mount --bind /mnt /dev || exit\n"
        f"{program} syslogd -n -O {target} & sleep 0.2; {program} klogd -n & wait\n"
    )
    private = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return LogDaemon("BusyBox", [*private, "sh", "-c", script], {})


def c_reader(reader: Path) -> Build:
    """Return the configuration of the minimal reader in C, built from reader.c: the lower bound."""
    return lambda job, target, folder: LogDaemon(
        "C reader", [str(reader), job.value, str(target)], {}
    )
