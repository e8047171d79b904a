# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse TOML text of any origin within limits of size, nesting and length.

tomllib takes time and memory in proportion to the square of the parts of a key, recurses for each
level of nesting, and raises ValueError for a number of more than 4,300 digits. `check_limits`
therefore removes strings and comments and counts brackets, parts and characters in the rest before
tomllib sees the text. `parse` turns every error of tomllib into NotToml.

Source of truth: https://toml.io/en/v1.0.0; tomllib of Python 3.11 to 3.14.
"""

import re
import tomllib

from klogd_py.config.errors import NotToml

# Ten times the size of the complete default configuration
MAX_FILE_BYTES = 1 << 16
# The limit for nested brackets, and for the parts of a dotted key
MAX_LEVELS = 16
# The length of a number, or of a key without quotes
MAX_WORD_CHARS = 256
MAX_REASON_CHARS = 200

# The closing quotes are optional, so that the expression never backtracks: an unclosed string ends
# where tomllib gives up as well. Three to five quotes close a multi-line string, of which up to two
# belong to its content.
_STRING_OR_COMMENT = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*(?:"{3,5})?|"(?:[^"\\\n]|\\[^\n])*"?'''
    r"""|'''(?:[^']|'(?!''))*(?:'{3,5})?|'[^'\n]*'?|#[^\n]*""",
    re.DOTALL,
)
_TOKEN = re.compile(
    r'(?P<word>[\w+-]+|"")|(?P<dot>\.)|(?P<opening>[\[{])|(?P<closing>[\]}])|[^ \t]', re.ASCII
)


def parse(raw: bytes) -> dict[str, object]:
    """Parse a TOML text of at most `MAX_FILE_BYTES` in UTF-8.

    Raises:
        NotToml: the text is larger, is not UTF-8, exceeds a limit, or is not TOML.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise NotToml(f"larger than {MAX_FILE_BYTES >> 10} KiB, which is the limit")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotToml(
            f"expected text in UTF-8, got byte {raw[error.start]:#04x} (at line {line})"
        ) from error
    check_limits(text)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise NotToml("nested too deep") from error
    except (MemoryError, OverflowError) as error:
        raise NotToml("a value that is too large") from error
    # TOMLDecodeError, and the errors of int() and datetime() for numbers and dates
    except ValueError as error:
        reason = str(error)
        raise NotToml(
            reason if len(reason) <= MAX_REASON_CHARS else f"{reason[:MAX_REASON_CHARS]}..."
        ) from error


def check_limits(text: str) -> None:
    """Raise NotToml if brackets, keys or words exceed the limits; tomllib checks the rest."""
    bare = _STRING_OR_COMMENT.sub(_placeholder, text)
    depth = dots = 0
    for token in _TOKEN.finditer(bare):
        if token["word"]:
            if len(token["word"]) > MAX_WORD_CHARS:
                raise _limit_error(
                    f"a number or a key of more than {MAX_WORD_CHARS} characters",
                    bare,
                    token.start(),
                )
            continue
        if token["dot"]:
            dots += 1
            if dots >= MAX_LEVELS:
                raise _limit_error(f"a key of more than {MAX_LEVELS} parts", bare, token.start())
            continue
        dots = 0
        if token["opening"]:
            depth += 1
            if depth > MAX_LEVELS:
                raise _limit_error(f"nested more than {MAX_LEVELS} deep", bare, token.start())
        elif token["closing"]:
            depth = max(depth - 1, 0)


def _placeholder(found: re.Match[str]) -> str:
    """Return an empty string for a string, nothing for a comment, and the line feeds of both."""
    return ("" if found[0].startswith("#") else '""') + "\n" * found[0].count("\n")


def _limit_error(reason: str, text: str, offset: int) -> NotToml:
    line_feed = "\n"
    return NotToml(f"{reason} (at line {text.count(line_feed, 0, offset) + 1})")
