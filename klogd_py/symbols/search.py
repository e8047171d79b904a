# SPDX-License-Identifier: GPL-2.0-or-later
"""Which paths does a list of places to search stand for?

``{release}`` in a place stands for the kernel release, as ``uname -r`` prints it. The list itself,
with the four places of the classic klogd in front, is configuration.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path


def under(root: Path, path: str | Path) -> Path:
    """A path of the machine as it lies below ``root``."""
    return root / str(path).lstrip("/") if root != Path("/") else Path(path)


def candidates(
    places: Iterable[str], release: str, root: Path = Path("/")
) -> Iterator[tuple[Path, bool]]:
    """The paths to look at, in order, each with whether its name itself states the release."""
    for place in places:
        yield under(root, place.replace("{release}", release)), "{release}" in place
