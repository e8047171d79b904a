# SPDX-License-Identifier: GPL-2.0-or-later
"""``klogd-py check-config``: read the configuration as the daemon would."""

import os
from pathlib import Path

from klogd_py.cli.output import print_json
from klogd_py.config import loader
from klogd_py.config.loader import DEFAULT_PATH
from klogd_py.config.run_options import RunOptions


def check_config(options: RunOptions, *, as_json: bool) -> int:
    """Print the files of a configuration, or as JSON the configuration itself. Returns 0.

    Raises:
        ConfigError: a file is wrong, or names a user that does not exist.
    """
    main_file = Path(options.config_path or DEFAULT_PATH)
    config = loader.load(main_file, must_exist=options.config_path is not None)
    options.look_up_user(config)
    if as_json:
        print_json(config)
    else:
        for file in loader.list_files(main_file):
            print(f"{file}: {'ok' if os.path.exists(file) else 'not there, the defaults apply'}")
    return 0
