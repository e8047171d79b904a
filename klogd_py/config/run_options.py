# SPDX-License-Identifier: GPL-2.0-or-later
"""What was asked for this time: the command line laid over the configuration.

A text from elsewhere must never be named by this kernel. So the running machine's symbols are used
only where the running machine's messages are read, or where ``live`` says so; everywhere else only
what was named explicitly.
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
from klogd_py.system.inherited_fds import reader
from klogd_py.system.regular_file import read_regular

if TYPE_CHECKING:
    from klogd_py.system.privileges import User

_CMDLINE = "/proc/cmdline"
_CONFIG = "/boot/config-"
_SYS_MODULES = "/sys/module"
_KCORE = "/proc/kcore"
_NOTES = "/sys/kernel/notes"
_OSRELEASE = "proc/sys/kernel/osrelease"
# It becomes a part of paths; uname(2) has 64 bytes for it
_RELEASE = re.compile(r"[!-.0-~]{1,64}")
_RELEASE_BYTES = 4096


class BadOptions(BadConfig):
    """What the options say cannot be, by itself or together with the configuration."""


class RunOptions(Struct, frozen=True):
    """The options of one run. Empty strings and ``None`` leave the matter to the configuration.

    ``any_text`` has addresses named in any text, where the kernel is known not to be randomised.
    ``handed`` are descriptors of files that the service manager has opened, by path.
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
    handed: dict[str, int] = {}

    def config(self) -> Config:
        """Read the configuration and lay the options over it.

        Raises BadConfig, whatever stands in the files, or BadOptions.
        """
        try:
            return self._config()
        except BadConfig:
            raise
        except Exception as error:
            path = self.config_path or configuration.DEFAULT_PATH
            raise BadConfig(f"{path}: unexpected error: {describe_unexpected(error)}") from error

    def _config(self) -> Config:
        path = Path(self.config_path) if self.config_path else configuration.DEFAULT_PATH
        base = configuration.load(path, must_exist=bool(self.config_path))
        given: dict[str, dict[str, object]] = {
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
        content = msgspec.to_builtins(base)
        for table, keys in given.items():
            content[table] |= {key: value for key, value in keys.items() if value}
        if self.resymbolize is not None:
            content["translate"]["resymbolize"] = self.resymbolize
        if self.sinks:
            content["sinks"] = list(self.sinks)
        if self.console_level:
            content["console_level"] = self.console_level
        if self.user:
            content["user"] = self.user
        try:
            return configuration.convert(content, "command line")
        # The files alone were right
        except BadConfig as error:
            raise BadOptions(str(error)) from error

    def named_user(self, config: Config) -> "User | None":
        """Whom to go on as, if a user is named; raises BadConfig if there is none of that name."""
        if not config.user:
            return None
        # With ctypes, which few want
        from klogd_py.system.privileges import NoSuchUser, look_up

        try:
            return look_up(config.user)
        except NoSuchUser as error:
            raise (BadOptions if self.user else BadConfig)(f"key user: {error}") from error

    def sources(self, config: Config, elsewhere: bool) -> Sources:
        """Where names are to come from.

        ``elsewhere`` says that the addresses may be another machine's.
        """
        if config.translate.style == "off":
            return Sources()
        root = Path(self.root)
        release = self.release or release_of(root)
        symbols = config.symbols
        if root != Path("/"):
            kallsyms = self.kallsyms or (
                symbols.kallsyms and str(below_root(root, symbols.kallsyms))
            )
            modules = self.modules or (symbols.modules and str(below_root(root, symbols.modules)))
            found = Sources(release, root, self.map, symbols.search, kallsyms, modules)
        elif elsewhere and not self.live:
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
            read=reader(self.handed),
        )

    @property
    def another_release(self) -> bool:
        """Whether the command line speaks of a kernel that is not the running one."""
        return self.release not in ("", os.uname().release)

    @property
    def names_given(self) -> bool:
        """Whether the command line says where names are to come from."""
        return bool(self.map or self.kallsyms or self.modules)


def release_of(root: Path) -> str:
    """The kernel release of the machine below ``root``; empty if it does not tell."""
    if root == Path("/"):
        return os.uname().release
    try:
        told = read_regular(root / _OSRELEASE, _RELEASE_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return ""
    return told if _RELEASE.fullmatch(told) else ""
