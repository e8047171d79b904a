# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the bench: ``python -m bench``."""

import signal
import sys

# Python's own handler would print a traceback for Ctrl-C while the modules are imported.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from bench.command_line import main  # noqa: E402

sys.exit(main())
