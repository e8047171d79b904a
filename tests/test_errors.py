# SPDX-License-Identifier: GPL-2.0-or-later
"""Each package with several exceptions has one base for them, which its callers can catch."""

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import klogd_py
from klogd_py.config.errors import ConfigError
from klogd_py.monitoring.errors import MonitoringError
from klogd_py.sinks import DeliveryError
from klogd_py.sources.errors import SourceError
from klogd_py.spool.errors import SpoolError
from klogd_py.symbols.errors import SymbolsError
from klogd_py.system.errors import SystemOperationError

PACKAGE = Path(klogd_py.__file__).parent
BASES: dict[str, type[Exception]] = {
    "config": ConfigError,
    "monitoring": MonitoringError,
    "sinks": DeliveryError,
    "sources": SourceError,
    "spool": SpoolError,
    "symbols": SymbolsError,
    "system": SystemOperationError,
}


def exceptions(package: str) -> Iterator[type[Exception]]:
    """The exceptions that the modules of a package define."""
    for path in sorted((PACKAGE / package).rglob("*.py")):
        name = ".".join(("klogd_py", *path.relative_to(PACKAGE).with_suffix("").parts))
        module = importlib.import_module(name.removesuffix(".__init__"))
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, Exception) and found.__module__ == module.__name__:
                yield found


@pytest.mark.parametrize("package", BASES)
def test_exceptions_of_a_package_have_one_base(package: str) -> None:
    found = set(exceptions(package))
    assert len(found) > 1
    assert [error for error in found if not issubclass(error, BASES[package])] == []


def test_no_other_package_has_several_exceptions() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert packages > {*BASES}
    assert [name for name in packages - {*BASES} if len(set(exceptions(name))) > 1] == []
