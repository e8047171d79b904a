# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import contextlib
import os
import resource
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from klogd_py.monitoring.status import HIDDEN, Status
from klogd_py.monitoring.status_socket import (
    MAX_ACCEPTS,
    NoAnswer,
    Peer,
    SocketUnusable,
    StatusSocket,
    fetch_status,
    is_authorized,
    may_see_addresses,
    peer_of,
)
from klogd_py.system.jobs import Jobs
from tests.documents import status

NOBODY = 65534
OWN, GROUP = 990, 991
ASK = """
import sys, pathlib
from klogd_py.monitoring.status_socket import fetch_status
sys.stdout.buffer.write(fetch_status(pathlib.Path(sys.argv[1])))
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")


@pytest.fixture
def path() -> Iterator[Path]:
    # Whose name is short enough for a socket
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "status"


def served(
    path: Path, asking: Callable[[], bytes], group: int | None = None, mode: int | None = None
) -> bytes:
    """What a caller gets who asks in another thread while the socket is there."""

    async def serve() -> bytes:
        serving = StatusSocket(path, group, status)
        try:
            if mode is not None:
                path.chmod(mode)
            return await asyncio.to_thread(asking)
        finally:
            serving.close()

    return asyncio.run(serve())


@pytest.mark.parametrize(
    ("peer", "told", "addresses"),
    [
        (Peer(0), True, True),
        (Peer(OWN), True, True),
        (Peer(1000), False, False),
        (Peer(1000, frozenset({GROUP})), True, False),
        (Peer(1000, frozenset({GROUP + 1})), False, False),
    ],
)
def test_who_is_told_what(peer: Peer, told: bool, addresses: bool) -> None:
    assert (is_authorized(peer, OWN, GROUP), may_see_addresses(peer, OWN)) == (told, addresses)


def test_without_a_group_nobody_else_is_told_anything() -> None:
    assert not is_authorized(Peer(1000, frozenset({0, 4})), OWN, None)


def test_the_daemons_own_user_gets_the_whole_document(path: Path) -> None:
    assert msgspec.json.decode(served(path, lambda: fetch_status(path)), type=Status) == status()
    assert not path.exists()


@pytest.mark.parametrize(("group", "mode"), [(None, 0o600), (os.getegid(), 0o660)])
def test_the_socket_is_open_to_root_and_the_group_alone(
    path: Path, group: int | None, mode: int
) -> None:
    found = served(path, lambda: oct(stat.S_IMODE(path.stat().st_mode)).encode(), group)
    assert found == oct(mode).encode()


def _as_nobody(path: Path, *groups: int) -> bytes:
    command = [sys.executable, "-c", ASK, str(path)]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=30,
        user=NOBODY,
        group=NOBODY,
        extra_groups=groups,
        check=False,
    )
    return done.stdout + done.stderr


@needs_root
def test_the_kernel_itself_says_who_calls_even_if_the_mode_lets_everybody_in(path: Path) -> None:
    assert b"permission denied for user 65534" in served(path, lambda: _as_nobody(path), mode=0o666)


@needs_root
def test_a_member_of_the_group_is_told_all_but_addresses(path: Path) -> None:
    told = served(path, lambda: _as_nobody(path, GROUP), group=GROUP)
    assert msgspec.json.decode(told, type=Status).version == "1.0"
    assert HIDDEN.encode() in told
    assert b"0x1a000000" not in told


def test_callers_who_never_read_hold_up_nobody(path: Path) -> None:
    def besieged() -> bytes:
        idle = [socket.socket(socket.AF_UNIX) for _ in range(4 * MAX_ACCEPTS)]
        try:
            for caller in idle:
                caller.setblocking(True)
                caller.settimeout(5)
                caller.connect(str(path))
            return fetch_status(path)
        finally:
            for caller in idle:
                caller.close()

    assert msgspec.json.decode(served(path, besieged), type=Status)


def test_a_caller_who_hangs_up_at_once_does_no_harm(path: Path) -> None:
    def rude() -> bytes:
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(str(path))
        return fetch_status(path)

    assert served(path, rude)


def test_the_name_that_a_killed_daemon_left_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert served(path, lambda: fetch_status(path))


def test_a_name_at_which_another_daemon_listens_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(SocketUnusable, match="another daemon listens there"):
            served(path, lambda: b"")
    assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(SocketUnusable, match="not a socket"):
        served(path, lambda: b"")
    assert path.read_text() == "precious"


def test_a_name_too_long_for_a_socket_is_said(path: Path) -> None:
    with pytest.raises(SocketUnusable, match="too long"):
        served(path.with_name("x" * 200), lambda: b"")


def test_where_no_daemon_is_the_caller_hears_so(path: Path) -> None:
    with pytest.raises(NoAnswer, match=r"no daemon answers at .*No such file.*is it running"):
        fetch_status(path)


def test_the_groups_of_a_caller_are_those_that_the_kernel_knows() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert peer_of(here) == Peer(os.getuid(), frozenset({os.getgid(), *os.getgroups()}))


@needs_root
def test_a_daemon_that_goes_on_as_somebody_else_leaves_the_socket_to_it(path: Path) -> None:
    async def serve() -> int:
        serving = StatusSocket(path, None, status, owner=NOBODY)
        try:
            return path.stat().st_uid
        finally:
            serving.close()

    assert asyncio.run(serve()) == NOBODY


@needs_root
def test_a_group_that_the_socket_may_not_be_given_to_leaves_it_closed_to_others(path: Path) -> None:
    listening = (
        "import asyncio, pathlib, stat, sys\n"
        "from klogd_py.monitoring.status_socket import StatusSocket\n"
        "async def serve():\n"
        "    path = pathlib.Path(sys.argv[1])\n"
        "    serving = StatusSocket(path, int(sys.argv[2]), lambda: None)\n"
        "    print(oct(stat.S_IMODE(path.stat().st_mode)))\n"
        "    serving.close()\n"
        "asyncio.run(serve())\n"
    )
    os.chown(path.parent, NOBODY, NOBODY)
    for group, mode in ((GROUP, "0o600"), (NOBODY, "0o660")):
        command = [sys.executable, "-c", listening, str(path), str(group)]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            user=NOBODY,
            group=NOBODY,
            extra_groups=(),
            check=False,
        )
        assert done.stdout.strip() == mode
        assert ("may not be opened to group 991" in done.stderr) == (group == GROUP)


def test_a_status_that_cannot_be_drawn_ends_nothing_and_the_next_caller_is_answered(
    path: Path,
) -> None:
    errors = [MemoryError("trouble"), RecursionError("trouble")]

    def troubled() -> Status:
        if errors:
            raise errors.pop()
        return status()

    async def serve() -> tuple[list[bytes], Jobs]:
        jobs = Jobs()
        serving = StatusSocket(path, None, troubled, jobs=jobs)
        try:
            answers = []
            for _ in range(3):
                reader, writer = await asyncio.open_unix_connection(path)
                answers.append(await reader.read())
                writer.close()
            return answers, jobs
        finally:
            serving.close()

    answers, jobs = asyncio.run(serve())
    assert answers[:2] == [b"", b""]
    assert msgspec.json.decode(answers[2], type=Status)
    assert jobs.failures["status socket"].count == 2


def test_callers_for_whom_there_is_no_descriptor_do_not_have_the_loop_turn_for_ever(
    path: Path,
) -> None:
    async def starve() -> tuple[float, bytes]:
        serving = StatusSocket(path, None, status)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held: list[int] = []
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read()
            writer.close()
            caller = socket.socket(socket.AF_UNIX)
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, hard))
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.dup(0))
            caller.connect(str(path))
            before_s = time.process_time()
            await asyncio.sleep(1)
            used_s = time.process_time() - before_s
            while held:
                os.close(held.pop())
            caller.setblocking(False)
            return used_s, await asyncio.wait_for(
                asyncio.get_running_loop().sock_recv(caller, 1), 5
            )
        finally:
            caller.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            while held:
                os.close(held.pop())
            serving.close()

    used_s, answer = asyncio.run(starve())
    assert used_s < 0.3
    assert answer == b"{"
