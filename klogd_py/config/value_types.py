# SPDX-License-Identifier: GPL-2.0-or-later
"""Define the value types of the configuration: ranges of numbers and checks of strings.

`klogd_py.config.schema` annotates its fields with these types, and `klogd_py.config.validation`
reads the annotations. A check takes the string and raises WrongText, whose message is what was
expected instead, in words. No check looks at the machine.

Source of truth: unix(7) for the length of a socket's path; limits.h for NAME_MAX and PATH_MAX.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Struct

from klogd_py.config.errors import WrongText
from klogd_py.config.listen_address import parse_listen_address

MAX_PATH_BYTES, MAX_NAME_BYTES, MAX_SOCKET_PATH_BYTES = 4095, 255, 107
# __NEW_UTS_LEN: the longest release that {release} can stand for
_LONGEST_RELEASE = "9" * 64
MAX_ENTRIES = 128

# Surrogates stand for bytes that are not UTF-8.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Range(Struct, frozen=True):
    """The range of a number, both ends included.

    ``description`` replaces "MINIMUM to MAXIMUM" where that alone is not clear. Only the documents
    show the unit. ``off`` is a number outside the range that turns something off.
    """

    minimum: int
    maximum: int
    description: str | None = None
    unit: str | None = None
    off: int | None = None

    def allows(self, number: int) -> bool:
        """Whether a number is in the range, or turns it off."""
        return number == self.off or self.minimum <= number <= self.maximum

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        return self.description or f"{self.minimum} to {self.maximum}"


class Length(Struct, frozen=True):
    """How many entries a list may have; ``noun`` names one entry in messages."""

    minimum: int
    maximum: int
    noun: str


class TextCheck(Struct, frozen=True):
    """The check of a string, which raises WrongText; ``noun`` says in the documents what it is."""

    check: Callable[[str], None]
    noun: str


def check_path(text: str) -> None:
    """Check for an absolute path."""
    if _CONTROLS.search(text):
        raise WrongText("a path of UTF-8 characters without control characters")
    if not text.startswith("/"):
        raise WrongText("an absolute path")
    raw = text.encode()
    if len(raw) > MAX_PATH_BYTES or any(len(name) > MAX_NAME_BYTES for name in raw.split(b"/")):
        raise WrongText(
            f"a path of at most {MAX_PATH_BYTES} bytes, and {MAX_NAME_BYTES} for each name in it"
        )


def normalize_path(path: str) -> str:
    """Return a path in one spelling; symbolic links are not followed.

    ``//a`` is ``/a`` on Linux. POSIX leaves it to the system, and so does normpath.
    """
    normalized = os.path.normpath(path)
    return normalized[1:] if normalized.startswith("//") else normalized


def check_optional_path(text: str) -> None:
    """Check for an absolute path or an empty string."""
    if text:
        check_path(text)


def check_path_template(text: str) -> None:
    """Check for an absolute path in which {release} stands for the kernel release."""
    check_path(text.replace("{release}", _LONGEST_RELEASE))


def check_optional_path_template(text: str) -> None:
    """Check for a path template or an empty string."""
    if text:
        check_path_template(text)


def check_socket_path(text: str) -> None:
    """Check for a path that fits into the address of a Unix socket."""
    check_path(text)
    if len(text.encode()) > MAX_SOCKET_PATH_BYTES:
        raise WrongText(
            f"a path of at most {MAX_SOCKET_PATH_BYTES} bytes, which is the limit for sockets"
        )


def check_optional_socket_path(text: str) -> None:
    """Check for a socket's path or an empty string."""
    if text:
        check_socket_path(text)


def check_account_name(text: str) -> None:
    """Check for the name of a user or a group, or an empty string; it need not exist."""
    if _CONTROLS.search(text) or ":" in text or len(text) > MAX_NAME_BYTES:
        raise WrongText(
            f"a name of at most {MAX_NAME_BYTES} characters, no colons or control characters"
        )


def check_octal_mode(text: str) -> None:
    """Check for the permissions of a file, such as ``0640``."""
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise WrongText('an octal mode such as "0640"')


def check_prometheus_file(text: str) -> None:
    """Check for a path that the textfile collector reads, or an empty string."""
    if text and not text.endswith(".prom"):
        raise WrongText("a path that ends in .prom")
    check_optional_path(text)


def check_listen_address(text: str) -> None:
    """Check for an address that only this machine can reach, or an empty string."""
    if not text:
        return
    address = parse_listen_address(text)
    if isinstance(address, Path):
        check_behind("unix", check_socket_path, str(address))


def check_behind(prefix: str, check: Callable[[str], None], path: str) -> None:
    """Check the path behind a prefix, which the message then names."""
    try:
        check(path)
    except WrongText as error:
        raise WrongText(f"{prefix}: and {error}") from error


OptionalPath = Annotated[str, TextCheck(check_optional_path, "a path or an empty string")]
SocketPath = Annotated[str, TextCheck(check_socket_path, "the path of a socket")]
OptionalSocketPath = Annotated[
    str, TextCheck(check_optional_socket_path, "the path of a socket or an empty string")
]
OptionalPathTemplate = Annotated[
    str, TextCheck(check_optional_path_template, "a path or an empty string")
]
AccountName = Annotated[str, TextCheck(check_account_name, "a name or an empty string")]
OctalMode = Annotated[
    str, TextCheck(check_octal_mode, "three octal digits, with or without a leading 0")
]
PrometheusFile = Annotated[str, TextCheck(check_prometheus_file, "a path or an empty string")]
ListenAddress = Annotated[str, TextCheck(check_listen_address, "an address or an empty string")]
SearchPaths = Annotated[
    tuple[Annotated[str, TextCheck(check_path_template, "a path")], ...],
    Length(0, MAX_ENTRIES, "place"),
]
FormatName = Literal["text", "klogd", "json"]
ColourName = Literal["auto", "always", "never"]
WhenFullName = Literal["wait", "drop"]
SinkTypeName = Literal["console", "file", "syslog", "journal"]
# A smaller queue cannot hold one burst. One of more than a GiB is a mistake.
KiB = Annotated[int, Range(64, 1 << 20, unit="KiB")]
# A smaller file would be full before a burst is written.
RotateKiB = Annotated[int, Range(64, 1 << 30, "0 (never) or 64 to 1073741824", unit="KiB", off=0)]
OldFiles = Annotated[int, Range(1, 99)]
Seconds = Annotated[int, Range(1, 3600, unit="seconds")]
ConsoleLevel = Annotated[int, Range(0, 8, "0 (leave it alone) or 1 to 8")]
Burst = Annotated[int, Range(0, 1_000_000, "0 (no limit) to 1000000")]
