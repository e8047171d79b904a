# SPDX-License-Identifier: GPL-2.0-or-later
"""The options that select records of an input, or of what is printed on the terminal."""

from klogd_py.cli.options import Option, OptionGroup
from klogd_py.cli.selection_values import boot, expression, facilities, levels, point_in_time

SINCE = Option(
    ("-S", "--since"),
    "since",
    "from a time on, as journalctl has it: '2026-11-26 10:00', yesterday, -1h, @N",
    metavar="TIME",
    convert=point_in_time,
    may_be_negative=True,
)
SELECTION = OptionGroup(
    "Selection of records, for --input and the terminal",
    (
        Option(
            ("-l", "--level"),
            "levels",
            "these levels, as dmesg has them: err,warn or err+ (and more severe)",
            metavar="LIST",
            convert=levels,
        ),
        Option(
            ("--facility",),
            "facilities",
            "these facilities: kern,daemon",
            metavar="LIST",
            convert=facilities,
        ),
        SINCE,
        Option(
            ("-U", "--until"),
            "until",
            "up to a time",
            metavar="TIME",
            convert=point_in_time,
            may_be_negative=True,
        ),
        Option(
            ("-b", "--boot"),
            "boot",
            "one boot in the input: 0 is the last, -1 the one before, 1 the first",
            metavar="N",
            convert=boot,
            may_be_negative=True,
        ),
        Option(
            ("-g", "--grep"),
            "grep",
            "lines in which a regular expression is found; in lower case it ignores case",
            metavar="REGEX",
            convert=expression,
        ),
        Option(
            ("-w", "--follow"),
            "following",
            "everything, then what comes; a file is followed as by tail -F",
            const="all",
        ),
        Option(("-W", "--follow-new"), "following", "only what comes", const="new"),
    ),
)
