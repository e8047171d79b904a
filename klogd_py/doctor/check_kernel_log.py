# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that the kernel's log can be read and is complete, and that the clock is set.

Source of truth: Documentation/ABI/testing/dev-kmsg; Documentation/admin-guide/sysctl/kernel.rst
(printk_devkmsg, printk_ratelimit, dmesg_restrict); Documentation/admin-guide/kernel-parameters.txt
log_buf_len.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Mapping, Sequence

from klogd_py.doctor import remedies
from klogd_py.doctor.distribution import Init, find_init, is_container
from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.pipeline.printk_clock import UNSET_BEFORE_US
from klogd_py.sources import factory, kmsg_format
from klogd_py.sources.source import SourceUnavailable
from klogd_py.system.regular_file import open_regular

_KMSG = "/dev/kmsg"
_MAKE_DEVICE = "mknod -m 600 /dev/kmsg c 1 11"
_CAPABILITY = "give klogd-py the capability CAP_SYSLOG, which this root user lacks"
_Opener = Callable[[], int | None]


def check_kernel_log(host: Host) -> list[Finding]:
    """Check that the daemon can read the kernel's log, and that its oldest record is the first.

    The interfaces are tried as the daemon does. At most one record of /dev/kmsg is read, which all
    readers get; nothing is read from an interface that gives each message once.
    """
    choice, refusals = host.config.input.source, list[OSError]()
    if choice in ("auto", _KMSG):
        try:
            return _check_records(host)
        except OSError as error:
            refusals.append(error)
    for name, open_shared in _shared_logs(host).items():
        if choice in ("auto", name):
            try:
                descriptor = open_shared()
            except OSError as error:
                refusals.append(error)
                continue
            if descriptor is not None:
                os.close(descriptor)
            return [_shared_finding(host, name, refusals)]
    words = f"no kernel messages to read: {'; '.join(map(str, refusals))}"
    return [fail("kernel log", words, _remedy_for(host, refusals))]


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
    remedy = _allow_devkmsg(host)
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


def _allow_devkmsg(host: Host) -> str:
    """Return how the limit is removed; one that was given at the boot cannot be changed later."""
    words = host.read_text("/proc/cmdline").split()
    if any(word.startswith("printk.devkmsg=") for word in words):
        return remedies.set_kernel_parameter(host, "printk.devkmsg=on")
    return remedies.set_sysctl(host, "kernel.printk_devkmsg", "on")


def check_clock(host: Host) -> list[Finding]:
    """Check that the wall clock is set."""
    if host.now_s < UNSET_BEFORE_US / 1_000_000:
        words = "the wall clock is not set: the times in the log are wrong"
        by_hand = "date -s 'YYYY-MM-DD hh:mm'"
        has_timedated = find_init(host) is Init.SYSTEMD
        remedy = f"timedatectl set-ntp true, or: {by_hand}" if has_timedated else by_hand
        return [fail("clock", words, remedies.on_its_host(host, remedy))]
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


def _check_records(host: Host) -> list[Finding]:
    """Return the findings about /dev/kmsg and its oldest record; raises OSError."""
    descriptor = open_kmsg(host)
    try:
        oldest = _read_oldest_seq(descriptor)
    finally:
        os.close(descriptor)
    readable = ok("kernel log", f"{_KMSG} can be read")
    if oldest is None:
        return [readable, ok("ring", "the kernel's buffer is empty")]
    return [readable, _check_ring(host, oldest)]


def open_kmsg(host: Host) -> int:
    """Open the device as the daemon does; raises OSError."""
    path = host.path_of(_KMSG)
    # A copy of the files of another machine
    if not host.is_this_machine and path.is_file():
        try:
            return open_regular(path)
        except OSError as error:
            raise SourceUnavailable(f"{path}: {error.strerror}") from error
    return factory.open_kmsg_device(path)


def _shared_logs(host: Host) -> Mapping[str, _Opener]:
    """Return the interfaces that give each message to one reader, in the daemon's order.

    A function returns a descriptor, or ``None`` if the interface has none; it raises OSError.
    """
    path = host.path_of("/proc/kmsg")
    openers: dict[str, _Opener] = {"/proc/kmsg": lambda: factory.open_proc_kmsg(path)}
    if host.is_this_machine:
        openers["syslog"] = _check_syslog
    return openers


def _check_syslog() -> None:
    factory.open_source("syslog").close()


def _read_oldest_seq(descriptor: int) -> int | None:
    """Return the sequence number of the oldest record, ``None`` without one; raises OSError."""
    with contextlib.suppress(BlockingIOError):
        # The ring may overrun between open(2) and read(2)
        for _ in range(2):
            with contextlib.suppress(BrokenPipeError):
                first = os.read(descriptor, kmsg_format.BUFFER_BYTES).partition(b"\n")[0]
                return kmsg_format.parse_all([first + b"\n"])[0].seq if first else None
    return None


def _shared_finding(host: Host, name: str, refusals: Sequence[OSError]) -> Finding:
    """Return the finding about /proc/kmsg or syslog(2), which can be used."""
    shown = "syslog(2)" if name == "syslog" else name
    used = f"{shown} is used, in which losses cannot be seen"
    if not refusals:
        return ok("kernel log", f"{used}, as configured")
    return warn("kernel log", f"{refusals[0]}; {used}", _remedy_for(host, refusals))


def _remedy_for(host: Host, refusals: Sequence[OSError]) -> str:
    """Return how the first interface that was refused becomes usable."""
    error = refusals[0] if refusals else OSError()
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if is_container(host):
        return (
            "run klogd-py on the host of this container, or start the container with: "
            "--device /dev/kmsg --cap-add syslog"
        )
    if cause.errno in (errno.EPERM, errno.EACCES):
        is_root = os.geteuid() == 0
        return _CAPABILITY if is_root else remedies.run_as_root(host.own_command("doctor"))
    if host.config.input.source not in ("auto", _KMSG):
        return remedies.change_settings(host, 'input.source = "auto"')
    path = host.path_of(_KMSG)
    if not os.path.lexists(path):
        return _MAKE_DEVICE
    return f"umount {_KMSG}" if os.path.ismount(path) else f"rm {_KMSG} && {_MAKE_DEVICE}"


def _check_ring(host: Host, oldest: int) -> Finding:
    if oldest == 0:
        return ok("ring", "the kernel's buffer holds all records since boot")
    grow = remedies.set_kernel_parameter(host, "log_buf_len=4M")
    overwritten = f"the kernel has overwritten records 0 to {oldest - 1} since boot"
    if host.daemon is not None and not any(
        sink.gaps.get("pre-start") for sink in host.daemon.sinks
    ):
        return ok("ring", f"{overwritten}; klogd-py had read them before")
    if host.daemon is not None:
        return warn(
            "ring",
            f"{overwritten}, some before klogd-py started: the buffer is too small for this boot",
            grow,
        )
    return warn(
        "ring",
        f"{overwritten}: records that no daemon had read are lost",
        grow,
    )
