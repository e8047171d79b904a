# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the files that symbols come from: where they are, and what makes one unusable.

A file that is missing or unusable becomes a remark for the operator; nothing here is fatal.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from klogd_py.record.types import LookupFailure
from klogd_py.symbols import kallsyms
from klogd_py.symbols.kallsyms import Kallsyms
from klogd_py.symbols.modules import proc_modules
from klogd_py.symbols.modules.module_files import ModuleFiles
from klogd_py.symbols.modules.proc_modules import ModuleList
from klogd_py.system.regular_file import read_regular

# Of a list of symbols or of modules
MAX_LIST_BYTES = 64 << 20
# A kernel's whole configuration has 300 KiB
MAX_SMALL_BYTES = 1 << 20
NO_KALLSYMS = Kallsyms(LookupFailure.NO_SYMBOLS, LookupFailure.NO_SYMBOLS)
_RESTRICTED = (
    "{path} shows only zeros (kernel.kptr_restrict): run klogd-py with CAP_SYSLOG, "
    "and set kernel.kptr_restrict to 0 or 1, to have names from it"
)


def _read_list(path: str) -> bytes:
    return read_regular(path, MAX_LIST_BYTES)


class Sources(Struct, frozen=True):
    """The paths of all symbol sources. A source with an empty path is not used.

    ``places`` are searched for a map, below ``root``; ``{release}`` in one is replaced by the
    kernel release, as ``uname -r`` prints it. ``given_map`` replaces that search. ``slide`` is the
    slide that the user gave. ``cmdline`` and ``config`` can say that the kernel is not randomised.
    ``module_files`` is a folder such as /lib/modules/6.1.0, ``sys_modules`` is /sys/module,
    ``notes`` is /sys/kernel/notes, ``kcore`` is /proc/kcore. ``read`` reads ``kallsyms`` and
    ``modules``, and raises OSError.
    """

    release: str = ""
    root: Path = Path("/")
    given_map: str = ""
    places: tuple[str, ...] = ()
    kallsyms: str = ""
    modules: str = ""
    slide: int | None = None
    cmdline: str = ""
    config: str = ""
    module_files: str = ""
    sys_modules: str = ""
    notes: str = ""
    kcore: str = ""
    read: Callable[[str], bytes] = _read_list

    def map_paths(self) -> Iterator[tuple[Path, bool]]:
        """Yield the paths to search for a map, in order, and whether each states the release."""
        for place in self.places:
            path = below_root(self.root, place.replace("{release}", self.release))
            yield path, "{release}" in place


def below_root(root: Path, path: str | Path) -> Path:
    """Return a path of the machine as it is below ``root``."""
    return root / str(path).lstrip("/") if root != Path("/") else Path(path)


def read_small(path: str) -> bytes:
    """Return the content of a small file; empty if the path is empty or cannot be read.

    Only for files that add to what is known, so that a missing one makes no difference.
    """
    try:
        return read_regular(path, MAX_SMALL_BYTES) if path else b""
    except OSError:
        return b""


def read_kallsyms(sources: Sources, remarks: list[str]) -> Kallsyms:
    """Read the kernel's own symbols; adds to ``remarks`` why there are none."""
    path = sources.kallsyms
    if not path:
        return NO_KALLSYMS
    try:
        symbols = kallsyms.parse(sources.read(path))
    except FileNotFoundError:
        remarks.append(
            f"{path} does not exist (a kernel without CONFIG_KALLSYMS, or no /proc there)"
        )
        return NO_KALLSYMS
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return NO_KALLSYMS
    except kallsyms.NotKallsyms as error:
        remarks.append(f"{path}: {error}")
        return NO_KALLSYMS
    if symbols.core is LookupFailure.HIDDEN:
        remarks.append(_RESTRICTED.format(path=path))
    return symbols


def read_modules(sources: Sources, remarks: list[str]) -> ModuleList:
    """Read the list of loaded modules; adds to ``remarks`` why it cannot be used."""
    path = sources.modules
    if not path:
        return ModuleList(())
    try:
        raw = sources.read(path)
    except FileNotFoundError:
        # A kernel without loadable modules
        return ModuleList(())
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return ModuleList(())
    if len(raw) > proc_modules.MAX_BYTES:
        limit_mib = proc_modules.MAX_BYTES >> 20
        remarks.append(f"{path}: larger than {limit_mib} MiB, and no list of modules therefore")
        return ModuleList(())
    return proc_modules.parse_with_load_ids(raw.decode("utf-8", "replace"), _sys_modules(sources))


def module_files(sources: Sources) -> ModuleFiles:
    """Return the files of the modules of this kernel; none has been read yet."""
    folder = Path(sources.module_files) if sources.module_files else None
    return ModuleFiles(folder, sources.release, _sys_modules(sources))


def _sys_modules(sources: Sources) -> Path | None:
    return Path(sources.sys_modules) if sources.sys_modules else None
