# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys

import pytest

CODE = """
import logging
from klogd_py.system import logging_setup
logging_setup.to_stderr("info")
logging.getLogger("klogd_py.sinks").warning("down")
logging.getLogger("klogd_py").info("up")
logging.getLogger("klogd_py").debug("nothing")
logging.getLogger("watchdog.observers.inotify").warning("overflow")
logging.getLogger("pyroute2.netlink").info("nothing")
"""


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (True, b"<4>down\n<6>up\n<4>overflow\n"),
        (False, b"klogd-py: down\nklogd-py: up\nklogd-py: overflow\n"),
    ],
)
def test_only_the_journal_gets_level_prefixes(ours: bool, expected: bytes) -> None:
    readable, writable = os.pipe()
    status = os.fstat(writable)
    stream = (
        f"{status.st_dev}:{status.st_ino}" if ours else "1:2"
        # Inherited from a service, but redirected since
    )
    subprocess.run(
        [sys.executable, "-c", CODE],
        stderr=writable,
        env={**os.environ, "JOURNAL_STREAM": stream},
        check=True,
    )
    os.close(writable)
    with open(readable, "rb") as lines:
        assert lines.read() == expected
