# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of Prometheus, and a server of it that scrapes one daemon on this machine."""

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from functools import cache
from pathlib import Path
from typing import Self

import msgspec
import pytest

from tests.vm.lab.prometheus import expected_place

NEEDED = ("prometheus", "promtool")
RULES = Path(__file__).parents[2] / "packaging/prometheus/klogd-py.rules.yml"
CONFIGURATION = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: ["{rules}"]
scrape_configs:
  - job_name: klogd-py
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
START_S = 30.0


class Answer(msgspec.Struct, frozen=True):
    """What a query gave: the labels and the value of each series, or why it failed."""

    error: str = ""
    series: tuple[tuple[dict[str, str], float], ...] = ()


@cache
def find_program(name: str) -> str | None:
    """Return the path of a program of Prometheus: an installed one, or that of the lab."""
    return shutil.which(name) or shutil.which(name, path=str(expected_place()))


needs_prometheus = pytest.mark.skipif(
    not all(map(find_program, NEEDED)),
    reason="needs prometheus and promtool; run make rules, or apt-get install prometheus",
)


def free_port() -> int:
    """Return a port of the loopback device that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert isinstance(port, int)
        return port


class PrometheusServer:
    """Debian's Prometheus, which scrapes the daemon at a port each second. A context manager."""

    def __init__(self, folder: Path, target_port: int) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration = folder / "prometheus.yml"
        self._configuration.write_text(CONFIGURATION.format(rules=RULES, port=target_port))

    def __enter__(self) -> Self:
        program = find_program("prometheus")
        assert program is not None
        command = [
            program,
            f"--config.file={self._configuration}",
            f"--storage.tsdb.path={self._folder / 'series'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]
        self._process = subprocess.Popen(command, cwd=self._folder)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(START_S)

    def query(self, expression: str) -> Answer:
        """Evaluate an expression now; before the server is ready the answer is an error."""
        found = self._get("query", {"query": expression})
        if "error" in found:
            return Answer(error=str(found["error"]))
        result = msgspec.convert(found, _Response).data.result
        return Answer(series=tuple((one.metric, float(one.value[1])) for one in result))

    def label_values(self, metric: str, label: str) -> list[str]:
        """Return the values of a label, as the variables of a dashboard have them."""
        found = self._get(f"label/{label}/values", {"match[]": metric})
        return msgspec.convert(found.get("data", []), list[str])

    def rules(self) -> dict[str, str]:
        """Return the rules by name, each with its last error; empty if there was none."""
        found = msgspec.convert(self._get("rules", {}), _Rules)
        return {
            rule.name: f"{rule.health} {rule.last_error}".removeprefix("ok").strip()
            for group in found.data.groups
            for rule in group.rules
        }

    def _get(self, path: str, query: dict[str, str]) -> dict[str, object]:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            content = error.read()
        except OSError as error:
            return {"error": str(error)}
        try:
            found = json.loads(content)
        except ValueError:
            return {"error": content.decode(errors="replace")}
        assert isinstance(found, dict)
        return found


class _Series(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Result(msgspec.Struct):
    result: list[_Series]


class _Response(msgspec.Struct):
    data: _Result


class _Rule(msgspec.Struct):
    name: str
    health: str
    last_error: str = msgspec.field(default="", name="lastError")


class _Group(msgspec.Struct):
    rules: list[_Rule]


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Rules(msgspec.Struct):
    data: _Groups
