# SPDX-License-Identifier: GPL-2.0-or-later
"""Merge the command line into the configuration."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from klogd_py.config import loader as configuration
from klogd_py.config.errors import BadConfig, BadOptions, ConfigError
from klogd_py.config.schema import Config
from klogd_py.config.sink_merge import with_json_consoles
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.record.selection import Selection
from klogd_py.system.errors import describe_unexpected

if TYPE_CHECKING:
    from klogd_py.symbols.symbol_sources import Sources
    from klogd_py.system.privileges import User


class Capture(Struct, frozen=True):
    """The input of a run that does not read the running kernel.

    ``paths`` are files, and ``-`` for standard input. ``format`` is one of
    `klogd_py.sources.INPUT_FORMATS`.
    """

    paths: tuple[str, ...]
    format: str = "auto"


class RunOptions(Struct, frozen=True):
    """The options of one run.

    ``config_path`` is ``None`` for the default one, whose file may be missing. ``keys`` are the
    configuration keys that options replace, by their full names: ``{"translate.style": "off"}``.
    ``sinks`` and ``file_format`` leave the configuration where they are empty. ``any_text``
    symbolizes addresses in any text if the kernel is known not to be randomised. With
    ``prints_by_default`` the output goes to the console, unless a configuration that the command
    line names has sinks. ``inherited_fds``
    holds the descriptors of files that the service manager has opened, by path.
    """

    config_path: str | None = None
    keys: dict[str, object] = {}
    symbols: SymbolOptions = SymbolOptions()
    sinks: tuple[str, ...] = ()
    file_format: str = ""
    capture: Capture | None = None
    once: bool = False
    any_text: bool = False
    prints_by_default: bool = False
    selection: Selection = Selection()
    inherited_fds: dict[str, int] = {}

    def load_config(self) -> Config:
        """Read the configuration and override it with the options.

        Raises:
            BadConfig: a file of the configuration is wrong; no other exception comes from a file.
            BadOptions: the files are right, and the options are wrong or conflict with them.
        """
        try:
            return self._load_config()
        except ConfigError:
            raise
        except Exception as error:
            path = self.config_path or configuration.DEFAULT_PATH
            raise BadConfig(f"{path}: unexpected error: {describe_unexpected(error)}") from error

    def _load_config(self) -> Config:
        base = configuration.load(
            Path(self.config_path or configuration.DEFAULT_PATH),
            must_exist=self.config_path is not None,
        )
        sinks = base.sinks
        if self.prints_by_default and (self.config_path is None or sinks == Config().sinks):
            sinks = ("console",)
        content = msgspec.to_builtins(base) | {"sinks": msgspec.to_builtins(sinks)}
        # The option is for every console, also for one that has a format of its own.
        if self.keys.get("console.json"):
            content["sinks"] = msgspec.to_builtins(with_json_consoles(sinks))
        for key, value in self._all_keys().items():
            table, _, name = key.rpartition(".")
            (content[table] if table else content)[name] = value
        try:
            return configuration.convert(content, "command line")
        # The files alone were right.
        except BadConfig as error:
            raise BadOptions(str(error)) from error

    def _all_keys(self) -> dict[str, object]:
        """Return the keys that the options replace, by their full names."""
        found = self.keys | self.symbols.configured_keys()
        if self.sinks:
            found["sinks"] = list(self.sinks)
        if self.file_format:
            found["file.format"] = self.file_format
        return found

    def look_up_user(self, config: Config) -> "User | None":
        """Look up the user that the daemon runs as after its start; ``None`` keeps root.

        Raises:
            BadConfig: there is no user of the name that the configuration gives.
            BadOptions: there is no user of the name that the command line gives.
        """
        if not config.user:
            return None
        # Imported here because it needs ctypes, and few configurations name a user.
        from klogd_py.system.privileges import NoSuchUser, look_up

        try:
            return look_up(config.user)
        except NoSuchUser as error:
            raise (BadOptions if "user" in self.keys else BadConfig)(
                f"key user: {error}"
            ) from error

    def build_symbol_sources(self, config: Config, may_be_foreign: bool) -> "Sources":
        """Return the files that symbols are read from.

        ``may_be_foreign`` means that the text may be another machine's. The result is empty if
        nothing is to be symbolized.
        """
        # Imported here, as most commands read no symbols.
        from klogd_py.config.symbol_choice import choose_sources
        from klogd_py.symbols.symbol_sources import Sources

        if config.translate.style == "off":
            return Sources()
        return choose_sources(
            self.symbols,
            config.symbols,
            may_be_foreign=may_be_foreign,
            inherited_fds=self.inherited_fds,
        )
