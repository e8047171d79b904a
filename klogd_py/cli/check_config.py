# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py check-config``: read the configuration as the daemon would."""

import os
from pathlib import Path

from klogd_py.cli.output import print_json
from klogd_py.config import loader
from klogd_py.config.loader import DEFAULT_PATH
from klogd_py.config.run_options import RunOptions


def check_config(options: RunOptions, path: str) -> int:
    """Print the files of a configuration, or with ``--json`` the configuration itself.

    An empty ``path`` stands for the configured one. Returns 0.

    Raises:
        BadConfig: a file is wrong, or names a user that does not exist.
    """
    named = path or options.config_path
    main_file = Path(named or DEFAULT_PATH)
    config = loader.load(main_file, must_exist=bool(named))
    options.look_up_user(config)
    if options.json:
        print_json(config)
    else:
        for file in loader.list_files(main_file):
            print(f"{file}: {'ok' if os.path.exists(file) else 'not there, the defaults apply'}")
    return 0
