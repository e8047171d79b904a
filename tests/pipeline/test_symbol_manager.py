# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
from pathlib import Path

import pytest

from klogd_py.oops.boot_boundary import NextBoot
from klogd_py.pipeline.symbol_manager import SymbolManager
from klogd_py.symbols.symbol_sources import ModuleSources, Sources


class _Counted:
    """Sources that count their calls."""

    def __init__(self, modules: Path) -> None:
        self.asked = 0
        self._modules = modules
        modules.write_text("")

    def __call__(self) -> Sources:
        self.asked += 1
        return Sources(modules=ModuleSources(str(self._modules)))


def test_concurrent_requests_share_one_load(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sources = _Counted(tmp_path / "modules")
    caplog.set_level("INFO")

    async def ask() -> None:
        symbol_manager = SymbolManager(sources, lambda reasons: None)
        await asyncio.gather(
            *(symbol_manager.reload(f"reason {number % 3}") for number in range(100))
        )

    asyncio.run(ask())
    assert sources.asked == 1
    assert [record.getMessage() for record in caplog.records][-3:] == [
        f"symbols reloaded after reason {n}" for n in range(3)
    ]


def test_request_during_load_starts_another(tmp_path: Path) -> None:
    sources = _Counted(tmp_path / "modules")
    changes: list[int] = []

    async def ask() -> None:
        symbol_manager = SymbolManager(sources, lambda reasons: changes.append(sources.asked))
        first = asyncio.create_task(symbol_manager.reload("one"))
        while not sources.asked:
            await asyncio.sleep(0)
        await asyncio.gather(*(symbol_manager.reload("two") for _ in range(50)))
        await first

    asyncio.run(ask())
    assert changes == [1, 2]


def test_boots_without_reload_share_one_load(tmp_path: Path) -> None:
    sources = _Counted(tmp_path / "modules")

    async def ask() -> None:
        symbol_manager = SymbolManager(sources, lambda reasons: None)
        await symbol_manager.load_first()
        for _ in range(50):
            await symbol_manager.begin_boot(NextBoot())
        assert sources.asked == 1
        await symbol_manager.reload("SIGUSR1")
        for _ in range(50):
            await symbol_manager.begin_boot(NextBoot("6.1.0"))
        assert sources.asked == 3, "the reload, and the first boot behind it"

    asyncio.run(ask())
