# SPDX-License-Identifier: GPL-2.0-or-later
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import needs_kmsg

TORTURE = Path(__file__).parents[2] / "scripts/torture"

pytestmark = needs_kmsg


@pytest.mark.parametrize("ends", [[], ["--sigterm-only"]], ids=["kills and stops", "stops"])
def test_no_record_is_lost_when_the_daemon_ends(ends: list[str]) -> None:
    command = [sys.executable, str(TORTURE), "--rounds", "5", "--rate", "200", "--json", *ends]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    report = json.loads(ran.stdout)
    assert report["rounds"] == report["SIGKILL"] + report["SIGTERM"] == 5
    for sums in report["sinks"].values():
        seen = report["written"] - report["overwritten before they were read"]
        kept = seen - sums["left out"]
        assert sums["delivered"] + sums["covered by gaps"] - sums["in both"] == kept > 0
        failures = [sums[key] for key in ("unaccounted", "outside the limit", "despite the filter")]
        assert failures == [0, 0, 0]
        assert (
            report["SIGKILL"]
            or sums["duplicated"] == sums["within two gaps"] == sums["in both"] == 0
        )
    assert report["sinks"]["file"]["continued lines"] > 0
    assert (ran.returncode, ran.stderr) == (0, "")
