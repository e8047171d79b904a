# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the function at an address of a guest with objdump(1) and addr2line(1), without klogd-py.

The slide is the difference between the run-time address of a function, which klogd_trouble shows,
and its address in vmlinux; the base of a module likewise. In a module's file every section begins
at 0. Sections of code are laid out one behind the other, as the kernel does it
(kernel/module/main.c ``layout_sections``). A function is known by all its names: an address can
have several, and debug information lacks the suffixes of the compiler (``.cold``, ``.isra.0``).
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from tests.vm.lab.guests import Guest
from tests.vm.lab.roots import builder, run_in

_HEADER = re.compile(
    r" *\d+ (?P<name>\S+) +(?P<size>\w+)  (?P<vma>\w+)  \w+  \w+  "
    r"2\*\*(?P<power>\d+)  (?P<flags>.*)"
)
_SYMBOL = re.compile(
    r"(?P<value>[0-9a-f]+) .{7} (?P<section>\S+)\t[0-9a-f]+ +(?:\.hidden )?(?P<name>\S+)"
)
_SUFFIX = re.compile(r"\.(?:cold|isra|part|constprop|llvm)[.\w]*$|\.\d+$")


def without_suffix(name: str) -> str:
    """Return a function's name without the suffixes of the compiler."""
    return _SUFFIX.sub("", name)


class Section(Struct, frozen=True):
    """A section of code: ``start`` is its address in memory, ``file_address`` that in the file."""

    name: str
    start: int
    size: int
    file_address: int


class Binary:
    """A vmlinux or a module, read with binutils.

    Mutable: it caches their answers, each of which takes seconds.
    """

    def __init__(self, guest: Guest, path: Path) -> None:
        self.path = path.resolve()
        self._root = builder(guest.suite) / "root"
        self._tool = "aarch64-linux-gnu-" if guest.architecture == "arm64" else ""
        self._sections = {
            section.name: section for section in self._code_sections(self._run("objdump -hw"))
        }
        found = (_SYMBOL.fullmatch(line) for line in self._run("objdump -t").splitlines())
        self.symbols = sorted(
            (int(row["value"], 16) - section.file_address + section.start, row["name"])
            for row in found
            if row
            and (section := self._sections.get(row["section"]))
            and not row["name"].startswith("$")
        )
        self._functions: dict[int, set[str]] = {}

    def address_of(self, name: str) -> int:
        """Return the address of a function in the file."""
        return next(address for address, known in self.symbols if known == name)

    def functions_at(self, addresses: Iterable[int]) -> dict[int, set[str]]:
        """Return for each address of the file the names, without suffixes, of its function.

        These are the outermost function of addr2line's inlining chain, or every symbol at the
        address of the nearest symbol below. An empty set means that there is no code.
        """
        asked = set(addresses)
        wanted = sorted(asked - self._functions.keys())
        if wanted:
            self._ask(wanted)
        return {at: self._functions[at] for at in asked}

    def _ask(self, wanted: list[int]) -> None:
        for section in self._sections.values():
            here = [at for at in wanted if section.start <= at < section.start + section.size]
            for at, outermost in zip(here, self._outermost_at(section, here), strict=True):
                start = max((address for address, _ in self.symbols if address <= at), default=0)
                aliases = {
                    without_suffix(name) for address, name in self.symbols if address == start
                }
                self._functions[at] = (
                    {outermost} if outermost != "??" and outermost not in aliases else aliases
                )
        self._functions |= {at: set() for at in wanted if at not in self._functions}

    def _outermost_at(self, section: Section, addresses: list[int]) -> list[str]:
        if not addresses:
            return []
        within = f" -j {section.name}" if self.path.suffix == ".ko" else ""
        base = 0 if within else section.file_address
        # -a prints the address before each chain, on a line of its own
        printed = self._run(
            f"addr2line{within} -a -f -i -e",
            " ".join(f"{at - section.start + base:#x}" for at in addresses),
        )
        chains: list[list[str]] = []
        for line in printed.splitlines():
            if line.startswith("0x"):
                chains.append([])
            else:
                chains[-1].append(line)
        return [without_suffix(chain[-2]) for chain in chains]

    def _code_sections(self, headers: str) -> Iterator[Section]:
        relocatable = self.path.suffix == ".ko"
        end = 0
        for row in filter(None, map(_HEADER.fullmatch, headers.splitlines())):
            if "CODE" not in row["flags"] or (relocatable and row["name"].startswith(".init")):
                continue
            file_address, size, align = (
                int(row["vma"], 16),
                int(row["size"], 16),
                1 << int(row["power"]),
            )
            start = -(-end // align) * align if relocatable else file_address
            yield Section(row["name"], start, size, file_address)
            end = start + size

    def _run(self, tool: str, rest: str = "") -> str:
        return run_in(
            self._root,
            f"{self._tool}{tool} /binary/{self.path.name} {rest}",
            binds={self.path.parent: "/binary"},
        )


@lru_cache(8)
def binary(guest: Guest, path: Path) -> Binary:
    """Return a binary of a guest, read once."""
    return Binary(guest, path)
