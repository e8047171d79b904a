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
from klogd_py.symbols.packed_files import NotUnpacked, unpack_if_packed
from klogd_py.system.regular_file import read_if_readable, read_regular

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


class MapCandidate(Struct, frozen=True):
    """A path where a map may be.

    ``states_release`` says that it states the kernel's release, ``is_given`` that the user named
    it.
    """

    path: Path
    states_release: bool = False
    is_given: bool = False


class ModuleSources(Struct, frozen=True):
    """Where modules are described; ``None`` for what is not used.

    ``listing`` is /proc/modules, ``files`` a folder such as /lib/modules/6.1.0, ``sys_modules``
    /sys/module.
    """

    listing: str | None = None
    files: Path | None = None
    sys_modules: Path | None = None


class RunningKernel(Struct, frozen=True):
    """Files in which the running kernel describes itself; ``None`` for what is not used.

    ``cmdline`` and ``config`` can say that it is not randomised. ``notes`` is /sys/kernel/notes,
    ``kcore`` /proc/kcore.
    """

    cmdline: Path | None = None
    config: Path | None = None
    notes: Path | None = None
    kcore: Path | None = None


class Sources(Struct, frozen=True):
    """All symbol sources; ``None`` for what is not used or not known.

    ``places`` are searched for a map, below ``root``; ``{release}`` in one is replaced by the
    kernel release, as ``uname -r`` prints it. ``given_map`` replaces that search. ``slide`` is the
    slide that the user gave. ``read`` reads ``kallsyms`` and the list of modules, and raises
    OSError. ``names`` are symbols that will be looked up by name.
    """

    release: str | None = None
    root: Path = Path("/")
    given_map: Path | None = None
    places: tuple[str, ...] = ()
    kallsyms: str | None = None
    modules: ModuleSources = ModuleSources()
    running: RunningKernel = RunningKernel()
    slide: int | None = None
    read: Callable[[str], bytes] = _read_list
    names: frozenset[bytes] = frozenset()

    def map_candidates(self) -> Iterator[MapCandidate]:
        """Yield the map that the user named, or else the paths to search for one, in order."""
        if self.given_map is not None:
            return iter((MapCandidate(self.given_map, is_given=True),))
        return self.searched_maps()

    def searched_maps(self) -> Iterator[MapCandidate]:
        """Yield the paths to search for a map, in order, where the user named none."""
        for place in self.places:
            path = below_root(self.root, place.replace("{release}", self.release or ""))
            yield MapCandidate(path, states_release="{release}" in place)


def below_root(root: Path, path: str | Path) -> Path:
    """Return a path of the machine as it is below ``root``."""
    return root / str(path).lstrip("/") if root != Path("/") else Path(path)


def read_small(path: Path | None) -> bytes | None:
    """Return the content of a small file; ``None`` if it is not used or cannot be read."""
    return read_if_readable(path, MAX_SMALL_BYTES) if path is not None else None


def read_kallsyms(sources: Sources, remarks: list[str]) -> Kallsyms:
    """Read the kernel's own symbols; adds to ``remarks`` why there are none."""
    path = sources.kallsyms
    if path is None:
        return NO_KALLSYMS
    try:
        symbols = kallsyms.parse(unpack_if_packed(sources.read(path)))
    except FileNotFoundError:
        remarks.append(
            f"{path} does not exist (a kernel without CONFIG_KALLSYMS, or no /proc there)"
        )
        return NO_KALLSYMS
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return NO_KALLSYMS
    except (kallsyms.NotKallsyms, NotUnpacked) as error:
        remarks.append(f"{path}: {error}")
        return NO_KALLSYMS
    if symbols.core is LookupFailure.HIDDEN:
        remarks.append(_RESTRICTED.format(path=path))
    return symbols


def read_modules(sources: Sources, remarks: list[str]) -> ModuleList:
    """Read the list of loaded modules; adds to ``remarks`` why it cannot be used."""
    path = sources.modules.listing
    if path is None:
        return ModuleList(())
    try:
        raw = unpack_if_packed(sources.read(path))
    except FileNotFoundError:
        # A kernel without loadable modules
        return ModuleList(())
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return ModuleList(())
    except NotUnpacked as error:
        remarks.append(f"{path}: {error}")
        return ModuleList(())
    if len(raw) > proc_modules.MAX_BYTES:
        limit_mib = proc_modules.MAX_BYTES >> 20
        remarks.append(f"{path}: larger than {limit_mib} MiB, and no list of modules therefore")
        return ModuleList(())
    return proc_modules.parse_with_load_ids(
        raw.decode("utf-8", "replace"), sources.modules.sys_modules
    )


def module_files(sources: Sources) -> ModuleFiles:
    """Return the files of the modules of this kernel; none has been read yet."""
    return ModuleFiles(sources.modules.files, sources.release, sources.modules.sys_modules)
