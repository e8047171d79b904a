# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from klogd_py.oops.trace_parser import parse_trace
from klogd_py.record.types import SymbolAddress
from klogd_py.symbols.isolation import isolate_failure
from klogd_py.symbols.map_check import MapStatus
from klogd_py.symbols.modules.module_elf import ModuleFile
from klogd_py.symbols.modules.module_files import MissingModuleFile, ModuleFiles
from klogd_py.symbols.modules.tracker import LoadedModules
from klogd_py.symbols.resolver import SymbolResolver
from klogd_py.symbols.symbol_loader import load_symbols
from klogd_py.symbols.symbol_set import SymbolSet
from klogd_py.symbols.symbol_sources import ModuleSources, RunningKernel, Sources
from tests.symbols.hostile import made, sparse
from tests.symbols.kernels import BASE, KALLSYMS, MAP


def raising(error: Exception) -> Callable[[], str]:
    def read() -> str:
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RecursionError("deep"), KeyError("k"), ValueError("a\nb\x1b[31m" + "c" * 999)],
)
def test_any_exception_ends_in_one_line(error: Exception) -> None:
    words = isolate_failure(raising(error), lambda reason: reason)
    assert words.startswith(
        f"cannot be used: unexpected {type(error).__name__} in test_isolation.py:"
    )
    assert words.isprintable()
    assert len(words) < 300


def test_an_interrupt_is_not_held_up() -> None:
    def read() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolate_failure(read, lambda reason: reason)


def machine(root: Path) -> Sources:
    files = {
        "System.map-6.1.0": MAP,
        "kallsyms": KALLSYMS,
        "modules": b"nic 4096 0 - Live 0xffffffffc0a00000\n",
        "lib/modules.dep": b"nic.ko:\n",
        "sys/nic/sections/.text": b"0xffffffffc0a00000\n",
        "notes": b"",
        "kcore": b"",
        "cmdline": b"nokaslr\n",
        "config": b"\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return Sources(
        "6.1.0",
        root,
        places=("System.map-{release}",),
        kallsyms=str(root / "kallsyms"),
        modules=ModuleSources(str(root / "modules"), root / "lib", root / "sys"),
        running=RunningKernel(root / "cmdline", root / "config", root / "notes", root / "kcore"),
    )


@pytest.mark.parametrize("reader", ["kallsyms", "modules"])
@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), IndexError("odd")])
def test_a_source_that_raises_costs_itself_alone(
    reader: str, error: Exception, tmp_path: Path
) -> None:
    sources = machine(tmp_path)

    def read(path: str) -> bytes:
        if path.endswith(reader):
            raise error
        return Path(path).read_bytes()

    found = load_symbols(msgspec.structs.replace(sources, read=read))
    assert any(
        f"{tmp_path}/{reader} cannot be used: unexpected {type(error).__name__}" in line
        for line in found.remarks
    )
    assert found.modules.listing.count == (0 if reader == "modules" else 1)
    assert bool(found.kernel_symbols) is (reader != "kallsyms")


OBSTACLES: dict[str, Callable[[Path], None]] = {
    "FIFO": os.mkfifo,
    "directory": Path.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: None,
    "loop": lambda path: path.symlink_to(path.name),
    "huge": sparse(b"", 1 << 40),
    "binary": made(lambda: os.urandom(5000)),
}
FILES = (
    "System.map-6.1.0",
    "kallsyms",
    "modules",
    "lib/modules.dep",
    "sys/nic/sections/.text",
    "notes",
    "kcore",
    "cmdline",
    "config",
)


def in_time(call: Callable[[], SymbolSet]) -> SymbolSet:
    """Return the result of a call; fail after 20 seconds, even in a system call that hangs."""
    answers: list[SymbolSet] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    thread.join(20)
    assert answers, "it does not return, or has raised"
    return answers[0]


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("name", FILES)
def test_an_obstacle_does_not_stall_loading(name: str, obstacle: str, tmp_path: Path) -> None:
    sources = machine(tmp_path)
    (tmp_path / name).unlink()
    OBSTACLES[obstacle](tmp_path / name)
    found = in_time(lambda: load_symbols(sources))
    assert not any("unexpected" in remark for remark in found.remarks)
    place = found.resolver.resolve(BASE + 0x45)
    # By the map, or by kallsyms
    assert isinstance(place, SymbolAddress)


CRAMPED = """
import resource, sys
from pathlib import Path
from klogd_py.symbols.symbol_sources import ModuleSources, RunningKernel, Sources
from klogd_py.symbols.symbol_loader import load_symbols
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (24 << 20),) * 2)
found = load_symbols(Sources("6.1.0", places=(sys.argv[1], sys.argv[2])))
for verdict in found.verdicts:
    print(verdict.status.value, verdict.reason)
"""


def test_a_map_without_memory_leaves_the_next(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "System.map-{release}"
    lines = (b"%016x T f%s\n" % (BASE + 16 * i, b"g" * 12) for i in reversed(range(400_000)))
    large.write_bytes(b"".join(lines))
    (tmp_path / "System.map-6.1.0").write_bytes(MAP)
    done = subprocess.run(
        [sys.executable, "-c", CRAMPED, str(large), str(small)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{MapStatus.REFUSED.value} cannot be used: unexpected MemoryError")
    assert second.startswith(MapStatus.ACCEPTED.value)


class BrokenFiles(ModuleFiles):
    """Files of modules that raise whenever one is needed."""

    def get(self, name: str) -> ModuleFile | MissingModuleFile:
        raise RecursionError(name)


def test_an_oops_that_breaks_readers_is_remarked() -> None:
    trace = parse_trace(
        [
            "Modules linked in: nic",
            "RIP: 0010:0xffffffffc0a00010",
            "Call Trace:",
            " 0xffffffffc0a00123",
        ]
    )
    before = SymbolSet(
        SymbolResolver(),
        modules=LoadedModules(files=BrokenFiles(Path("/nowhere")), no_listing=True),
    )
    assert before.reads_traces
    after = before.update_from_trace(trace)
    assert after.remarks[0].startswith(
        "an oops cannot be used: unexpected RecursionError in test_isolation.py"
    )
    assert after.update_from_trace(trace) is after
