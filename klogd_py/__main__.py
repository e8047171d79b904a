# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the command line: ``python -m klogd_py``."""

import sys

from klogd_py.cli.main import main

sys.exit(main())
