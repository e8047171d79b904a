# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of ``klogd-py``, its commands and ``klogd``, in the groups of their help pages."""

from collections.abc import Callable

from msgspec import Struct

from klogd_py.cli.argument_types import console_level, file_name, one_of, sink, slide, utf8_text
from klogd_py.config.loader import LOG_LEVELS
from klogd_py.sources import INPUT_FORMATS


class Option(Struct, frozen=True):
    """One option of the command line.

    ``flags`` are its spellings, ``name`` is the name of its value. ``metavar`` stands for the value
    in help pages; an option without it takes none, and has the value ``const``. ``convert`` checks
    a value and raises ArgumentTypeError. ``key`` is the configuration key that the value replaces.
    A value that ``may_be_negative`` can begin with ``-`` and a digit.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    metavar: str | None = None
    convert: Callable[[str], object] = utf8_text
    const: object = True
    key: str | None = None
    repeats: bool = False
    hidden: bool = False
    may_be_negative: bool = False


class OptionGroup(Struct, frozen=True):
    """Options that stand below one title on a help page.

    ``is_exclusive`` means that at most one of them may be given.
    """

    title: str
    options: tuple[Option, ...]
    is_exclusive: bool = False


CONFIG = Option(
    ("--config",),
    "config_path",
    "configuration file (default: /etc/klogd-py.toml)",
    metavar="FILE",
    convert=file_name,
)
JSON = Option(("--json",), "json", "print JSON")
SOCKET = Option(
    ("--socket",),
    "socket",
    "the daemon's status socket (default: status.socket of the configuration)",
    metavar="FILE",
)
HELP = Option(("-h", "--help"), "help", "print this page")
VERSION = Option(("-v", "--version"), "version", "print the version")
ROOT = Option(("--root",), "root", "use /boot, /proc and /lib/modules below DIR", metavar="DIR")
RELEASE = Option(
    ("--release",), "release", "kernel release, as uname -r prints it", metavar="RELEASE"
)

INPUT_FORMAT = Option(
    ("--input-format",),
    "input_format",
    f"form of its lines: {', '.join(INPUT_FORMATS)} (default: auto, each as it is)",
    metavar="FORM",
    convert=one_of(INPUT_FORMATS),
)
INPUT = OptionGroup(
    "Input",
    (
        Option(
            ("--input",),
            "input",
            "read FILE (- is standard input) instead of the running kernel, and print it unless "
            "--sink is given; may be repeated",
            metavar="FILE",
            repeats=True,
        ),
        INPUT_FORMAT,
        Option(
            ("-s", "--syscall"),
            "syscall",
            "read through syslog(2) instead of /dev/kmsg",
            const="syslog",
            key="input.source",
        ),
        Option(("-o", "--once"), "once", "deliver the messages in the kernel's buffer, then stop"),
    ),
)
SYMBOLS = OptionGroup(
    "Sources of symbols",
    (
        Option(
            ("-k", "--map"),
            "map",
            "use this System.map or vmlinux, unless it is proved to belong to another kernel",
            metavar="FILE",
        ),
        Option(
            ("--kallsyms",),
            "kallsyms",
            "the kernel's own symbols (default: /proc/kallsyms)",
            metavar="FILE",
        ),
        Option(
            ("--modules",),
            "modules",
            "list of loaded modules (default: /proc/modules)",
            metavar="FILE",
        ),
        Option(
            ("--module-files",),
            "module_files",
            "directory of module files (default: /lib/modules/RELEASE)",
            metavar="DIR",
        ),
        Option(
            ("--slide",),
            "slide",
            "KASLR offset of the kernel, if it is known",
            metavar="0xN",
            convert=slide,
        ),
        ROOT,
        RELEASE,
        Option(
            ("--live",),
            "live",
            "use the running kernel's symbols, for a log of this machine",
        ),
    ),
)
_CHANGED_LINES = (
    Option(
        ("--style",),
        "style",
        "replace an address by its symbol, append the symbol, or change nothing: "
        "replace, append, off",
        metavar="STYLE",
        convert=one_of(("replace", "append", "off")),
        key="translate.style",
    ),
    Option(
        ("--resymbolize",),
        "resymbolize",
        "replace [<address>] also where the kernel has printed its symbol",
        key="translate.resymbolize",
    ),
    Option(
        ("--no-resymbolize",),
        "resymbolize",
        "leave it unchanged there",
        const=False,
        key="translate.resymbolize",
    ),
    Option(
        ("-2", "--duplicate-raw"),
        "duplicate_raw",
        "repeat each changed line as the kernel printed it",
        key="translate.duplicate_raw",
    ),
)
TRANSLATION = OptionGroup("Symbolization", _CHANGED_LINES)
# An option that takes no value stands behind the one that does, and so wins over it.
DAEMON_TRANSLATION = OptionGroup(
    "Symbolization",
    (
        *_CHANGED_LINES,
        Option(
            ("-x", "--no-translate"),
            "no_translate",
            "load no symbols, change no line",
            const="off",
            key="translate.style",
        ),
        Option(
            ("-p", "--reload-on-oops"),
            "reload_on_oops",
            "reload the symbols at every Oops",
            key="translate.reload_on_oops",
        ),
    ),
)
OUTPUT = OptionGroup(
    "Output",
    (
        Option(
            ("--sink",),
            "sinks",
            "console, file:PATH, syslog[:SOCKET] or journal[:SOCKET]; may be repeated, "
            "replaces the configured sinks",
            metavar="SINK",
            convert=sink,
            repeats=True,
        ),
        Option(
            ("-f", "--file"),
            "klogd_file",
            "append <N>text lines to FILE; - is standard output",
            metavar="FILE",
            convert=file_name,
        ),
        Option(("--json",), "json", "print JSON on the console sink", key="console.json"),
        Option(
            ("--kernel-stamp",),
            "kernel_stamp",
            "show the kernel's timestamps in lines of text",
            key="text.kernel_stamp",
        ),
        Option(
            ("-c", "--console-level"),
            "console_level",
            "set the kernel's console log level, 1 to 8",
            metavar="N",
            convert=console_level,
            key="console_level",
        ),
    ),
)
SIGNALS = OptionGroup(
    "The running daemon",
    (
        Option(("-i",), "signal", "make it reload all symbols (SIGUSR1)", const="SIGUSR1"),
        Option(("-I",), "signal", "the same (SIGUSR2)", const="SIGUSR2"),
    ),
    is_exclusive=True,
)


def running(*, drop_in: bool) -> OptionGroup:
    """Return the options that say how the daemon runs; ``drop_in`` is for ``klogd``."""
    default = " (default: /run/klogd.pid)" if drop_in else ""
    return OptionGroup(
        "Running",
        (
            CONFIG,
            Option(
                ("-n", "--foreground"), "foreground", "stay in the foreground", hidden=not drop_in
            ),
            Option(
                ("--user",),
                "user",
                "drop privileges to NAME after startup",
                metavar="NAME",
                key="user",
            ),
            Option(("--pid-file",), "pid_file", f"write a pid file{default}", metavar="FILE"),
            Option(
                ("--log-level",),
                "log_level",
                f"level of the daemon's own log: {', '.join(LOG_LEVELS)}",
                metavar="LEVEL",
                convert=one_of(LOG_LEVELS),
                key="log.level",
            ),
            Option(
                ("-d", "--debug"),
                "debug",
                "same as --log-level debug",
                const="debug",
                key="log.level",
            ),
            VERSION,
            HELP,
        ),
    )
