# SPDX-License-Identifier: GPL-2.0-or-later
"""Tell the part of the kernel that a source file belongs to."""

_PARTS = 2


def subsystem_of(file: str) -> str:
    """Return the first two directories of a file: ``drivers/net`` of ``drivers/net/nic/main.c``.

    Empty for a header: its functions are part of many others.

    The directory of the build is left out as far as it is known: everything before the last
    directory that the kernel's tree has at its top.
    """
    parts = in_tree(file).split("/")[:-1]
    return "" if "include" in parts else "/".join(parts[:_PARTS])


def in_tree(file: str) -> str:
    """Return the path of a source file in the tree: ``/build/linux-6.1.4/mm/slub.c`` -> ``mm/..``.

    A path that shows no directory of the tree is returned unchanged.
    """
    path = file.removeprefix("./")
    if not path.startswith(("/", "..")):
        return path
    parts = path.split("/")
    tops = [at for at, part in enumerate(parts) if part in _TOPS]
    return "/".join(parts[tops[0] :]) if tops else path


_TOPS = frozenset(
    (
        "arch", "block", "certs", "crypto", "drivers", "fs", "include", "init", "io_uring", "ipc",
        "kernel", "lib", "mm", "net", "rust", "samples", "security", "sound", "virt",
    )
)  # fmt: skip
