# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads TOML text that anybody may have written, within limits.

tomllib takes time and memory in proportion to the square of a key's parts, recurses for each level
of nesting, and raises ValueError for a number of more than 4,300 digits. So the shape of the text
is looked at first: its strings and comments are left out, and what remains is counted. What tomllib
itself cannot take is answered here as well, in one place.

Source of truth: https://toml.io/en/v1.0.0; tomllib of Python 3.11 to 3.14.
"""

import re
import tomllib

# The complete default configuration has a tenth of it
LIMIT_BYTES = 1 << 16
# Of brackets within brackets, and of parts in a key
MAX_LEVELS = 16
# A number, or a key without quotes
MAX_WORD = 256
MAX_REASON = 200

# The closing quotes are optional, so that nothing is ever tried twice: what is not closed ends
# where tomllib gives up as well. Three to five quotes close a string of several lines, of which up
# to two belong to it.
_STRING_OR_COMMENT = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*(?:"{3,5})?|"(?:[^"\\\n]|\\[^\n])*"?'''
    r"""|'''(?:[^']|'(?!''))*(?:'{3,5})?|'[^'\n]*'?|#[^\n]*""",
    re.DOTALL,
)
_TOKEN = re.compile(
    r'(?P<word>[\w+-]+|"")|(?P<dot>\.)|(?P<opening>[\[{])|(?P<closing>[\]}])|[^ \t]', re.ASCII
)


class NotToml(ValueError):
    """The text is not TOML, or exceeds a limit; the message says what and in which line."""


def parse(raw: bytes) -> dict[str, object]:
    """The tables of a TOML text of at most `LIMIT_BYTES`; raises NotToml."""
    if len(raw) > LIMIT_BYTES:
        raise NotToml(f"larger than {LIMIT_BYTES >> 10} KiB, which is the limit")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotToml(
            f"expected text in UTF-8, got byte {raw[error.start]:#04x} (at line {line})"
        ) from error
    check_shape(text)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise NotToml("nested too deep") from error
    except (MemoryError, OverflowError) as error:
        raise NotToml("a value that is too large") from error
    # TOMLDecodeError, and what int() and datetime() refuse
    except ValueError as error:
        reason = str(error)
        raise NotToml(
            reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}..."
        ) from error


def check_shape(text: str) -> None:
    """Raise NotToml for brackets, keys or words beyond the limits; the rest is left to tomllib."""
    bare = _STRING_OR_COMMENT.sub(_placeholder, text)
    depth = dots = 0
    for token in _TOKEN.finditer(bare):
        if token["word"]:
            if len(token["word"]) > MAX_WORD:
                raise _beyond(
                    f"a number or a key of more than {MAX_WORD} characters", bare, token.start()
                )
            continue
        if token["dot"]:
            dots += 1
            if dots >= MAX_LEVELS:
                raise _beyond(f"a key of more than {MAX_LEVELS} parts", bare, token.start())
            continue
        dots = 0
        if token["opening"]:
            depth += 1
            if depth > MAX_LEVELS:
                raise _beyond(f"nested more than {MAX_LEVELS} deep", bare, token.start())
        elif token["closing"]:
            depth = max(depth - 1, 0)


def _placeholder(found: re.Match[str]) -> str:
    """What stands for a string or a comment: an empty string or nothing, and its line feeds."""
    return ("" if found[0].startswith("#") else '""') + "\n" * found[0].count("\n")


def _beyond(what: str, text: str, at: int) -> NotToml:
    line_feed = "\n"
    return NotToml(f"{what} (at line {text.count(line_feed, 0, at) + 1})")
