# SPDX-License-Identifier: GPL-2.0-or-later
"""Can the kernel's log be read, and does the kernel keep all of it?

Source of truth: Documentation/ABI/testing/dev-kmsg; Documentation/admin-guide/sysctl/kernel.rst
(printk_devkmsg, printk_ratelimit, dmesg_restrict); Documentation/admin-guide/kernel-parameters.txt
log_buf_len.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.pipeline.printk_clock import UNSET_BEFORE_US
from klogd_py.sources import kmsg_format
from klogd_py.system.regular_file import open_regular

_KMSG_NUMBER = os.makedev(1, 11)
_GROW = "add log_buf_len=4M to GRUB_CMDLINE_LINUX in /etc/default/grub, then: update-grub && reboot"


def check_kernel_log(host: Host) -> list[Finding]:
    """Whether /dev/kmsg can be read, and whether its oldest record is the first of the boot."""
    try:
        oldest = _oldest(host)
    except OSError as error:
        return [_unreadable(host, error)]
    readable = ok("kernel log", "/dev/kmsg can be read")
    if oldest is None:
        return [readable, ok("ring", "no record is in it just now")]
    return [readable, _ring(host, oldest)]


def check_rate_limits(host: Host) -> list[Finding]:
    """What the kernel leaves out before it gives it a number, so that nobody can count it."""
    mode = host.text("/proc/sys/kernel/printk_devkmsg")
    period_s, burst = (
        host.text("/proc/sys/kernel/printk_ratelimit"),
        host.text("/proc/sys/kernel/printk_ratelimit_burst"),
    )
    own = (
        f"of its own repeated messages the kernel prints {burst} in {period_s} s"
        if period_s not in ("", "0")
        else ""
    )
    remedy = "sysctl -w kernel.printk_devkmsg=on"
    if mode == "off":
        found = warn("rate limit", "what programs write to /dev/kmsg is thrown away", remedy)
    elif mode == "ratelimit":
        words = (
            "a program that writes more than 10 lines in 5 s to /dev/kmsg loses the rest, uncounted"
        )
        found = warn("rate limit", words, remedy)
    else:
        found = ok(
            "rate limit",
            "what programs write to /dev/kmsg is kept"
            if mode
            else "this kernel has none for /dev/kmsg",
        )
    return [found, ok("printk", own)] if own else [found]


def check_clock(host: Host) -> list[Finding]:
    """Whether the wall clock can be right."""
    if host.now_s < UNSET_BEFORE_US / 1_000_000:
        words = "the wall clock has not been set: times in the log are those of the kernel's start"
        return [fail("clock", words, "timedatectl set-ntp true, or: date -s 'YYYY-MM-DD hh:mm'")]
    if host.has("/run/systemd/timesync") and not host.has("/run/systemd/timesync/synchronized"):
        return [warn("clock", "it is set, but not yet synchronised", "timedatectl timesync-status")]
    return [ok("clock", "the wall clock is set")]


def _oldest(host: Host) -> int | None:
    """The sequence number of the oldest record; raises OSError."""
    path = host.at("/dev/kmsg")
    if _is_log(os.stat(path)):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    elif host.root == Path("/"):
        raise OSError(errno.ENODEV, "not the kernel's log device, as in containers")
    else:
        # The files of a host that does not run
        descriptor = open_regular(path)
    try:
        with contextlib.suppress(BlockingIOError):
            # The ring may run over between opening and reading
            for _ in range(2):
                with contextlib.suppress(BrokenPipeError):
                    first = os.read(descriptor, kmsg_format.BUFFER_BYTES).partition(b"\n")[0]
                    return kmsg_format.parse_all([first + b"\n"])[0].seq if first else None
        return None
    finally:
        os.close(descriptor)


def _is_log(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _KMSG_NUMBER


def _unreadable(host: Host, error: OSError) -> Finding:
    if error.errno in (errno.EPERM, errno.EACCES):
        words = f"/dev/kmsg cannot be read: {error.strerror}; it needs root or CAP_SYSLOG"
        return fail("kernel log", words, "sudo klogd-py doctor")
    if host.has("/proc/kmsg"):
        words = f"/dev/kmsg cannot be read ({error.strerror}); /proc/kmsg is used, in which losses cannot be seen"
        return warn("kernel log", words, "mknod -m 600 /dev/kmsg c 1 11")
    words = f"/dev/kmsg cannot be read: {error.strerror}, nor is there a /proc/kmsg"
    return fail(
        "kernel log",
        words,
        "mknod -m 600 /dev/kmsg c 1 11; in a container: run klogd-py on its host",
    )


def _ring(host: Host, oldest: int) -> Finding:
    if oldest == 0:
        return ok("ring", "the kernel's buffer holds everything since the boot")
    overwritten = f"the kernel has overwritten records 0 to {oldest - 1} since the boot"
    if host.daemon is not None and not any(
        sink.gaps.get("pre-start") for sink in host.daemon.sinks
    ):
        return ok("ring", f"{overwritten}; klogd-py had read them")
    if host.daemon is not None:
        return warn(
            "ring",
            f"{overwritten}, some before klogd-py had started: the buffer is small for this boot",
            _GROW,
        )
    return warn(
        "ring",
        f"{overwritten}: what nobody had read by then is lost, if the boot itself has filled the buffer",
        _GROW,
    )
