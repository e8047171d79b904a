# SPDX-License-Identifier: GPL-2.0-or-later
"""One target under atheris, in a process of its own: libFuzzer ends it."""

import sys

import atheris

with atheris.instrument_imports(include=["klogd_py", "tomllib"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run the target that is named first.

    What follows are options of libFuzzer and folders of inputs.
    """
    _, name, *options = sys.argv
    atheris.Setup([sys.argv[0], *options], TARGETS[name].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
