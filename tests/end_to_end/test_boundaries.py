# SPDX-License-Identifier: GPL-2.0-or-later
"""Inject an error at each boundary of a whole daemon: that job fails once, and all else goes on.

The boundaries are read from the sources (`tests.boundaries`). A new job is tested from the
beginning, and fails this test if nothing here makes it run.
"""

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import msgspec
import pytest

from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.daemon import Daemon
from klogd_py.lifecycle.record_flow import STOP_LIMIT_S
from klogd_py.monitoring.errors import NoAnswer
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from klogd_py.system import signals
from klogd_py.system.jobs import Jobs
from klogd_py.watch.watcher import DEBOUNCE_S
from tests.boundaries import PACKAGE, Site, sites
from tests.fakes import FakeRing
from tests.json_documents import read_document
from tests.needs import UEVENT, missing_uevent
from tests.reports.lines import WARNING
from tests.sockets import DatagramListener

LIMIT_S = 20.0
PATIENCE_S = 5.0
ELSEWHERE = (
    # Runs only with several inputs: tested in tests/pipeline/test_merged_pipeline.py.
    "partial(self._run, number, pipeline)",
    # Runs only where a thread hangs as its sink is removed: tested in tests/sinks/test_manager.py.
    "lambda _: callback()",
    # Runs in a command, which is no part of the daemon: tested in tests/cli/test_reports_decode.py.
    'jobs.supervise("progress", show)',
    # Runs a minute after a report could not be written: tested in tests/spool/test_recorder.py.
    "guard(JOB, self._write_soon)",
    # Runs only after another error: tested below, with a reload that fails.
    "lambda: self._active.apply(before)",
)
# Runs only if the kernel sends an event, as it does when this test may ask for one.
OF_UEVENT = 'guard("module watcher", on_readable)'
TROUBLE = (
    RuntimeError("injected"),
    MemoryError("injected"),
    RecursionError("injected"),
    KeyError("injected"),
)

P = ParamSpec("P")
T = TypeVar("T")


class FaultyJobs(Jobs):
    """Boundaries within which the first job of each of some sites fails, each with another kind of
    error."""

    def __init__(self, faulty: list[Site]) -> None:
        super().__init__()
        self.left = dict(zip(faulty, itertools.cycle(TROUBLE), strict=False))
        self.names: list[str] = []

    def _fail(self, name: str, site: Site | None) -> None:
        if site is not None and (error := self.left.pop(site, None)) is not None:
            self.names.append(name)
            raise error

    def _site(self) -> Site | None:
        frame = sys._getframe(2)
        file = Path(frame.f_code.co_filename)
        if not file.is_relative_to(PACKAGE):
            return None
        name = str(file.relative_to(PACKAGE))
        return next(
            (
                site
                for site in self.left
                if site.file == name and site.first <= frame.f_lineno <= site.last
            ),
            None,
        )

    def guard(
        self, name: str, job: Callable[P, object], failed: Callable[[], object] = lambda: None
    ) -> Callable[P, None]:
        site = self._site()

        def faulty(*arguments: P.args, **named: P.kwargs) -> None:
            self._fail(name, site)
            job(*arguments, **named)

        return super().guard(name, faulty, failed)

    def call(self, name: str, ask: Callable[[], T], otherwise: T) -> T:
        site = self._site()

        def faulty() -> T:
            self._fail(name, site)
            return ask()

        return super().call(name, faulty, otherwise)

    def run(
        self, name: str, job: Callable[[], Awaitable[T]], otherwise: T
    ) -> Coroutine[Any, Any, T]:
        site = self._site()

        async def faulty() -> T:
            self._fail(name, site)
            return await job()

        return super().run(name, faulty, otherwise)

    def supervise(self, name: str, job: Callable[[], Awaitable[None]]) -> Coroutine[Any, Any, None]:
        site = self._site()

        async def faulty() -> None:
            self._fail(name, site)
            await job()

        return super().supervise(name, faulty)


