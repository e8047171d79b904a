# SPDX-License-Identifier: GPL-2.0-or-later
"""Choose the files that symbols are read from, by the command line and the configuration.

Text from another machine must never be symbolized with the symbols of this kernel. The symbols of
the running machine are therefore used only for the messages of the running machine, or if ``live``
is set. For any other text only the sources that the command line names are used.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from klogd_py.config.schema import SymbolsSection
from klogd_py.symbols.symbol_sources import ModuleSources, RunningKernel, Sources, below_root
from klogd_py.system.inherited_fds import build_reader
from klogd_py.system.regular_file import read_if_readable

_CMDLINE = "/proc/cmdline"
_CONFIG = "/boot/config-"
_SYS_MODULES = "/sys/module"
_KCORE = "/proc/kcore"
_NOTES = "/sys/kernel/notes"
_OSRELEASE = "proc/sys/kernel/osrelease"
# The release becomes a part of paths; uname(2) has 64 bytes for it.
_RELEASE = re.compile(r"[!-.0-~]{1,64}")
_RELEASE_BYTES = 4096


class SymbolOptions(Struct, frozen=True):
    """The symbol sources that the command line names; an empty string leaves the configured one.

    ``release`` is that of the kernel (``6.1.0``), empty for the one of the machine below ``root``.
    """

    map: str = ""
    kallsyms: str = ""
    modules: str = ""
    module_files: str = ""
    slide: int | None = None
    root: str = "/"
    release: str = ""
    live: bool = False

    def configured_keys(self) -> dict[str, object]:
        """Return the keys of the configuration that the options replace, by their full names."""
        named = {
            "symbols.map": self.map,
            "symbols.kallsyms": self.kallsyms,
            "symbols.modules": self.modules,
            "symbols.module_files": self.module_files,
        }
        return {key: value for key, value in named.items() if value}

    def choose_sources(
        self,
        configured: SymbolsSection,
        *,
        may_be_foreign: bool,
        inherited_fds: Mapping[str, int] | None = None,
    ) -> Sources:
        """Return the files that symbols are read from.

        ``configured`` is the table with the options laid over it. ``may_be_foreign`` means that the
        text may be another machine's. ``inherited_fds`` are descriptors of the service manager.
        """
        root = Path(self.root)
        if root == Path("/") and may_be_foreign and not self.live:
            return Sources(
                self.release or None,
                given_map=_path(self.map),
                kallsyms=self.kallsyms or None,
                modules=ModuleSources(self.modules or None, _path(self.module_files)),
                slide=self.slide,
            )
        release = self.release or read_release(root)
        files = configured.module_files.replace("{release}", release)
        listing = self.modules or _below(root, configured.modules)
        return Sources(
            release or None,
            root,
            # The configured one is of the running machine
            _path(self.map if root != Path("/") else configured.map),
            configured.search,
            self.kallsyms or _below(root, configured.kallsyms),
            ModuleSources(
                listing,
                _path(self.module_files or _below(root, files)),
                below_root(root, _SYS_MODULES),
            ),
            RunningKernel(
                cmdline=below_root(root, _CMDLINE),
                config=below_root(root, _CONFIG + release),
                notes=below_root(root, _NOTES),
                kcore=below_root(root, _KCORE),
            ),
            self.slide,
            build_reader(inherited_fds or {}),
        )

    @property
    def names_other_release(self) -> bool:
        """Whether the command line names a kernel release other than the running one."""
        return self.release not in ("", os.uname().release)

    @property
    def names_sources(self) -> bool:
        """Whether the command line names a source of symbols."""
        return bool(self.map or self.kallsyms or self.modules)


def read_release(root: Path) -> str:
    """Return the kernel release of the machine below ``root``, such as ``6.1.0-50-amd64``.

    It is empty if ``proc/sys/kernel/osrelease`` is missing there or holds no valid release.
    """
    if root == Path("/"):
        return os.uname().release
    content = read_if_readable(root / _OSRELEASE, _RELEASE_BYTES) or b""
    release = content.decode("ascii", "replace").strip()
    return release if _RELEASE.fullmatch(release) else ""


def _below(root: Path, path: str) -> str | None:
    """Return a configured path below ``root``; ``None`` for an empty one, which names no file."""
    return str(below_root(root, path)) if path else None


def _path(name: str | None) -> Path | None:
    """Return a path that a user gave; ``None`` for an empty one, which names no file."""
    return Path(name) if name else None
