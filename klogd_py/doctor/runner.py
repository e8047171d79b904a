# SPDX-License-Identifier: GPL-2.0-or-later
"""Run all checks on one machine, and format the report."""

import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.config import loader as configuration
from klogd_py.config.errors import BadConfig
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.config.symbol_choice import choose_sources_of_question
from klogd_py.doctor import (
    check_daemon,
    check_forged_crashes,
    check_installation,
    check_kernel_log,
    check_log_daemons,
    check_reports,
    check_symbols,
)
from klogd_py.doctor.finding import Finding, Level, fail, ok
from klogd_py.doctor.host import Host
from klogd_py.monitoring.errors import NoAnswer
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_sources import below_root
from klogd_py.system.terminal import BOLD, GREEN, PLAIN, RED, YELLOW, align_columns, escape_controls

Check = Callable[[Host], list[Finding]]
CHECKS: tuple[Check, ...] = (
    check_installation.check_libraries,
    check_installation.check_shadow,
    check_daemon.check_daemon,
    check_kernel_log.check_kernel_log,
    check_kernel_log.check_rate_limits,
    check_kernel_log.check_clock,
    check_symbols.check_kallsyms,
    check_symbols.check_map,
    check_symbols.check_debug_info,
    check_log_daemons.check_journald,
    check_log_daemons.check_dev_log,
    check_log_daemons.check_other_daemons,
    check_daemon.check_position,
    check_reports.check_reports,
    check_reports.check_hook,
    check_reports.check_catalog,
    check_forged_crashes.check_forged_crashes,
)
_COLOURS = {Level.OK: GREEN, Level.WARNING: YELLOW, Level.ERROR: RED}


def run_checks(options: RunOptions, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return the findings of all checks on the machine that ``--root`` names; changes nothing."""
    loaded = _load_config(options)
    settings, root = loaded.config, Path(options.symbols.root)
    sources = choose_sources_of_question(options.symbols, settings.symbols)
    host = Host(
        root=root,
        config=settings,
        symbols=load_symbols(sources, check_all=True),
        release=sources.release or "",
        now_s=time.time(),
        daemon=_status_of_daemon(below_root(root, settings.status.socket))
        if settings.status.socket
        else None,
    )
    return [loaded.finding, *(finding for check in checks for finding in _run_check(check, host))]


def _run_check(check: Check, host: Host) -> list[Finding]:
    """Return the findings of one check.

    An unexpected error in it is a finding: the other checks still run.
    """
    name = check.__name__.removeprefix("check_").replace("_", " ")
    found = isolate_failure(
        lambda: check(host),
        lambda reason: [fail(name, f"this check {reason}", host.own_command("maps --json"))],
    )
    return [_place_remedy(finding, host) for finding in found]


def _place_remedy(finding: Finding, host: Host) -> Finding:
    """Say where a remedy is typed; only commands with ``--root`` act on another machine."""
    if host.is_this_machine or not finding.remedy or "--root" in finding.remedy:
        return finding
    remedy = f"on the machine of {host.root}: {finding.remedy}"
    return msgspec.structs.replace(finding, remedy=remedy)


def format_report(findings: Sequence[Finding], colour: bool) -> str:
    """Return the report: a line per finding with the remedy below it, and the totals."""
    shown = align_columns(
        [
            (f"{finding.level.value:4}", finding.check, escape_controls(finding.words))
            for finding in findings
        ]
    )
    indent = " " * (4 + 2 + max(len(finding.check) for finding in findings) + 2)
    lines = []
    for finding, line in zip(findings, shown, strict=True):
        lines.append(_colour_level(line, finding.level) if colour else line)
        if finding.remedy:
            lines.append(f"{indent}-> {escape_controls(finding.remedy)}")
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    warnings, errors = counts[Level.WARNING], counts[Level.ERROR]
    total = f"{counts[Level.OK]} ok, {_count(warnings, 'warning')}, {_count(errors, 'error')}"
    return "\n".join([*lines, "", f"{BOLD}{total}{PLAIN}" if colour else total, ""])


def has_no_errors(findings: Sequence[Finding]) -> bool:
    """Tell whether no finding is an error; warnings are accepted."""
    return all(finding.level is not Level.ERROR for finding in findings)


class _LoadedConfig(Struct, frozen=True):
    """The configuration, or the defaults if it is invalid, and the finding about it."""

    config: Config
    finding: Finding


def _load_config(options: RunOptions) -> _LoadedConfig:
    named = options.config_path is not None
    main = Path(
        options.config_path or below_root(Path(options.symbols.root), configuration.DEFAULT_PATH)
    )
    try:
        settings = configuration.load(main, must_exist=named)
        present = [str(file) for file in configuration.list_files(main) if os.path.exists(file)]
    except BadConfig as error:
        place = "" if main == configuration.DEFAULT_PATH else f" {shlex.quote(str(main))}"
        remedy = f"klogd-py check-config{place}"
        return _LoadedConfig(Config(), fail("configuration", str(error), remedy))
    words = ", ".join(present) if present else f"{main} does not exist: the defaults apply"
    return _LoadedConfig(settings, ok("configuration", words))


def _status_of_daemon(socket: Path) -> Status | None:
    try:
        return msgspec.json.decode(fetch_status(socket), type=Status)
    except (NoAnswer, msgspec.DecodeError):
        return None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _colour_level(line: str, level: Level) -> str:
    return f"{_COLOURS[level]}{level.value}{PLAIN}{line[len(level.value) :]}"
