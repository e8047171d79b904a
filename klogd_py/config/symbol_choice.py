# SPDX-License-Identifier: GPL-2.0-or-later
"""Choose the files that symbols are read from, by the command line and the configuration.

Text from another machine must never be symbolized with the symbols of this kernel. The symbols of
the running machine are therefore used only for the messages of the running machine, or if ``live``
is set. For any other text only the sources that the command line names are used.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from klogd_py.config.schema import SymbolsSection
from klogd_py.config.symbol_options import SymbolOptions
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


def choose_sources(
    options: SymbolOptions,
    configured: SymbolsSection,
    *,
    may_be_foreign: bool,
    inherited_fds: Mapping[str, int] | None = None,
) -> Sources:
    """Return the files that symbols are read from.

    ``configured`` is the table of the configuration with the options laid over it.
    ``may_be_foreign`` means that the text may be another machine's. ``inherited_fds`` are
    descriptors of the service manager.
    """
    if options.root == "/" and may_be_foreign and not options.live:
        return _named_sources(options)
    return _sources_of_machine(options, configured, build_reader(inherited_fds or {}))


def choose_sources_of_question(options: SymbolOptions, configured: SymbolsSection) -> Sources:
    """Return the files for a question about symbols: of this machine, or of a release on its disk.

    What this machine's kernel says of itself holds for its own release only.
    """
    if options.root != "/" or not options.names_other_release:
        return choose_sources(options, configured, may_be_foreign=False)
    named = _named_sources(options)
    files = configured.module_files.replace("{release}", options.release or "")
    modules = ModuleSources(options.modules, named.modules.files or _path(files))
    return msgspec.structs.replace(named, places=configured.search, modules=modules)


def _named_sources(options: SymbolOptions) -> Sources:
    """Return only what the options name."""
    return Sources(
        options.release,
        given_map=_path(options.map),
        kallsyms=options.kallsyms,
        modules=ModuleSources(options.modules, _path(options.module_files)),
        slide=options.slide,
    )


def _sources_of_machine(
    options: SymbolOptions, configured: SymbolsSection, read: Callable[[str], bytes]
) -> Sources:
    """Return the sources of the machine below the root, with those that the options name."""
    root = Path(options.root)
    release = options.release or read_release(root)
    files = configured.module_files.replace("{release}", release or "")
    return Sources(
        release,
        root,
        # The configured one is of the running machine
        _path(options.map if root != Path("/") else configured.map),
        configured.search,
        options.kallsyms or _below(root, configured.kallsyms),
        ModuleSources(
            options.modules or _below(root, configured.modules),
            _path(options.module_files or _below(root, files)),
            below_root(root, _SYS_MODULES),
        ),
        RunningKernel(
            cmdline=below_root(root, _CMDLINE),
            config=below_root(root, f"{_CONFIG}{release}") if release else None,
            notes=below_root(root, _NOTES),
            kcore=below_root(root, _KCORE),
        ),
        options.slide,
        read,
    )


def read_release(root: Path) -> str | None:
    """Return the kernel release of the machine below ``root``, such as ``6.1.0-50-amd64``.

    It is ``None`` if ``proc/sys/kernel/osrelease`` is missing there or holds no valid release.
    """
    if root == Path("/"):
        return os.uname().release
    content = read_if_readable(root / _OSRELEASE, _RELEASE_BYTES) or b""
    release = content.decode("ascii", "replace").strip()
    return release if _RELEASE.fullmatch(release) else None


def _below(root: Path, path: str) -> str | None:
    """Return a configured path below ``root``; ``None`` for an empty one, which names no file."""
    return str(below_root(root, path)) if path else None


def _path(name: str | None) -> Path | None:
    """Return a path that is named; ``None`` for an empty one, which names no file."""
    return Path(name) if name else None
