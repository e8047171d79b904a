"""Which function is really at an address of a guest? Asked of nm(1), addr2line(1) and the guest's memory, never of klogd-py.

The slide comes from the run-time address of a function that our module shows, against the one in vmlinux; a module's base
likewise. Functions are known by all their names: an address can have several, and the compiler's suffixes (``.cold``,
``.isra.0``) are missing from debug information.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tests.vm.lab.guests import Guest
from tests.vm.lab.roots import builder, run_in

_SUFFIX = re.compile(r"\.(?:cold|isra|part|constprop|llvm)[.\w]*$|\.\d+$")


def bare_name(name: str) -> str:
    """A function's name without what the compiler put behind it."""
    return _SUFFIX.sub("", name)


class Binary:
    """A vmlinux or a module as binutils see it. Mutable in that it remembers what it has asked them, which takes seconds."""

    def __init__(self, guest: Guest, path: Path) -> None:
        self.path = path.resolve()
        self._root = builder(guest.suite) / "root"
        self._tool = "aarch64-linux-gnu-" if guest.architecture == "arm64" else ""
        listed = self._run(f"{self._tool}nm -n /binary/{self.path.name}")
        rows = [line.split() for line in listed.splitlines() if line[0] != " "]
        self.symbols = [(int(address, 16), name) for address, kind, name in rows if kind in "tTwW"]
        self._functions: dict[int, set[str]] = {}

    def address_of(self, name: str) -> int:
        """The address of a function as the file has it."""
        return next(address for address, known in self.symbols if known == name)

    def functions_at(self, addresses: Iterable[int]) -> dict[int, set[str]]:
        """The names, without suffixes, that the function around each address of the file has.

        The outermost function of addr2line's inlining chain, and every symbol that stands where the nearest one below does.
        """
        asked = set(addresses)
        wanted = sorted(asked - self._functions.keys())
        if wanted:
            self._ask(wanted)
        return {at: self._functions[at] for at in asked}

    def _ask(self, wanted: list[int]) -> None:
        # -a puts the address before each chain, in a line of its own
        printed = self._run(
            f"{self._tool}addr2line -a -f -i -e /binary/{self.path.name} " + " ".join(f"{at:#x}" for at in wanted)
        )
        chains: list[list[str]] = []
        for line in printed.splitlines():
            if line.startswith("0x"):
                chains.append([])
            else:
                chains[-1].append(line)
        for at, chain in zip(wanted, chains, strict=True):
            start = max((address for address, _ in self.symbols if address <= at), default=0)
            aliases = {bare_name(name) for address, name in self.symbols if address == start}
            outermost = bare_name(chain[-2])
            self._functions[at] = {outermost} if outermost != "??" and outermost not in aliases else aliases

    def _run(self, script: str) -> str:
        return run_in(self._root, script, binds={self.path.parent: "/binary"})


@lru_cache(8)
def binary(guest: Guest, path: Path) -> Binary:
    """A binary of a guest's, read once."""
    return Binary(guest, path)
