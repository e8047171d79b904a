# SPDX-License-Identifier: GPL-2.0-or-later
"""Locate the kernel logs and recorded cases that tests read.

The project's own logs are always there. A larger collection, which is not part of the project, lies
in the directory that KLOGD_TEST_DATA names: real kernel logs in ``oops``, recorded cases of the
classic klogd in ``klogd-vectors.json``. Tests that need it are skipped without it.
"""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
DATA = Path(os.environ.get("KLOGD_TEST_DATA", PROJECT.parent / "shared" / "data"))
OWN = PROJECT / "tests" / "data" / "oops"
COLLECTION = DATA / "oops"
CLASSIC_CASES = DATA / "klogd-vectors.json"

needs_collection = pytest.mark.skipif(
    not COLLECTION.is_dir(),
    reason=f"needs a collection of kernel logs in {COLLECTION}; set KLOGD_TEST_DATA",
)
# Parameters of a test that runs on both.
OWN_AND_COLLECTION = [
    pytest.param(OWN, id="own"),
    pytest.param(COLLECTION, id="collection", marks=needs_collection),
]


def log_files(folder: Path) -> list[Path]:
    """Return every file below a folder, in order; what is no log among them is text as well."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
