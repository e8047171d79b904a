# SPDX-License-Identifier: GPL-2.0-or-later
"""Parse a guest's raw log and klogd-py's file, and check names, without code of klogd-py."""

import re

from msgspec import Struct

from tests.json_documents import read_documents
from tests.vm.lab.binutils import binary, without_suffix
from tests.vm.lab.session import Session

_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")
_RAW_ADDRESS = re.compile(
    r"(?P<lead> (?:\? )?|RIP: 0010:| \[<)(?:0x)?(?P<hex>[0-9a-f]{16})(?:>\])?"
)
_SYMBOL = re.compile(
    r"(?:(?P<before>[A-Za-z_]\w*):)?(?P<name>[A-Za-z_][\w.]*)"
    r"\+(?P<offset>0x[0-9a-f]+)/0x[0-9a-f]+(?: \[(?P<behind>\w+)\])?"
)


class Line(Struct, frozen=True):
    """One record in klogd-py's file: ``raw`` is the kernel's text, ``text`` the symbolized one."""

    seq: int
    raw: str
    text: str


class Raw(Struct, frozen=True):
    """One record as read from the guest's /dev/kmsg."""

    seq: int
    prefix: int
    text: str


def raw_records(capture: bytes) -> list[Raw]:
    """Return the records of a raw /dev/kmsg capture, unescaped.

    Bytes that are not UTF-8 are written as klogd-py writes them in JSON.
    """
    records = []
    for line in capture.split(b"\n"):
        if line and not line.startswith(b" "):
            header, _, text = line.partition(b";")
            prefix, seq = header.split(b",")[:2]
            plain = _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text)
            records.append(Raw(int(seq), int(prefix), plain.decode("utf-8", "backslashreplace")))
    return records


def lines_of(session: Session) -> list[Line]:
    """Return the records of this boot in klogd-py's file, in order, without its own messages."""
    documents = read_documents(session.written())
    lines = [
        Line(reported["seq"], str(reported.get("raw", reported["text"])), reported["text"])
        for reported in documents
        if "seq" in reported
    ]
    first = max((i for i, line in enumerate(lines) if line.seq == 0), default=0)
    return lines[first:]


def lines_since(lines: list[Line], beginning: str) -> list[Line]:
    """Return the lines from the last one on whose raw text contains ``beginning``."""
    start = max((i for i, line in enumerate(lines) if beginning in line.raw), default=len(lines))
    assert start < len(lines), f"no line contains {beginning!r}"
    return lines[start:]


class KernelSymbols:
    """The functions of vmlinux and modules of a guest, at their run-time addresses in one boot."""

    def __init__(self, session: Session) -> None:
        kernel = session.guest.kernel()
        known = session.symbol_addresses()
        self.tally = session.tally
        vmlinux = binary(session.guest, kernel / "vmlinux")
        self.slide = known["kernel", "_printk"] - vmlinux.address_of("_printk")
        trouble = binary(session.guest, session.guest.crash_module())
        self._binaries = {
            "": (vmlinux, self.slide),
            "klogd_trouble": (
                trouble,
                known["klogd_trouble", "go_deeper"] - trouble.address_of("go_deeper"),
            ),
        }
        if ("lkdtm", ".text") in known:
            lkdtm = next(kernel.glob("lib/modules/*/kernel/drivers/misc/lkdtm/lkdtm.ko"))
            self._binaries["lkdtm"] = (binary(session.guest, lkdtm), known["lkdtm", ".text"])

    def functions_at(self, addresses: list[int]) -> dict[int, tuple[str, set[str]]]:
        """Return for each run-time address the module and all names of its function.

        The module is empty for the kernel itself.
        """
        by_module: dict[str, list[int]] = {}
        for address in addresses:
            by_module.setdefault(self._module_of(address), []).append(address)
        found: dict[int, tuple[str, set[str]]] = {}
        for module, group in by_module.items():
            file, base = self._binaries[module]
            names = file.functions_at(address - base for address in group)
            found |= {address: (module, names[address - base]) for address in group}
        return found

    def addresses_of(self, name: str, offset: int, module: str) -> list[int]:
        """Return the run-time addresses that ``name+offset`` can mean."""
        file, base = self._binaries[module]
        return [address + offset + base for address, known in file.symbols if known == name]

    def _module_of(self, address: int) -> str:
        for module, (file, base) in self._binaries.items():
            if module and base <= address <= base + file.symbols[-1][0] + 4096:
                return module
        return ""


class UnnamedAddress(Struct, frozen=True):
    """A code address in a line without a name.

    ``inside`` is an address within the function: a return address belongs to the function one byte
    before it.
    """

    line: Line
    address: int
    inside: int


def unnamed_addresses(lines: list[Line]) -> list[UnnamedAddress]:
    """Return the kernel's code addresses that the lines of a trace show without a name."""
    found = []
    for line in lines:
        match = _RAW_ADDRESS.fullmatch(line.raw)
        if match and int(match["hex"], 16) >> 63:
            address = int(match["hex"], 16)
            exact = match["lead"].startswith("RIP") or "[<" in match["lead"]
            found.append(UnnamedAddress(line, address, address if exact else address - 1))
    return found


def misnamed(asked: list[UnnamedAddress], symbols: KernelSymbols) -> list[str]:
    """Return a sentence for each address whose line does not show its function and offset.

    Where the processor jumped into data there is no function, and the line must be unchanged.
    """
    functions = symbols.functions_at([one.inside for one in asked])
    wrong = []
    for one in asked:
        module, names = functions[one.inside]
        changed = one.line.text != one.line.raw
        right = _is_right(one, module, names, symbols) if names else not changed
        symbols.tally.count(is_code=bool(names), is_named=changed, is_right=right)
        if not right:
            where = f"is in {'/'.join(sorted(names))} {module}" if names else "is no code"
            wrong.append(f"{one.line.raw.strip()} came out as {one.line.text.strip()!r}, {where}")
    return wrong


def _is_right(one: UnnamedAddress, module: str, names: set[str], symbols: KernelSymbols) -> bool:
    shown = _SYMBOL.search(one.line.text)
    return (
        shown is not None
        and without_suffix(shown["name"]) in names
        and (shown["before"] or shown["behind"] or "") == module
        and one.address in symbols.addresses_of(shown["name"], int(shown["offset"], 16), module)
    )
