"""``python -m klogd_py``."""

import sys

from klogd_py.cli import main

sys.exit(main())
