# SPDX-License-Identifier: GPL-2.0-or-later
"""Where would names come from, and how sure is that?"""

from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.symbols.map_check import MapStatus, Proof, Verdict

_PROVED = (Proof.KALLSYMS, Proof.BUILD_ID)


def check_kallsyms(host: Host) -> list[Finding]:
    """Whether the kernel shows its own symbols here."""
    path, found = host.config.symbols.kallsyms, host.survey
    if not path:
        return [ok("kallsyms", "not used, as configured")]
    if found.kernel_symbols:
        return [ok("kallsyms", f"{path} shows {found.kernel_symbols} symbols")]
    if found.hidden:
        remedy = "sysctl -w kernel.kptr_restrict=1, and run klogd-py as root or with CAP_SYSLOG"
        return [warn("kallsyms", f"{path} shows only zeros (kernel.kptr_restrict)", remedy)]
    if not host.has(path):
        return [
            ok(
                "kallsyms",
                f"there is no {path}: a kernel without CONFIG_KALLSYMS, which a map serves",
            )
        ]
    return [
        warn("kallsyms", "; ".join(found.remarks) or f"{path} cannot be used", f"head -3 {path}")
    ]


def check_map(host: Host) -> list[Finding]:
    """Which map there is, and on what proof."""
    found, used = host.survey, host.survey.in_use
    if used is not None and found.lacks_slide:
        words = f"{used.path} names nothing yet, for the kernel may be randomised: {found.unproven_reason}"
        return [
            warn("map", words, "sysctl -w kernel.kptr_restrict=1, and run klogd-py with CAP_SYSLOG")
        ]
    if used is not None:
        words = f"{used.path}: {used.reason}"
        return [
            ok("map", words)
            if used.proof in _PROVED
            else warn("map", words, f"klogd-py maps, and: {_install(host)}")
        ]
    refused = [verdict for verdict in found.verdicts if verdict.status is MapStatus.REFUSED]
    told = (
        "; ".join(f"{verdict.path} refused: {verdict.reason}" for verdict in refused)
        or "there is none"
    )
    if found.kernel_symbols:
        return [ok("map", f"{told}; kallsyms serves instead")]
    return [
        fail(
            "map",
            f"{told}, and no kallsyms: addresses stay numbers",
            f"cp System.map /boot/System.map-{host.release}",
        )
    ]


def check_debug_info(host: Host) -> list[Finding]:
    """Whether a kernel image with its symbols is at hand, which knows more than a map."""
    images = [
        verdict for verdict in host.survey.verdicts if verdict.path.name.startswith("vmlinux")
    ]
    there = [verdict for verdict in images if verdict.status is not MapStatus.MISSING]
    good = [verdict for verdict in there if verdict.status is MapStatus.ACCEPTED]
    if good:
        return [ok("debug info", f"{good[0].path}: {good[0].reason}")]
    if there:
        return [warn("debug info", f"{_refusal(there[0])}", _install(host))]
    return [
        warn(
            "debug info",
            "no vmlinux with symbols: frames cannot be traced to lines of source",
            _install(host),
        )
    ]


def _refusal(verdict: Verdict) -> str:
    return f"{verdict.path} refused: {verdict.reason}"


def _install(host: Host) -> str:
    """How a distribution's debug package is installed."""
    if host.has("/etc/debian_version"):
        return f"apt-get install linux-image-{host.release}-dbg"
    if host.has("/etc/redhat-release"):
        return f"dnf debuginfo-install kernel-core-{host.release}"
    return f"copy the vmlinux of this kernel to /usr/lib/debug/boot/vmlinux-{host.release}"
