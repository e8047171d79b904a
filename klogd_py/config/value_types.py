# SPDX-License-Identifier: GPL-2.0-or-later
"""What values a setting may have, beyond its type: limits of numbers, and checks of texts.

They stand as annotations in `klogd_py.config.schema`, where `klogd_py.config.loader` finds them. A
check gets the text and returns what was expected instead, in words; an empty answer means that it
may stay. Nothing is looked up on the machine.

Source of truth: unix(7) for the length of a socket's path; limits.h NAME_MAX and PATH_MAX.
"""

import re
from collections.abc import Callable
from typing import Annotated

from msgspec import Struct

from klogd_py.config import listen_address

MAX_PATH_BYTES, MAX_NAME_BYTES, MAX_SOCKET_BYTES = 4095, 255, 107
# __NEW_UTS_LEN: what {release} may stand for
MAX_RELEASE = "9" * 64
MAX_ENTRIES = 128

# Surrogates stand for bytes that are no text.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Limits(Struct, frozen=True):
    """The least and the most that a number may be; ``words`` say it where both alone do not."""

    least: int
    most: int
    words: str = ""

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        return self.words or f"{self.least} to {self.most}"


class Count(Struct, frozen=True):
    """How many entries a list or a table may have; ``thing`` names one of them."""

    least: int
    most: int
    thing: str


class Form(Struct, frozen=True):
    """The check of a text."""

    wrong: Callable[[str], str]


def path(text: str) -> str:
    """An absolute path to something."""
    if _CONTROLS.search(text):
        return "a path of UTF-8 characters without control characters"
    if not text.startswith("/"):
        return "an absolute path"
    raw = text.encode()
    if len(raw) > MAX_PATH_BYTES or any(len(name) > MAX_NAME_BYTES for name in raw.split(b"/")):
        return f"a path of at most {MAX_PATH_BYTES} bytes, and {MAX_NAME_BYTES} for each name in it"
    return ""


def path_or_nothing(text: str) -> str:
    """An absolute path, or the empty text."""
    return path(text) if text else ""


def template(text: str) -> str:
    """An absolute path in which {release} stands for the kernel's."""
    return path(text.replace("{release}", MAX_RELEASE))


def template_or_nothing(text: str) -> str:
    """Such a path, or the empty text."""
    return template(text) if text else ""


def socket_path(text: str) -> str:
    """A path that fits into the address of a Unix socket."""
    wrong = path(text)
    if not wrong and len(text.encode()) > MAX_SOCKET_BYTES:
        return f"a path of at most {MAX_SOCKET_BYTES} bytes, which is the limit for sockets"
    return wrong


def socket_path_or_nothing(text: str) -> str:
    """Such a path, or the empty text."""
    return socket_path(text) if text else ""


def account(text: str) -> str:
    """The name of a user or a group, or the empty text; whether there is one is not asked."""
    if _CONTROLS.search(text) or ":" in text or len(text) > MAX_NAME_BYTES:
        return f"a name of at most {MAX_NAME_BYTES} characters, no colons or control characters"
    return ""


def sink(text: str) -> str:
    """The name of a sink."""
    kind, _, place = text.partition(":")
    if text in ("console", "file:-", "syslog", "journal"):
        return ""
    if kind not in ("file", "syslog", "journal") or not place:
        return "console, file:PATH, syslog[:SOCKET] or journal[:SOCKET]"
    wrong = path(place) if kind == "file" else socket_path(place)
    return wrong and f"{wrong} behind {kind}:"


def octal_mode(text: str) -> str:
    """The permissions of a file."""
    return "" if re.fullmatch(r"0?[0-7]{3}", text) else 'an octal mode such as "0640"'


def prometheus_file(text: str) -> str:
    """A path to a file that the textfile collector reads, or the empty text."""
    if text and not text.endswith(".prom"):
        return "a path that ends in .prom"
    return path_or_nothing(text)


def listening_address(text: str) -> str:
    """An address that only this machine can reach, or the empty text."""
    if not text:
        return ""
    try:
        address = listen_address.address_of(text)
    except ValueError:
        return f"a loopback address such as {listen_address.EXAMPLE} or unix:PATH"
    wrong = "" if isinstance(address, tuple) else socket_path(str(address))
    return wrong and f"{wrong} behind unix:"


PathOrNothing = Annotated[str, Form(path_or_nothing)]
SocketOrNothing = Annotated[str, Form(socket_path_or_nothing)]
TemplateOrNothing = Annotated[str, Form(template_or_nothing)]
SequenceTracker = Annotated[str, Form(account)]
Sink = Annotated[str, Form(sink)]
OctalMode = Annotated[str, Form(octal_mode)]
PrometheusFile = Annotated[str, Form(prometheus_file)]
ListeningAddress = Annotated[str, Form(listening_address)]
Places = Annotated[tuple[Annotated[str, Form(template)], ...], Count(0, MAX_ENTRIES, "place")]
Sinks = Annotated[tuple[Sink, ...], Count(1, MAX_ENTRIES, "sink")]
# Less holds not even one burst, more than a GiB is no queue but a mistake.
KiB = Annotated[int, Limits(64, 1 << 20)]
Seconds = Annotated[int, Limits(1, 3600)]
ConsoleLevel = Annotated[int, Limits(0, 8, "0 (leave it alone) or 1 to 8")]
Burst = Annotated[int, Limits(0, 1_000_000, "0 (no limit) to 1000000")]
