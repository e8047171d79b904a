# SPDX-License-Identifier: GPL-2.0-or-later
"""Merge the command line into the configuration.

Text from another machine must never be symbolized with the symbols of this kernel. The symbols of
the running machine are therefore used only for the messages of the running machine, or if ``live``
is set. For any other text only the sources that the command line names are used.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from klogd_py.config import loader as configuration
from klogd_py.config.loader import BadConfig
from klogd_py.config.schema import Config
from klogd_py.symbols.symbol_sources import Sources, below_root
from klogd_py.system.errors import describe_unexpected
from klogd_py.system.inherited_fds import build_reader
from klogd_py.system.regular_file import read_regular

if TYPE_CHECKING:
    from klogd_py.system.privileges import User

_CMDLINE = "/proc/cmdline"
_CONFIG = "/boot/config-"
_SYS_MODULES = "/sys/module"
_KCORE = "/proc/kcore"
_NOTES = "/sys/kernel/notes"
_OSRELEASE = "proc/sys/kernel/osrelease"
# The release becomes a part of paths; uname(2) has 64 bytes for it.
_RELEASE = re.compile(r"[!-.0-~]{1,64}")
_RELEASE_BYTES = 4096


class BadOptions(BadConfig):
    """An option is wrong by itself or conflicts with the configuration."""


class RunOptions(Struct, frozen=True):
    """The options of one run; an empty string, false, 0 or ``None`` leaves the configuration.

    ``any_text`` symbolizes addresses in any text if the kernel is known not to be randomised.
    ``inherited_fds`` holds the descriptors of files that the service manager has opened, by path.
    """

    config_path: str = ""
    root: str = "/"
    release: str = ""
    map: str = ""
    kallsyms: str = ""
    modules: str = ""
    module_files: str = ""
    slide: int | None = None
    live: bool = False
    sinks: tuple[str, ...] = ()
    input: str = ""
    input_format: str = "auto"
    source: str = ""
    once: bool = False
    style: str = ""
    resymbolize: bool | None = None
    duplicate_raw: bool = False
    any_text: bool = False
    reload_on_oops: bool = False
    json: bool = False
    file_format: str = ""
    console_level: int = 0
    log_level: str = ""
    user: str = ""
    inherited_fds: dict[str, int] = {}

    def load_config(self) -> Config:
        """Read the configuration and override it with the options.

        Raises:
            BadConfig: a file of the configuration is wrong; no other exception comes from a file.
            BadOptions: the files are right, and the options are wrong or conflict with them.
        """
        try:
            return self._load_config()
        except BadConfig:
            raise
        except Exception as error:
            path = self.config_path or configuration.DEFAULT_PATH
            raise BadConfig(f"{path}: unexpected error: {describe_unexpected(error)}") from error

    def _load_config(self) -> Config:
        path = Path(self.config_path) if self.config_path else configuration.DEFAULT_PATH
        base = configuration.load(path, must_exist=bool(self.config_path))
        content = msgspec.to_builtins(base)
        content |= {key: value for key, value in self._top_level_keys().items() if value}
        for table, keys in self._tables().items():
            content[table] |= {key: value for key, value in keys.items() if value}
        if self.resymbolize is not None:
            content["translate"]["resymbolize"] = self.resymbolize
        try:
            return configuration.convert(content, "command line")
        # The files alone were right.
        except BadConfig as error:
            raise BadOptions(str(error)) from error

    def _top_level_keys(self) -> dict[str, object]:
        return {
            "sinks": list(self.sinks),
            "console_level": self.console_level,
            "user": self.user,
        }

    def _tables(self) -> dict[str, dict[str, object]]:
        return {
            "input": {"source": self.source},
            "symbols": {
                "map": self.map,
                "kallsyms": self.kallsyms,
                "modules": self.modules,
                "module_files": self.module_files,
            },
            "translate": {
                "style": self.style,
                "duplicate_raw": self.duplicate_raw,
                "reload_on_oops": self.reload_on_oops,
            },
            "file": {"format": self.file_format},
            "console": {"json": self.json},
            "log": {"level": self.log_level},
        }

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
            raise (BadOptions if self.user else BadConfig)(f"key user: {error}") from error

    def build_symbol_sources(self, config: Config, may_be_foreign: bool) -> Sources:
        """Return the files that symbols are read from.

        ``may_be_foreign`` means that the text may be another machine's. The result is empty if
        nothing is to be symbolized.
        """
        if config.translate.style == "off":
            return Sources()
        root = Path(self.root)
        release = self.release or read_release(root)
        symbols = config.symbols
        if root != Path("/"):
            kallsyms = self.kallsyms or (
                symbols.kallsyms and str(below_root(root, symbols.kallsyms))
            )
            modules = self.modules or (symbols.modules and str(below_root(root, symbols.modules)))
            found = Sources(release, root, self.map, symbols.search, kallsyms, modules)
        elif may_be_foreign and not self.live:
            explicit = Sources(
                self.release, root, self.map, (), self.kallsyms, self.modules, self.slide
            )
            return msgspec.structs.replace(explicit, module_files=self.module_files)
        else:
            found = Sources(
                release, root, symbols.map, symbols.search, symbols.kallsyms, symbols.modules
            )
        files = symbols.module_files.replace("{release}", release)
        return msgspec.structs.replace(
            found,
            slide=self.slide,
            cmdline=str(below_root(root, _CMDLINE)),
            config=str(below_root(root, _CONFIG + release)),
            module_files=self.module_files or (files and str(below_root(root, files))),
            sys_modules=str(below_root(root, _SYS_MODULES)),
            notes=str(below_root(root, _NOTES)),
            kcore=str(below_root(root, _KCORE)),
            read=build_reader(self.inherited_fds),
        )

    @property
    def names_other_release(self) -> bool:
        """Whether the command line names a kernel release other than the running one."""
        return self.release not in ("", os.uname().release)

    @property
    def names_symbol_sources(self) -> bool:
        """Whether the command line names a source of symbols."""
        return bool(self.map or self.kallsyms or self.modules)


def read_release(root: Path) -> str:
    """Return the kernel release of the machine below ``root``, such as ``6.1.0-50-amd64``.

    It is empty if ``proc/sys/kernel/osrelease`` is missing there or holds no valid release.
    """
    if root == Path("/"):
        return os.uname().release
    try:
        content = read_regular(root / _OSRELEASE, _RELEASE_BYTES)
    except OSError:
        return ""
    release = content.decode("ascii", "replace").strip()
    return release if _RELEASE.fullmatch(release) else ""
