# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the installation of klogd-py: its libraries, and whether a second one hides it."""

import shlex
import sys

from klogd_py.doctor import remedies
from klogd_py.doctor.distribution import Init, find_init
from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.system.libraries import (
    PROMETHEUS,
    PYROUTE2,
    SYSTEMD,
    WATCHDOG,
    ZSTANDARD,
    find_import_error,
)

# What `make install` puts before the files of a package
LOCAL_FILES = (
    "/usr/local/bin/klogd-py",
    "/usr/local/sbin/klogd-py",
    "/usr/local/sbin/klogd",
    "/usr/local/lib/systemd/system/klogd-py.service",
)
PACKAGE_LIST = "/var/lib/dpkg/info/klogd-py.list"
PACKAGED_COMMAND = "/usr/bin/klogd-py"


def check_libraries(host: Host) -> list[Finding]:
    """Check that the libraries can be imported that the configuration needs.

    Those of another machine cannot be seen from here.
    """
    if not host.is_this_machine:
        return []
    wanted = [SYSTEMD]
    wanted += [WATCHDOG] if host.config.watch.files else []
    wanted += [PYROUTE2] if host.config.watch.modules else []
    metrics = host.config.metrics
    wanted += [PROMETHEUS] if metrics.textfile or metrics.listen else []
    wanted += [ZSTANDARD] if sys.version_info < (3, 14) and has_zstd_modules(host) else []
    findings = []
    for library in wanted:
        reason = find_import_error(library)
        if reason is None:
            continue
        words = reason.replace(f" (Debian: {library.package})", "")
        if library is SYSTEMD and find_init(host) is not Init.SYSTEMD:
            findings.append(ok("libraries", f"{words}; only a service of systemd needs it"))
            continue
        grade = fail if library is PROMETHEUS else warn
        findings.append(grade("libraries", words, remedies.install_library(host, library)))
    return findings or [ok("libraries", ", ".join(library.name for library in wanted))]


def has_zstd_modules(host: Host) -> bool:
    """Whether the modules of the kernel are packed with zstd."""
    return ".ko.zst:" in host.read_text(f"/lib/modules/{host.release}/modules.dep")


def check_shadow(host: Host) -> list[Finding]:
    """Check that no other installation hides the files of the Debian package."""
    if not host.exists(PACKAGE_LIST) or not host.exists(PACKAGED_COMMAND):
        return []
    hiding = [path for path in LOCAL_FILES if host.path_of(path).is_file()]
    if not hiding:
        return []
    remedy = f"make uninstall in its clone, or: rm {shlex.join(hiding)}"
    restart = remedies.act_on_service(host, "restart", "klogd-py")
    if find_init(host) is Init.SYSTEMD and any(path.endswith(".service") for path in hiding):
        remedy += f" && systemctl daemon-reload && {restart}"
    verb = "hides" if len(hiding) == 1 else "hide"
    return [warn("installation", f"{', '.join(hiding)} {verb} the package klogd-py", remedy)]
