# SPDX-License-Identifier: GPL-2.0-or-later
"""Check klogd-py itself: the running daemon and its cursor file."""

import os
from pathlib import Path

from klogd_py.doctor import remedies
from klogd_py.doctor.distribution import Init, find_init
from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.monitoring.status import summarize
from klogd_py.system.regular_file import NotRegularFile, open_regular


def check_daemon(host: Host) -> list[Finding]:
    """Check that a daemon answers, that no sink is down, and that the last reload succeeded."""
    status = host.daemon
    if status is None:
        return [warn("daemon", "no klogd-py answers", _start(host))]
    found = [
        ok("daemon", f"klogd-py {status.version} runs (process {status.pid}): {summarize(status)}")
    ]
    found += [
        fail("sink", f"{sink.name} is down: {sink.error}", "klogd-py status")
        for sink in status.sinks
        if sink.error
    ]
    refused = [change for change in status.changes if not change.taken]
    found += [
        fail("reload", f"{change.why} was refused: {change.detail}", "klogd-py check-config")
        for change in refused
    ]
    return found


def _start(host: Host) -> str:
    """Return how the service is started, and first installed where OpenRC has none."""
    start = remedies.start_always(host, "klogd-py")
    init = find_init(host)
    if init is Init.OPENRC and not host.exists("/etc/init.d/klogd-py"):
        return f"install klogd-py.initd as /etc/init.d/klogd-py, then: {start}"
    if init is Init.OTHER and not host.exists("/etc/init.d/klogd-py"):
        return "klogd, and the same line in the init scripts"
    return start


def check_position(host: Host) -> list[Finding]:
    """Check that the cursor file can be written, so that a restart repeats no records."""
    path = host.config.state.cursor_file
    if not path:
        return [
            ok(
                "position",
                "not saved, as configured: each start sends all records of the kernel's buffer",
            )
        ]
    file = host.path_of(path)
    try:
        os.close(open_regular(file, follow=False))
    except NotRegularFile as error:
        return [
            fail(
                "position",
                f"{path} is {error.strerror}: a restart sends all records again",
                f"rm -r {path}",
            )
        ]
    # The file is missing, or this user may not read it
    except OSError:
        pass
    target = file if host.exists(path) else file.parent
    if not os.path.exists(target):
        words = f"the directory of {path} does not exist: a restart sends all records again"
        return [warn("position", words, f"mkdir -p {Path(path).parent}")]
    if not os.access(target, os.W_OK):
        return [
            warn(
                "position",
                f"{path} cannot be written by this user",
                remedies.run_as_root(host.own_command("doctor")),
            )
        ]
    return [ok("position", f"{path} can be written")]