class World:
    """A daemon on a fake ring with every socket and watcher, and methods that make its jobs run."""

    def __init__(self, folder: Path, short: Path, jobs: Jobs) -> None:
        self.ring = FakeRing()
        self.log = folder / "log"
        self._config = folder / "k.toml"
        self._maps = [folder / f"late{number}" / "maps" / "System.map" for number in range(2)]
        self._status, self._metrics, self._text = (
            short / "status",
            short / "metrics",
            folder / "m.prom",
        )
        self._listener = DatagramListener(short / "log", receive_buffer_bytes=1)
        (folder / "modules").write_text("")
        self._write("")
        run_options = RunOptions(config_path=str(self._config))
        self.daemon = Daemon(run_options, self.ring.device, jobs)

    def _write(self, more: str) -> None:
        maps = [str(one) for one in self._maps]
        names = (
            'kallsyms = ""\nmodule_files = ""\n'
            f'search = {maps}\nmodules = "{self._config.parent}/modules"\n'
        )
        new = self._config.with_suffix(".new")
        new.write_text(
            f'sinks = ["file:{self.log}", "console", "syslog:{self._listener.path}"]\n'
            f'{more}\n[file]\nformat = "json"\n'
            f'[symbols]\n{names}[state]\ncursor_file = "{self._config.parent}/position"\n'
            f'[status]\nsocket = "{self._status}"\n'
            f'[reports]\nspool = "{self._config.parent}/reports"\nperiod_s = 1\n'
            'exec = ["/bin/true"]\n'
            f'[metrics]\nlisten = "unix:{self._metrics}"\ntextfile = "{self._text}"\nperiod_s = 1\n'
        )
        new.replace(self._config)

    async def provoke(self, again: bool) -> None:
        """Make every kind of job run."""
        self.ring.log(3)
        await asyncio.sleep(0.03)
        # So fast that they are gathered
        for _ in range(80):
            self.ring.log(1, raw=b"6,%d,0,-; [<c010b860>]\n" % self.ring.next_seq)
            await asyncio.sleep(0.0005)
        # The second one waits for the end of a period
        for text in 3 * WARNING:
            seq = self.ring.next_seq
            self.ring.log(1, raw=f"4,{seq},{seq},-;{text}\n".encode())
        # More than the syslog listener takes while it does not read
        self.ring.log(60)
        for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        await self.hear()
        await self._look()
        self._write(f"queue.limit_kib = {1000 + again}")
        os.kill(os.getpid(), signal.SIGHUP)
        self._maps[again].parent.mkdir(parents=True)
        self._maps[again].write_text("c0100000 T _text\nc0200000 T _end\n")
        with contextlib.suppress(OSError):
            UEVENT.write_text("change")
        await asyncio.sleep(0.5)

    async def remake_directory(self) -> None:
        """Remove a directory that is watched, and make it again when that was noticed."""
        path = self._maps[0]
        shutil.rmtree(path.parent, ignore_errors=True)
        await asyncio.sleep(2 * DEBOUNCE_S)
        path.parent.mkdir(parents=True)
        path.write_text("c0100000 T _text\nc0200000 T _end\n")
        await asyncio.sleep(2 * DEBOUNCE_S)

    async def hear(self) -> None:
        """Have the syslog listener read."""
        for _ in range(20):
            self._listener.read()
            await asyncio.sleep(0.01)

    async def _look(self) -> None:
        for path, request in (
            (self._status, b""),
            (self._metrics, b"GET /metrics HTTP/1.1\r\n\r\n"),
        ):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    reader, writer = await asyncio.open_unix_connection(path)
                    try:
                        writer.write(request)
                        await reader.read()
                    finally:
                        writer.transport.abort()
                        await asyncio.sleep(0)

    async def status(self) -> Status:
        """Return the status document of the daemon."""
        return msgspec.json.decode(
            await asyncio.get_running_loop().run_in_executor(None, fetch_status, self._status),
            type=Status,
        )

    @property
    def numbers(self) -> list[int]:
        """Every sequence number in the log, as a record or within a gap."""
        found: list[int] = []
        if not self.log.exists():
            return found
        for line in self.log.read_text().split("\n")[:-1]:
            entry = read_document(line)
            gap = entry.get("gap")
            if isinstance(gap, dict):
                found += range(gap["first"], gap["last"] + 1)
            elif isinstance(seq := entry.get("seq"), int):
                found.append(seq)
        return found

    def close(self) -> None:
        self._listener.close()


def _are_in(wanted: set[int], world: World) -> bool:
    return wanted <= {*world.numbers}


