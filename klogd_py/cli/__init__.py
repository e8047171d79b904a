# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands klogd-py and klogd: one module for each subcommand.

Without msgspec no module of this package can be imported: then both commands end with one line.
"""

import sys
from importlib.util import find_spec

if find_spec("msgspec") is None:
    sys.exit(
        "klogd-py: the Python library msgspec is missing (Debian 13: python3-msgspec)\n"
        f"klogd-py: install it: {sys.executable} -m pip install msgspec"
    )
