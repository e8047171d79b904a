# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that the kernel's log can be read and is complete, and that the clock is set.

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
    """Check that /dev/kmsg can be read, and that its oldest record is the first of the boot."""
    try:
        oldest = _read_oldest_seq(host)
    except OSError as error:
        return [_unreadable_finding(host, error)]
    readable = ok("kernel log", "/dev/kmsg can be read")
    if oldest is None:
        return [readable, ok("ring", "the kernel's buffer is empty")]
    return [readable, _check_ring(host, oldest)]


def check_rate_limits(host: Host) -> list[Finding]:
    """Check the kernel's own rate limits.

    Messages that the kernel suppresses get no sequence number: no reader can count them.
    """
    mode = host.read_text("/proc/sys/kernel/printk_devkmsg")
    period_s, burst = (
        host.read_text("/proc/sys/kernel/printk_ratelimit"),
        host.read_text("/proc/sys/kernel/printk_ratelimit_burst"),
    )
    kernel_limit = (
        f"the kernel prints at most {burst} of its rate-limited messages in {period_s} s"
        if period_s not in ("", "0")
        else ""
    )
    remedy = "sysctl -w kernel.printk_devkmsg=on"
    if mode == "off":
        found = warn("rate limit", "the kernel discards what programs write to /dev/kmsg", remedy)
    elif mode == "ratelimit":
        words = (
            "of a writer to /dev/kmsg the kernel keeps 10 lines in 5 s "
            "and drops the rest, uncounted"
        )
        found = warn("rate limit", words, remedy)
    else:
        found = ok(
            "rate limit",
            "what programs write to /dev/kmsg is not limited"
            if mode
            else "this kernel has none for /dev/kmsg",
        )
    return [found, ok("printk", kernel_limit)] if kernel_limit else [found]


def check_clock(host: Host) -> list[Finding]:
    """Check that the wall clock is set."""
    if host.now_s < UNSET_BEFORE_US / 1_000_000:
        words = "the wall clock is not set: the times in the log are wrong"
        return [fail("clock", words, "timedatectl set-ntp true, or: date -s 'YYYY-MM-DD hh:mm'")]
    if host.exists("/run/systemd/timesync") and not host.exists(
        "/run/systemd/timesync/synchronized"
    ):
        return [
            warn(
                "clock",
                "the wall clock is set, but not yet synchronised",
                "timedatectl timesync-status",
            )
        ]
    return [ok("clock", "the wall clock is set")]


def _read_oldest_seq(host: Host) -> int | None:
    """Return the sequence number of the oldest record, ``None`` without one; raises OSError."""
    path = host.path_of("/dev/kmsg")
    if _is_log(os.stat(path)):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    elif host.root == Path("/"):
        raise OSError(errno.ENODEV, "not the kernel's log device, as in a container")
    else:
        # --root names the files of a machine that is not running
        descriptor = open_regular(path)
    try:
        with contextlib.suppress(BlockingIOError):
            # The ring may overrun between open(2) and read(2)
            for _ in range(2):
                with contextlib.suppress(BrokenPipeError):
                    first = os.read(descriptor, kmsg_format.BUFFER_BYTES).partition(b"\n")[0]
                    return kmsg_format.parse_all([first + b"\n"])[0].seq if first else None
        return None
    finally:
        os.close(descriptor)


def _is_log(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _KMSG_NUMBER


def _unreadable_finding(host: Host, error: OSError) -> Finding:
    if error.errno in (errno.EPERM, errno.EACCES):
        words = f"/dev/kmsg cannot be read: {error.strerror}; it needs root or CAP_SYSLOG"
        return fail("kernel log", words, "sudo klogd-py doctor")
    if host.exists("/proc/kmsg"):
        words = (
            f"/dev/kmsg cannot be read ({error.strerror}); "
            "/proc/kmsg is used, in which losses cannot be seen"
        )
        return warn("kernel log", words, "mknod -m 600 /dev/kmsg c 1 11")
    words = f"/dev/kmsg cannot be read: {error.strerror}, and there is no /proc/kmsg"
    return fail(
        "kernel log",
        words,
        "mknod -m 600 /dev/kmsg c 1 11; in a container: run klogd-py on its host",
    )


def _check_ring(host: Host, oldest: int) -> Finding:
    if oldest == 0:
        return ok("ring", "the kernel's buffer holds all records since boot")
    overwritten = f"the kernel has overwritten records 0 to {oldest - 1} since boot"
    if host.daemon is not None and not any(
        sink.gaps.get("pre-start") for sink in host.daemon.sinks
    ):
        return ok("ring", f"{overwritten}; klogd-py had read them before")
    if host.daemon is not None:
        return warn(
            "ring",
            f"{overwritten}, some before klogd-py started: the buffer is too small for this boot",
            _GROW,
        )
    return warn(
        "ring",
        f"{overwritten}: records that no daemon had read are lost",
        _GROW,
    )
