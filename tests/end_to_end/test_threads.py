# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon with the configuration that is installed has no thread that it does not need."""

import os
import signal
from pathlib import Path

from tests.end_to_end.program import Program, socket_of
from tests.needs import needs_kmsg
from tests.waiting import wait_until

INSTALLED = Path(__file__).parents[2] / "etc/klogd-py.toml"
MAX_THREADS = 4

pytestmark = needs_kmsg


def _count(program: Program) -> int:
    return len(os.listdir(f"/proc/{program.process.pid}/task"))


def _watches_files(program: Program) -> bool:
    links = Path(f"/proc/{program.process.pid}/fd").iterdir()
    return "anon_inode:inotify" in [os.readlink(link) for link in links]


def test_installed_configuration_needs_few_threads(tmp_path: Path) -> None:
    config, own = tmp_path / "klogd-py.toml", tmp_path / "klogd-py.toml.d/10-test.toml"
    config.write_text(INSTALLED.read_text())
    own.parent.mkdir()
    own.write_text(
        f'state.cursor_file = "{tmp_path}/position.json"\nstatus.socket = "{socket_of(tmp_path)}"\n'
    )
    with Program(tmp_path, config=config) as program:
        wait_until(lambda: _watches_files(program), "the watch of files")
        wait_until(lambda: _count(program) <= MAX_THREADS, "the end of the threads at the start")
        program.process.send_signal(signal.SIGHUP)
        program.wait_for_notification("READY=1", times=2)
        wait_until(lambda: _watches_files(program), "the watch of files after the reload")
        wait_until(lambda: _count(program) <= MAX_THREADS, "the end of the threads of the reload")
