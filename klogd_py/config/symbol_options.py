# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of the command line that name sources of symbols.

`klogd_py.config.symbol_choice` chooses the sources by them. It is apart because it needs the
modules that read symbols, which most commands do not.
"""

import os

from msgspec import Struct


class SymbolOptions(Struct, frozen=True):
    """The symbol sources that the command line names; ``None`` leaves the configured one.

    ``release`` is that of the kernel (``6.1.0``), ``None`` for the one of the machine below
    ``root``.
    """

    map: str | None = None
    kallsyms: str | None = None
    modules: str | None = None
    module_files: str | None = None
    slide: int | None = None
    root: str = "/"
    release: str | None = None
    live: bool = False

    def configured_keys(self) -> dict[str, object]:
        """Return the keys of the configuration that the options replace, by their full names."""
        named = {
            "symbols.map": self.map,
            "symbols.kallsyms": self.kallsyms,
            "symbols.modules": self.modules,
            "symbols.module_files": self.module_files,
        }
        return {key: value for key, value in named.items() if value is not None}

    @property
    def names_other_release(self) -> bool:
        """Whether the command line names a kernel release other than the running one."""
        return self.release not in (None, os.uname().release)

    @property
    def names_sources(self) -> bool:
        """Whether the command line names a source of symbols."""
        return bool(self.map or self.kallsyms or self.modules)
