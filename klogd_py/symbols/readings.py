# SPDX-License-Identifier: GPL-2.0-or-later
"""What do the kernel's own files hold, and what is wrong with those that cannot be used?

Whatever is missing or unusable becomes a remark; nothing here is fatal.
"""

from pathlib import Path

from klogd_py.record.types import LookupFailure
from klogd_py.symbols import file_bytes, kallsyms, system_map
from klogd_py.symbols.modules import proc_modules
from klogd_py.symbols.modules.module_index import ModuleFiles
from klogd_py.symbols.symbol_sources import Sources

RESTRICTED = (
    "{path} shows only zeros (kernel.kptr_restrict): run klogd-py with CAP_SYSLOG, "
    "and set kernel.kptr_restrict to 0 or 1, to have names from it"
)


NO_KALLSYMS = kallsyms.Kallsyms(LookupFailure.NO_SYMBOLS, LookupFailure.NO_SYMBOLS)


def kallsyms_of(sources: Sources, remarks: list[str]) -> kallsyms.Kallsyms:
    """The kernel's own symbols."""
    if not sources.kallsyms:
        return NO_KALLSYMS
    path = Path(sources.kallsyms)
    try:
        symbols = kallsyms.parse(sources.read(sources.kallsyms))
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
        remarks.append(RESTRICTED.format(path=path))
    return symbols


def modules_of(sources: Sources, remarks: list[str]) -> proc_modules.Modules:
    """The loaded modules."""
    if not sources.modules:
        return proc_modules.Modules(())
    path = Path(sources.modules)
    try:
        raw = sources.read(sources.modules)
        if len(raw) > proc_modules.MAX_BYTES:
            remarks.append(
                f"{path}: larger than {proc_modules.MAX_BYTES >> 20} MiB, and no list of modules therefore"
            )
            return proc_modules.Modules(())
        listing = raw.decode("utf-8", "replace")
        return proc_modules.listed(
            listing, Path(sources.sys_modules) if sources.sys_modules else None
        )
    except FileNotFoundError:
        # A kernel without loadable modules
        return proc_modules.Modules(())
    except OSError as error:
        remarks.append(f"{path} cannot be read: {error.strerror}")
        return proc_modules.Modules(())


def module_files_of(sources: Sources) -> ModuleFiles:
    """Where the modules' own files are."""
    folder = Path(sources.module_files) if sources.module_files else None
    return ModuleFiles(
        folder, sources.release, Path(sources.sys_modules) if sources.sys_modules else None
    )


def is_elf(path: Path) -> bool:
    """Whether a file is a kernel image rather than a map."""
    try:
        return file_bytes.opened(path)[:4] == system_map.ELF
    except OSError:
        return False