async def until(so: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not so():
        assert time.monotonic() < deadline_s, what
        await asyncio.sleep(0.02)


@pytest.fixture
def short() -> Iterator[Path]:
    """Names of sockets must be short, which those of folders for tests are not."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def _manager(short: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A service manager that wants to hear from the watchdog.

    And the signals of this process are put back.
    """
    kept = {
        number: signal.getsignal(number)
        for number in signals.HANDLED | signals.STOPPING | signals.IGNORED
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(short / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(short / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def _own_log() -> Iterator[None]:
    """The level of our log, which the daemon sets, is put back."""
    logger = logging.getLogger("klogd_py")
    before = logger.level
    yield
    logger.setLevel(before)


async def live_through(world: World, jobs: FaultyJobs) -> tuple[int, Status]:
    """Run the daemon with its faults, twice through everything.

    Returns its exit status, and the status document before its end.
    """
    task = asyncio.create_task(world.daemon.run())
    for again in (False, True):
        await world.provoke(again)
        assert not task.done(), "the daemon has ended"
    # What is not reached in the end is named by the test
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while any(site.starts for site in jobs.left):
                # A reload that came first may have watched the new directory already.
                await world.remake_directory()
    first = world.ring.next_seq
    world.ring.log(10)
    await until(
        lambda: world.log.exists() and set(range(first, first + 10)) <= {*world.numbers},
        "records after the faults",
    )
    status = None
    while status is None:
        with contextlib.suppress(NoAnswer):
            status = await world.status()
    began_s = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    # The listener must read, or the sink could not send what it still has.
    while not task.done() and time.monotonic() - began_s < 2 * STOP_LIMIT_S:
        await world.hear()
    # The very first one failed
    if not task.done():
        os.kill(os.getpid(), signal.SIGTERM)
    ended = await task
    assert time.monotonic() - began_s < STOP_LIMIT_S + 2
    return ended, status


def collect_what_was_not_closed() -> None:
    """Free what stays open because the job that closes it was the one to fail.

    Later its warning would end another test.
    """
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


def text_of(site: Site) -> str:
    lines = (PACKAGE / site.file).read_text().split("\n")
    return "".join(lines[site.first - 1 : site.last])


def is_elsewhere(site: Site) -> bool:
    return any(words in text_of(site) for words in ELSEWHERE)


def is_of_uevent(site: Site) -> bool:
    return OF_UEVENT in text_of(site)


SITES = sites()
FILES = sorted({site.file for site in SITES if not is_elsewhere(site)})


@pytest.mark.usefixtures("_manager", "_own_log", "capfd")
@pytest.mark.parametrize("file", FILES)
def test_each_job_may_fail_and_all_goes_on(
    file: str, tmp_path: Path, short: Path, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = FaultyJobs([site for site in SITES if site.file == file])
    caplog.set_level(logging.INFO, "klogd_py")

    async def run() -> tuple[World, int, Status]:
        world = World(tmp_path, short, jobs)
        try:
            return world, *await live_through(world, jobs)
        finally:
            world.close()

    world, ended, status = asyncio.run(run())
    collect_what_was_not_closed()
    unreached = {
        site.name
        for site in jobs.left
        if site.starts and not is_elsewhere(site) and not (missing_uevent() and is_of_uevent(site))
    }
    assert unreached == set()
    assert jobs.names, "nothing was injected"
    assert ended == (1 if "stop" in jobs.names and file == "lifecycle/record_flow.py" else 0), (
        "what was never sent is a failure"
    )
    # once each, and none is missing
    assert world.numbers == [*range(world.ring.next_seq)]
    assert {failure.job for failure in status.failures} <= {*jobs.names}
    lines = [record for record in caplog.records if "unexpected error" in record.getMessage()]
    assert len(lines) == len({*jobs.names})
    assert all(record.exc_info is None for record in lines)
    assert "Traceback" not in caplog.text
    assert {*jobs.names} == {*jobs.failures}


class ScriptedOptions:
    """Options whose configuration is loaded with scripted results, one per load after the first."""

    def __init__(
        self, real: RunOptions, script: list[Exception | Callable[[Config], Config]]
    ) -> None:
        self._real = real
        self._script = script
        self._is_first = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def load_config(self) -> Config:
        config = self._real.load_config()
        if self._is_first:
            self._is_first = False
            return config
        result = self._script.pop(0)
        if isinstance(result, Exception):
            raise result
        return result(config)


def unbuildable(config: Config) -> Config:
    """Return a configuration that passes every check, and whose sinks cannot be built."""
    return msgspec.structs.replace(config, sinks=("file:/dev/null", "no such type"))


def unformattable(config: Config) -> Config:
    """Return one whose sinks can be built, and whose format options cannot."""
    translate = msgspec.structs.replace(config.translate, style="no such style")
    return msgspec.structs.replace(config, translate=translate, sinks=("file:/dev/null",))


@pytest.mark.usefixtures("_manager", "_own_log", "capfd")
def test_failed_reload_changes_nothing_at_any_point(tmp_path: Path, short: Path) -> None:
    script: list[Exception | Callable[[Config], Config]] = [
        *TROUBLE,
        unbuildable,
        unformattable,
        lambda config: config,
    ]
    count = len(script)

    async def run() -> None:
        world = World(tmp_path, short, Jobs())
        daemon = world.daemon
        files = daemon.config_files
        files.options = cast(RunOptions, ScriptedOptions(files.options, script))
        files.options.load_config()
        task = asyncio.create_task(daemon.run())
        try:
            await asyncio.sleep(0.3)
            before = (
                daemon.config,
                daemon.flow.pipeline.stages.symbol_stage.format_options,
                [*daemon.flow.sink_manager.queues],
            )
            for left in reversed(range(count)):
                os.kill(os.getpid(), signal.SIGHUP)
                await until(lambda left=left: len(script) == left, "the reload")  # type: ignore[misc]
                await asyncio.sleep(0.1)
                first = world.ring.next_seq
                world.ring.log(3)
                wanted = {first, first + 1, first + 2}
                await until(partial(_are_in, wanted, world), "records")
                assert (
                    daemon.config,
                    daemon.flow.pipeline.stages.symbol_stage.format_options,
                    [*daemon.flow.sink_manager.queues],
                ) == before
                outcome = next(
                    one for one in (await world.status()).changes if one.what == "configuration"
                )
                assert outcome.taken == (left == 0), outcome
            assert world.numbers == [*range(world.ring.next_seq)]
            await world.hear()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            assert await task == 0
            world.close()

    asyncio.run(run())
    collect_what_was_not_closed()
