# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands behind ``klogd-py reports``, and their options."""

from klogd_py.cli.command_line import Command, CommandLine, Operands
from klogd_py.cli.options import (
    CONFIG,
    HELP,
    INPUT_FORMAT,
    JSON,
    SYMBOLS,
    VERSION,
    Option,
    OptionGroup,
)
from klogd_py.cli.report_values import age, boot_or_all, is_report_name, kinds, report_format
from klogd_py.cli.selection_options import SINCE

_PAGES = "klogd-py-reports(8), klogd-py(8), klogd-py.toml(5)"
_NAME = "its id or its beginning, the fingerprint of its issue, or last"
_HIDDEN_VERSION = Option(VERSION.flags, VERSION.name, VERSION.help, hidden=True)
_SPOOL = Option(
    ("--spool",),
    "spool",
    "directory of the reports (default: reports.spool of the configuration)",
    metavar="DIR",
)
_FORMAT = Option(
    ("--format",),
    "format",
    "text, json, html, ureport2 or sentry (default: text)",
    metavar="FORMAT",
    convert=report_format,
)
_PUBLIC = Option(
    ("--public",),
    "public",
    "only what anybody may read: no addresses, hosts, processes, files",
)
_NO_HARDWARE = Option(
    ("--no-hardware",), "no_hardware", "with --public: no model of the machine either"
)


def _run_list(line: CommandLine) -> int:
    from klogd_py.cli.reports.listing import list_reports

    return list_reports(line)


def _run_show(line: CommandLine) -> int:
    from klogd_py.cli.reports.showing import show

    return show(line)


def _run_decode(line: CommandLine) -> int:
    from klogd_py.cli.reports.decoding import decode

    return decode(line)


def _run_export(line: CommandLine) -> int:
    from klogd_py.cli.reports.showing import export

    return export(line)


def _run_forget(line: CommandLine) -> int:
    from klogd_py.cli.reports.showing import forget

    return forget(line)


def _options(*options: Option) -> OptionGroup:
    return OptionGroup("Options", (*options, HELP, _HIDDEN_VERSION))


_LIST_OPTIONS = _options(
    SINCE,
    Option(
        ("--kind",),
        "kinds",
        "these kinds: kasan,warning,hung-task",
        metavar="LIST",
        convert=kinds,
    ),
    Option(
        ("-b", "--boot"),
        "report_boot",
        "one boot: 0 is this one, -1 the last one before it that has reports; all",
        metavar="N",
        convert=boot_or_all,
        may_be_negative=True,
    ),
    Option(("-f", "--follow"), "follow", "go on with what comes"),
    JSON,
    _SPOOL,
    CONFIG,
)
_COMMANDS = (
    Command(
        "reports list",
        "print a row for each issue: first, last, count, kind, title, module",
        (_LIST_OPTIONS,),
        _run_list,
        "klogd-py reports list --since -1h --json",
        manual_pages=_PAGES,
    ),
    Command(
        "reports show",
        "show a report: what, where, when, how often; then stacks and text",
        (
            _options(
                Option(("--raw",), "raw", "only the lines of the kernel, with names"),
                JSON,
                _SPOOL,
                CONFIG,
            ),
        ),
        _run_show,
        "klogd-py reports show last",
        Operands("NAME", f"{_NAME} (default: last)", maximum=1, looks_like=is_report_name),
        manual_pages=_PAGES,
    ),
    Command(
        "reports decode",
        "find the crashes in any log; needs no daemon",
        (SYMBOLS, _options(INPUT_FORMAT, _FORMAT, JSON, _PUBLIC, _NO_HARDWARE, CONFIG)),
        _run_decode,
        "klogd-py reports decode --map System.map serial.log",
        # The name of a file may be any bytes.
        Operands("FILE", "any log (- or none: standard input)", convert=str),
        manual_pages=_PAGES,
    ),
    Command(
        "reports export",
        "print a report as a document for others",
        (_options(_FORMAT, _PUBLIC, _NO_HARDWARE, _SPOOL, CONFIG),),
        _run_export,
        "klogd-py reports export last --public > mail.txt",
        Operands("NAME", f"{_NAME} (default: last)", maximum=1),
        manual_pages=_PAGES,
    ),
    Command(
        "reports forget",
        "remove reports",
        (
            _options(
                Option(
                    ("--older",),
                    "older",
                    "all that were last seen so long ago: 30d, 12h",
                    metavar="TIME",
                    convert=age,
                ),
                _SPOOL,
                CONFIG,
            ),
        ),
        _run_forget,
        "sudo klogd-py reports forget --older 30d",
        Operands("NAME", _NAME),
        manual_pages=_PAGES,
    ),
)
REPORTS = Command(
    "reports",
    "list, show, decode and export the reports of crashes",
    (_LIST_OPTIONS,),
    _run_list,
    "klogd-py reports\n  klogd-py reports show last\n  klogd-py reports decode serial.log",
    commands=_COMMANDS,
    manual_pages=_PAGES,
)
