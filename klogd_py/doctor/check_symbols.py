# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the symbol sources: kallsyms, the map, debug information."""

from collections.abc import Sequence

from klogd_py.doctor import remedies
from klogd_py.doctor.distribution import Family
from klogd_py.doctor.finding import Finding, fail, ok, warn
from klogd_py.doctor.host import Host
from klogd_py.symbols.map_check import MapStatus, Proof, Verdict
from klogd_py.symbols.system_map import PLACEHOLDER

_PROVED = (Proof.KALLSYMS, Proof.BUILD_ID)


def check_kallsyms(host: Host) -> list[Finding]:
    """Check that the kernel shows its symbols in kallsyms."""
    path, found = host.config.symbols.kallsyms, host.symbols
    if not path:
        return [ok("kallsyms", "not used, as configured")]
    if found.kernel_symbols:
        return [ok("kallsyms", f"{path} shows {found.kernel_symbols} symbols")]
    if found.hidden:
        remedy = f"{_show_addresses(host)}, and run klogd-py as root or with CAP_SYSLOG"
        return [warn("kallsyms", f"{path} shows only zeros (kernel.kptr_restrict)", remedy)]
    if not host.exists(path):
        return [
            ok(
                "kallsyms",
                f"there is no {path}: without CONFIG_KALLSYMS, klogd-py needs a map",
            )
        ]
    return [
        warn("kallsyms", "; ".join(found.remarks) or f"{path} cannot be used", f"head -3 {path}")
    ]


def check_map(host: Host) -> list[Finding]:
    """Check that a map is in use, or kallsyms, and that the map is proved to be of this kernel."""
    found, used = host.symbols, host.symbols.in_use
    if used is not None and found.lacks_slide:
        words = (
            f"{used.path} names nothing yet, as the KASLR offset is not known: "
            f"{found.unproven_reason}"
        )
        return [warn("map", words, f"{_show_addresses(host)}, and run klogd-py with CAP_SYSLOG")]
    if used is not None:
        words = f"{used.path}: {used.reason}"
        return [
            ok("map", words)
            if used.proof in _PROVED
            else warn(
                "map", words, f"{host.own_command('maps')}, and: {remedies.get_debug_info(host)}"
            )
        ]
    refused = [verdict for verdict in found.verdicts if verdict.status is MapStatus.REFUSED]
    reasons = (
        "; ".join(f"{verdict.path} refused: {verdict.reason}" for verdict in refused)
        or "there is none"
    )
    named = host.config.symbols.map
    if named and not refused and not host.exists(named):
        words = f"{named} of symbols.map does not exist"
        return [fail("map", words, "correct or remove symbols.map in the configuration")]
    if found.kernel_symbols:
        return [ok("map", f"{reasons}; kallsyms is used instead")]
    return [
        fail(
            "map",
            f"{reasons}, and no kallsyms: addresses are not resolved",
            _get_map(host, refused),
        )
    ]


def check_debug_info(host: Host) -> list[Finding]:
    """Check for a vmlinux with symbols, which maps frames to source lines."""
    images = [
        verdict for verdict in host.symbols.verdicts if verdict.path.name.startswith("vmlinux")
    ]
    present = [verdict for verdict in images if verdict.status is not MapStatus.MISSING]
    accepted = [verdict for verdict in present if verdict.status is MapStatus.ACCEPTED]
    if accepted:
        return [ok("debug info", f"{accepted[0].path}: {accepted[0].reason}")]
    if present:
        return [
            warn(
                "debug info",
                f"{present[0].path} refused: {present[0].reason}",
                remedies.get_debug_info(host),
            )
        ]
    return [
        warn(
            "debug info",
            "no vmlinux with symbols: stack frames cannot be mapped to source lines",
            remedies.get_debug_info(host),
        )
    ]


def _show_addresses(host: Host) -> str:
    return remedies.set_sysctl(host, "kernel.kptr_restrict", "1")


def _get_map(host: Host, refused: Sequence[Verdict]) -> str:
    """Return how a map is installed; the placeholder of Debian shows whose kernel it is."""
    has_placeholder = any(PLACEHOLDER in verdict.reason for verdict in refused)
    return remedies.get_map(host, Family.DEBIAN if has_placeholder else None)
