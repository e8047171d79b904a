# SPDX-License-Identifier: GPL-2.0-or-later
"""The exceptions of this package.

A check raises: `WrongText` for the value of one string, `WrongKey` for a key of a table. The loader
turns both into BadConfig, which names the file, and the options into BadOptions.
"""


class ConfigError(ValueError):
    """The configuration cannot be used, or a part of it is wrong.

    The message is one line of printable characters, whatever a file contains.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class BadConfig(ConfigError):
    """A file cannot be read, is not TOML, or a key in it is unknown or has a wrong value.

    The message names the file, the key and what was expected.
    """


class BadOptions(ConfigError):
    """An option is wrong by itself or conflicts with the configuration."""


class NotToml(ConfigError):
    """The text is not TOML, or exceeds a limit; the message says what and in which line."""


class WrongKey(ConfigError):
    """A key is unknown, was renamed, has a wrong value, or conflicts with another key.

    The message is a sentence that names the key and what was expected. It is short, whatever the
    table holds.
    """


class WrongText(ConfigError):
    """A string is not what its key expects; the message is what was expected, in words."""
