# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse the short form of a sink: ``console``, ``file:PATH``, ``syslog:SOCKET``, ``journal``.

Only this module knows the form. The short form is also the name of a sink that has no name of its
own, in the status and in the cursor file.
"""

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

from msgspec import Struct

from klogd_py.config.errors import WrongText
from klogd_py.config.value_types import (
    TextCheck,
    check_behind,
    check_path,
    check_socket_path,
    normalize_path,
)

DEV_LOG = "/dev/log"
STDOUT = "-"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
FORMS = "console, file:PATH, syslog[:SOCKET] or journal[:SOCKET]"


class SinkType(Enum):
    """The kinds of sinks, as ``type`` in a table ``[[sinks]]`` names them."""

    CONSOLE = "console"
    FILE = "file"
    SYSLOG = "syslog"
    JOURNAL = "journal"


class Destination(Struct, frozen=True):
    """Where a sink sends to.

    ``path`` is the file or the socket. ``None`` is the default socket of the type; a console never
    has a path. A file of the path ``-`` is standard output.
    """

    type: SinkType
    path: str | None = None

    @property
    def name(self) -> str:
        """The name of a sink that has no name of its own: ``file:/x``, ``syslog:/dev/log``."""
        path = self._path_or_default
        return self.type.value if path is None else f"{self.type.value}:{path}"

    @property
    def normalized(self) -> "Destination":
        """The same destination with one spelling: no ``..`` in the path, no ``None`` for /dev/log.

        Symbolic links are not followed.
        """
        path = self._path_or_default
        return Destination(self.type, None if path is None else normalize_path(path))

    @property
    def _path_or_default(self) -> str | None:
        return DEV_LOG if self.type is SinkType.SYSLOG and self.path is None else self.path


def parse_shorthand(text: str) -> Destination:
    """Parse the short form of a sink, such as ``file:/var/log/kern.log``.

    Raises:
        WrongText: the text is none of the `FORMS`, or its path is invalid.
    """
    word, colon, path = text.partition(":")
    try:
        kind = SinkType(word)
    except ValueError as error:
        raise WrongText(FORMS) from error
    if not colon and kind is not SinkType.FILE:
        return Destination(kind)
    if not path or kind is SinkType.CONSOLE:
        raise WrongText(FORMS)
    check_behind(word, check_file if kind is SinkType.FILE else check_socket_path, path)
    return Destination(kind, path)


def destination_named(name: str) -> Destination | None:
    """Return the destination whose short form is the name; ``None`` for a name of another form."""
    try:
        return parse_shorthand(name)
    except WrongText:
        return None


def make_absolute(text: str, folder: Path) -> str:
    """Return the short form of a sink, a relative path in it taken from ``folder``."""
    word, _, path = text.partition(":")
    if path in ("", STDOUT) or "\0" in path:
        return text
    return f"{word}:{folder / path}"


def check_file(text: str) -> None:
    """Check for the path of a file sink: absolute, or ``-`` for standard output."""
    if text != STDOUT:
        check_path(text)


def check_sink(text: str) -> None:
    """Check for the short form of a sink."""
    parse_shorthand(text)


def check_sink_name(text: str) -> None:
    """Check for the name of a sink: the short form, or a plain word."""
    if not _PLAIN_NAME.fullmatch(text) and destination_named(text) is None:
        raise WrongText("1 to 64 letters, digits, '.', '_' and '-', or the short form of the sink")


Sink = Annotated[str, TextCheck(check_sink, "a sink")]
SinkName = Annotated[str, TextCheck(check_sink_name, "a word or the short form of a sink")]
FilePath = Annotated[str, TextCheck(check_file, "a path")]
