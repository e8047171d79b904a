# SPDX-License-Identifier: GPL-2.0-or-later
"""How is one part of a large package imported without all the others?

A package whose ``__init__`` imports everything makes whoever wants one part pay for all. Its parts
can do without it: they look for the package's directory only.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec


@contextmanager
def parts_only(package: str) -> Iterator[None]:
    """Have parts of a package imported, for as long as this lasts, without its ``__init__``; later
    imports run that.

    Nothing is different for a package that is there already, or that is not installed. A part that
    wants what only ``__init__`` has raises ImportError or AttributeError.
    """
    spec = None if package in sys.modules else find_spec(package)
    if spec is None:
        yield
        return
    sys.modules[package] = module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[package]
