# SPDX-License-Identifier: GPL-2.0-or-later
"""Describe the machine and the Python that a measurement was made with."""

import os
import platform
import re
import sys
import sysconfig
import time
from collections.abc import Mapping

# Variables in which a build says how it was made
_FLAGS = ("CONFIG_ARGS", "PY_CORE_CFLAGS", "PY_CFLAGS_NODIST", "PY_CORE_LDFLAGS")
_PROFILED = re.compile(r"--enable-optimizations|-fprofile-use|-fprofile-instr-use")
UNOPTIMISED = (
    "This Python was built without profile-guided optimisation (--enable-optimizations), which "
    "makes klogd-py about 1.3 times slower than it is with the Python of a distribution."
)


def describe() -> list[str]:
    """Return lines for people: processors, kernel, load and time; Python; a warning if need be."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    kind = build_of(_variables(), sys.base_prefix)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [
        f"{os.cpu_count()} processors, Linux {platform.release()}, load {load}, {when}",
        f"{python} in {sys.base_prefix}, {kind}",
    ]
    return [*lines, UNOPTIMISED] if kind == "not optimised" else lines


def build_of(variables: Mapping[str, str], prefix: str) -> str:
    """Tell how a Python was built: ``optimised``, ``not optimised`` or ``as Debian builds it``.

    Debian's rules build with profiles, but the variables of its Python are those of a second build
    without them. A multiarch triplet and /usr show that it is Debian's or Ubuntu's.
    """
    if any(_PROFILED.search(variables.get(name, "")) for name in _FLAGS):
        return "optimised"
    if prefix == "/usr" and variables.get("MULTIARCH") and "/usr/lib/" in variables["LIBDIR"]:
        return "as Debian builds it: optimised"
    return "not optimised"


def _variables() -> Mapping[str, str]:
    return {
        name: value for name, value in sysconfig.get_config_vars().items() if isinstance(value, str)
    }
