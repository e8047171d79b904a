# SPDX-License-Identifier: GPL-2.0-or-later
"""All checks of one machine, and their report for people.

`examine` looks; `report` prints. The status of the whole is bad if one finding is.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from klogd_py.config import loader as configuration
from klogd_py.config.loader import BadConfig
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.doctor import check_daemon, check_kernel_log, check_log_daemons, check_symbols
from klogd_py.doctor.finding import Finding, Level, bad, ok
from klogd_py.doctor.host import Host
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_socket import NoAnswer, ask
from klogd_py.symbols.attempt import attempt
from klogd_py.symbols.search import under
from klogd_py.symbols.symbol_set import load_symbols
from klogd_py.system.terminal import BOLD, GREEN, PLAIN, RED, YELLOW, aligned, visible

Check = Callable[[Host], list[Finding]]
CHECKS: tuple[Check, ...] = (
    check_daemon.daemon,
    check_kernel_log.log,
    check_kernel_log.limits,
    check_kernel_log.clock,
    check_symbols.kallsyms,
    check_symbols.map_in_use,
    check_symbols.debug_information,
    check_log_daemons.journal,
    check_log_daemons.dev_log,
    check_log_daemons.other_daemons,
    check_daemon.position,
)
_COLOURS = {Level.OK: GREEN, Level.WARN: YELLOW, Level.BAD: RED}


def examine(invocation: RunOptions, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Every finding on the machine that the options name; changes nothing."""
    settings, first = _settings(invocation)
    sources = invocation.sources(settings, elsewhere=False)
    machine = Host(
        root=Path(invocation.root),
        config=settings,
        survey=load_symbols(sources, check_all=True),
        release=sources.release,
        now_s=time.time(),
        daemon=_daemon(under(Path(invocation.root), settings.status.socket))
        if settings.status.socket
        else None,
    )
    return [first, *(finding for check in checks for finding in _made(check, machine))]


def _made(check: Check, machine: Host) -> list[Finding]:
    """What a check finds.

    That it cannot be made on this machine is a finding, and no reason to leave out the others.
    """
    name = check.__name__.replace("_", " ")
    return attempt(
        lambda: check(machine),
        lambda reason: [bad(name, f"this check {reason}", "klogd-py maps --json")],
    )


def report(findings: Sequence[Finding], colour: bool) -> str:
    """The findings, a line each with the remedy below it, and the sum."""
    shown = aligned(
        [
            (f"{finding.grade.value:4}", finding.check, visible(finding.words))
            for finding in findings
        ]
    )
    indent = " " * (4 + 2 + max(len(finding.check) for finding in findings) + 2)
    lines = []
    for finding, line in zip(findings, shown, strict=True):
        lines.append(_coloured(line, finding.grade) if colour else line)
        if finding.remedy:
            lines.append(f"{indent}-> {visible(finding.remedy)}")
    counts = {grade: sum(finding.grade is grade for finding in findings) for grade in Level}
    total = (
        f"{counts[Level.OK]} ok, {counts[Level.WARN]} to be looked at, {counts[Level.BAD]} wrong"
    )
    return "\n".join([*lines, "", f"{BOLD}{total}{PLAIN}" if colour else total, ""])


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing is wrong; what could be better does not count."""
    return all(finding.grade is not Level.BAD for finding in findings)


def _settings(invocation: RunOptions) -> tuple[Config, Finding]:
    """The configuration, or the defaults if it is wrong, and the finding about it."""
    main = (
        Path(invocation.config_path)
        if invocation.config_path
        else under(Path(invocation.root), configuration.DEFAULT_PATH)
    )
    try:
        settings = configuration.load(main, must_exist=bool(invocation.config_path))
        there = [str(file) for file in configuration.files(main) if os.path.exists(file)]
    except BadConfig as error:
        return Config(), bad("configuration", str(error), "klogd-py check-config")
    return settings, ok(
        "configuration", ", ".join(there) if there else f"{main} is not there: the defaults apply"
    )


def _daemon(socket: Path) -> Status | None:
    try:
        return msgspec.json.decode(ask(socket), type=Status)
    except (NoAnswer, msgspec.DecodeError):
        return None


def _coloured(line: str, grade: Level) -> str:
    return f"{_COLOURS[grade]}{grade.value}{PLAIN}{line[len(grade.value) :]}"
