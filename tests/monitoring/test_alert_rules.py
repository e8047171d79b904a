# SPDX-License-Identifier: GPL-2.0-or-later
"""The alert rules, by promtool: their form, and their own tests."""

import re
import subprocess
from pathlib import Path

from klogd_py.monitoring import prometheus
from tests.monitoring.prometheus_server import RULES, find_program, needs_prometheus
from tests.monitoring.test_report_status import counts_of_a_bad_day, status_of

TESTS = Path(__file__).with_name("klogd-py.rules.test.yml")


def promtool(*arguments: str, given: bytes = b"") -> tuple[int, str]:
    """The exit status of promtool, and what it printed."""
    program = find_program("promtool")
    assert program is not None
    done = subprocess.run(
        [program, *arguments], input=given, capture_output=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@needs_prometheus
def test_promtool_finds_no_fault_in_rules() -> None:
    assert promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))[0] == 0


@needs_prometheus
def test_rules_pass_their_tests_in_promtool() -> None:
    status, printed = promtool("test", "rules", str(TESTS))
    assert (status, "SUCCESS" in printed) == (0, True), printed


@needs_prometheus
def test_promtool_finds_no_fault_in_metrics() -> None:
    given = prometheus.encode(status_of(counts_of_a_bad_day()))
    assert promtool("check", "metrics", given=given) == (0, "")


def test_every_alert_has_a_test_of_its_own() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text()))
    tested = re.findall(r"- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:", TESTS.read_text())
    assert len(alerts) > 10
    assert alerts == set(tested)
