# SPDX-License-Identifier: GPL-2.0-or-later
import asyncio
import contextlib
import os
import resource
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from klogd_py.monitoring.errors import EndpointUnusable, NoAnswer
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from klogd_py.monitoring.status_socket import (
    MAX_ACCEPTS,
    Peer,
    StatusSocket,
    is_authorized,
    may_see_addresses,
    peer_credentials,
)
from klogd_py.record.address_mask import HIDDEN
from klogd_py.system.jobs import Jobs
from tests.documents import status
from tests.needs import NOBODY, needs_other_users
from tests.other_user import OtherPython

OWN, GROUP = 990, 991
ASK = """
import sys, pathlib
from klogd_py.monitoring.status_client import fetch_status
sys.stdout.buffer.write(fetch_status(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture
def path() -> Iterator[Path]:
    # Short enough for the path of a socket
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder) / "status"


def served(
    path: Path, fetch: Callable[[], bytes], group: int | None = None, mode: int | None = None
) -> bytes:
    """Return what ``fetch`` returns in another thread while the socket is open."""

    async def serve() -> bytes:
        serving = StatusSocket(path, group, status)
        try:
            if mode is not None:
                path.chmod(mode)
            return await asyncio.to_thread(fetch)
        finally:
            serving.close()

    return asyncio.run(serve())


@pytest.mark.parametrize(
    ("peer", "authorized", "addresses"),
    [
        (Peer(0), True, True),
        (Peer(OWN), True, True),
        (Peer(1000), False, False),
        (Peer(1000, frozenset({GROUP})), True, False),
        (Peer(1000, frozenset({GROUP + 1})), False, False),
    ],
)
def test_only_root_and_owner_see_addresses(peer: Peer, authorized: bool, addresses: bool) -> None:
    assert (is_authorized(peer, OWN, GROUP), may_see_addresses(peer, OWN)) == (
        authorized,
        addresses,
    )


def test_without_group_others_are_refused() -> None:
    assert not is_authorized(Peer(1000, frozenset({0, 4})), OWN, None)


def test_own_user_gets_the_whole_document(path: Path) -> None:
    assert msgspec.json.decode(served(path, lambda: fetch_status(path)), type=Status) == status()
    assert not path.exists()


@pytest.mark.parametrize(("group", "mode"), [(None, 0o600), (os.getegid(), 0o660)])
def test_socket_mode_is_0600_or_0660(path: Path, group: int | None, mode: int) -> None:
    found = served(path, lambda: oct(stat.S_IMODE(path.stat().st_mode)).encode(), group)
    assert found == oct(mode).encode()


def _fetch_as_nobody(python: OtherPython, path: Path, *groups: int) -> bytes:
    command = [python.command, "-c", ASK, str(path)]
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=30,
        user=NOBODY,
        group=NOBODY,
        extra_groups=groups,
        env=python.environment,
        cwd="/",
        check=False,
    )
    return done.stdout + done.stderr


@needs_other_users
def test_socket_mode_0666_does_not_authorize_others(path: Path, other_python: OtherPython) -> None:
    assert b"permission denied for user 65534" in served(
        path, lambda: _fetch_as_nobody(other_python, path), mode=0o666
    )


@needs_other_users
def test_group_member_gets_status_without_addresses(path: Path, other_python: OtherPython) -> None:
    answer = served(path, lambda: _fetch_as_nobody(other_python, path, GROUP), group=GROUP)
    assert msgspec.json.decode(answer, type=Status).version == "1.0"
    assert HIDDEN.encode() in answer
    assert b"0x1a000000" not in answer


def test_clients_that_never_read_delay_nobody(path: Path) -> None:
    def fetch_beside_idle_clients() -> bytes:
        idle = [socket.socket(socket.AF_UNIX) for _ in range(4 * MAX_ACCEPTS)]
        try:
            for client in idle:
                client.setblocking(True)
                client.settimeout(5)
                client.connect(str(path))
            return fetch_status(path)
        finally:
            for client in idle:
                client.close()

    assert msgspec.json.decode(served(path, fetch_beside_idle_clients), type=Status)


def test_clients_that_disconnect_at_once_are_harmless(path: Path) -> None:
    def connect_often() -> bytes:
        for _ in range(50):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        return fetch_status(path)

    assert served(path, connect_often)


def test_socket_of_a_killed_daemon_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert served(path, lambda: fetch_status(path))


def test_socket_of_a_running_daemon_is_kept(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(EndpointUnusable, match="another daemon listens there"):
            served(path, lambda: b"")
    assert path.exists()


def test_file_at_socket_path_is_kept(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(EndpointUnusable, match="not a socket"):
        served(path, lambda: b"")
    assert path.read_text() == "precious"


def test_too_long_socket_path_is_reported(path: Path) -> None:
    with pytest.raises(EndpointUnusable, match="too long"):
        served(path.with_name("x" * 200), lambda: b"")


def test_fetch_without_daemon_raises_no_answer(path: Path) -> None:
    with pytest.raises(NoAnswer, match=r"no daemon answers at .*: No such file or directory$"):
        fetch_status(path)


def test_peer_has_all_groups_of_the_process() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert peer_credentials(here) == Peer(
            os.getuid(), frozenset({os.getgid(), *os.getgroups()})
        )


@needs_other_users
def test_socket_belongs_to_the_unprivileged_user(path: Path) -> None:
    async def serve() -> int:
        serving = StatusSocket(path, None, status, owner=NOBODY)
        try:
            return path.stat().st_uid
        finally:
            serving.close()

    assert asyncio.run(serve()) == NOBODY


@needs_other_users
def test_socket_stays_private_without_right_to_chgrp(path: Path, other_python: OtherPython) -> None:
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
        command = [other_python.command, "-c", listening, str(path), str(group)]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            user=NOBODY,
            group=NOBODY,
            extra_groups=(),
            env=other_python.environment,
            cwd="/",
            check=False,
        )
        assert done.stdout.strip() == mode
        assert ("may not be opened to group 991" in done.stderr) == (group == GROUP)


def test_next_client_is_answered_after_failed_status(
    path: Path,
) -> None:
    errors = [MemoryError("error"), RecursionError("error")]

    def fail_twice() -> Status:
        if errors:
            raise errors.pop()
        return status()

    async def serve() -> tuple[list[bytes], Jobs]:
        jobs = Jobs()
        serving = StatusSocket(path, None, fail_twice, jobs=jobs)
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


def test_missing_descriptors_do_not_spin_the_loop(
    path: Path,
) -> None:
    async def run_out_of_descriptors() -> tuple[float, bytes]:
        serving = StatusSocket(path, None, status)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held: list[int] = []
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read()
            writer.close()
            client = socket.socket(socket.AF_UNIX)
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 8, hard))
            with contextlib.suppress(OSError):
                while True:
                    held.append(os.dup(0))
            client.connect(str(path))
            before_s = time.process_time()
            await asyncio.sleep(1)
            used_s = time.process_time() - before_s
            while held:
                os.close(held.pop())
            client.setblocking(False)
            return used_s, await asyncio.wait_for(
                asyncio.get_running_loop().sock_recv(client, 1), 5
            )
        finally:
            client.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            while held:
                os.close(held.pop())
            serving.close()

    used_s, answer = asyncio.run(run_out_of_descriptors())
    assert used_s < 0.3
    assert answer == b"{"
