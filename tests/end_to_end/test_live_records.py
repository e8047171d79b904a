# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon on a ring with records that no process could write to the real one."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klogd_py.config.run_options import RunOptions
from klogd_py.daemon import Daemon
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_builder import StatusBuilder
from klogd_py.oops.provenance import Withheld
from tests.fakes import FakeRing

pytestmark = pytest.mark.usefixtures("signals_as_before")

BOUND_S = 20.0
LIES_AT = 0xFFFFFFFF816B9363
KALLSYMS = (
    "ffffffff81000000 T _text\nffffffff816b9000 t vfs_write\n"
    "ffffffff816b9800 t vfs_read\nffffffff82000000 T _etext\n"
)


class Machine:
    """A ring, a configuration and a log of one daemon. ``lines`` are what it has written so far."""

    def __init__(self, folder: Path, names: str) -> None:
        self.ring = FakeRing()
        self.log = folder / "kern.log"
        self.config = folder / "klogd-py.toml"
        self.config.write_text(
            f"[symbols]\nsearch = []\n{names}\n[state]\ncursor_file = ''\n"
            "[status]\nsocket = ''\n[watch]\nfiles = false\n"
        )

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def say(self, *texts: str, prefix: int = 4) -> None:
        for text in texts:
            seq = self.ring.next_seq
            self.ring.log(raw=f"{prefix},{seq},{seq * 1000},-;{text}\n".encode())

    def serve(self, script: Callable[["Machine"], Iterator[str]]) -> Status:
        """Run a daemon through a script, which yields what must be written before it goes on.

        How things stand then.
        """
        run_options = RunOptions(config_path=str(self.config), sinks=(f"file:{self.log}",))

        async def run() -> Status:
            daemon = Daemon(run_options, self.ring.device)
            running = asyncio.create_task(daemon.run())
            for awaited in script(self):
                async with asyncio.timeout(BOUND_S):
                    while not any(awaited in line for line in self.lines):
                        await asyncio.sleep(0.01)
            status_builder: StatusBuilder = daemon.reporting.status_builder
            status = status_builder.build(daemon.symbol_manager.symbols)
            daemon.stop()
            await running
            return status

        return asyncio.run(run())


def kallsyms(folder: Path) -> str:
    path = folder / "kallsyms"
    path.write_text(KALLSYMS)
    return f"kallsyms = {json.dumps(str(path))}\nmodules = ''"


def test_module_too_new_for_its_event_is_named(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    modules.write_text("old 16384 0 - Live 0xffffffffc0100000\n")
    machine = Machine(tmp_path, f"kallsyms = ''\nmodules = {json.dumps(str(modules))}")

    def script(machine: Machine) -> Iterator[str]:
        machine.say("before")
        yield "before"
        modules.write_text(modules.read_text() + "new 16384 0 - Live 0xffffffffc0200000\n")
        machine.say("Call Trace: [<ffffffffc0200123>]", "after")
        yield "after"

    machine.serve(script)
    assert [line for line in machine.lines if "Call Trace: [new:+0x123/0x4000]" in line]


def test_name_withheld_from_users_text_is_counted(tmp_path: Path) -> None:
    """The name of a program must not reveal where a randomised kernel has its functions."""
    machine = Machine(tmp_path, kallsyms(tmp_path))
    guess = (
        "x[81]: segfault at 0 ip 0000000000401136 sp 00007ffd error 6 "
        f"in guess_[<{LIES_AT:x}>][1136,401000+1000]"
    )
    quoted = f"panic of the last boot: RIP: 0010:[<{LIES_AT:x}>]"

    def script(machine: Machine) -> Iterator[str]:
        machine.say(guess, f" [<{LIES_AT:x}>] ? 0x{LIES_AT:x}")
        machine.say(quoted, f"RIP: 0010:0x{LIES_AT:x}", prefix=1 << 3 | 4)
        machine.say("the end")
        yield "the end"

    status = machine.serve(script)
    named = [line for line in machine.lines if "vfs_write" in line]
    assert [line.partition(": ")[2] for line in named] == [
        f" [<{LIES_AT:x}>] ? vfs_write+0x363/0x800"
    ]
    assert status.names.nameless[Withheld.FORM.value] == 1
    assert status.names.nameless[Withheld.PROCESS.value] == 2
    assert status.names.named == {"kallsyms": 1}
