# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py status``: print the status of the running daemon."""

import sys
from pathlib import Path

import msgspec

from klogd_py.cli.output import print_error
from klogd_py.config.errors import ConfigError
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config
from klogd_py.monitoring.status import Status
from klogd_py.monitoring.status_client import fetch_status
from klogd_py.monitoring.status_table import render_table
from klogd_py.system.terminal import is_coloured


def status(options: RunOptions, socket: str | None, *, as_json: bool) -> int:
    """Print the status that the daemon sends at a socket; ``None`` is the configured one.

    Returns the exit status: 1 if there is no status.

    Raises:
        NoAnswer: nobody answers there.
    """
    path = socket or _configured_socket(options)
    if not path:
        print_error("status.socket is empty in the configuration: the daemon serves no status")
        return 1
    document = fetch_status(Path(path))
    try:
        decoded = msgspec.json.decode(document, type=Status)
    except msgspec.DecodeError as error:
        print_error(f"{path}: no status of klogd-py: {error}")
        return 1
    if as_json:
        print(msgspec.json.format(document, indent=2).decode())
    else:
        print(render_table(decoded, is_coloured(sys.stdout)), end="")
    return 0


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
