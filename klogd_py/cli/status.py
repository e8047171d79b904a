# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py status``: print the status of the running daemon."""

import shlex
import sys
from pathlib import Path

import msgspec

from klogd_py.cli.output import print_error
from klogd_py.config.errors import ConfigError
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.monitoring.errors import NoAnswer
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from klogd_py.monitoring.status_table import render_table
from klogd_py.system.terminal import is_coloured

# As sd_booted(3) has it
_SYSTEMD = Path("/run/systemd/system")


def status(options: RunOptions, socket: str | None, *, as_json: bool) -> int:
    """Print the status that the daemon sends at a socket; ``None`` is the configured one.

    Returns the exit status: 1 if there is no status.
    """
    path = socket or _configured_socket(options)
    if not path:
        print_error("status.socket is empty in the configuration: the daemon serves no status")
        return 1
    try:
        document = fetch_status(Path(path))
        decoded = msgspec.json.decode(document, type=Status)
    except NoAnswer as error:
        return _explain(error, path)
    except msgspec.DecodeError as error:
        print_error(f"{path}: no status of klogd-py: {error}")
        return 1
    if as_json:
        print(msgspec.json.format(document, indent=2).decode())
    else:
        print(render_table(decoded, is_coloured(sys.stdout)), end="")
    return 0


def _explain(error: NoAnswer, path: str) -> int:
    """Print why there is no answer and, in a second line, what to type. Returns the exit status."""
    cause = error.__cause__
    # The daemon has refused, and said so.
    if cause is None or isinstance(cause, PermissionError):
        print_error(f"{path}: Permission denied" if cause is not None else str(error))
        print_error(f"type: sudo {shlex.join(['klogd-py', *sys.argv[1:]])}")
        return 1
    print_error(str(error))
    asked = "systemctl status klogd-py" if _SYSTEMD.is_dir() else "pgrep -af klogd-py"
    print_error(f"is it running? type: {asked}")
    return 1


def _configured_socket(options: RunOptions) -> str:
    """Return the path of the configured socket.

    The running daemon may use an older configuration than one that is now wrong: the default path
    is returned then.
    """
    try:
        return options.load_config().status.socket
    except ConfigError as error:
        print_error(str(error))
        return Config().status.socket
