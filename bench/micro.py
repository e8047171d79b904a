# SPDX-License-Identifier: GPL-2.0-or-later
"""Plan the measurements of the stages and of the symbols, in a process for each tree."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec

from bench import maps, processes
from bench.results import Figure
from bench.schedule import Setup, Task
from bench.trees import Tree

LENGTHS, QUICK_LENGTHS = (100_000, 1_000_000, 10_000_000), (100_000,)
_STAGES_S, _SYMBOLS_S = 3.0, 12.0


def tasks(setup: Setup) -> Iterator[Task]:
    """Plan the stages and the symbols of each tree."""
    for tree in setup.trees:
        stages = partial(_figures, tree, "bench.stages", [])
        yield Task(f"{tree.name}, stages", _STAGES_S, stages)
    for tree in setup.trees:
        yield Task(f"{tree.name}, symbols", _SYMBOLS_S, partial(_symbols, setup, tree))


def _symbols(setup: Setup, tree: Tree) -> list[Figure]:
    lengths = QUICK_LENGTHS if setup.quick else LENGTHS
    return _figures(tree, "bench.symbols", [maps.provide(setup.folder, lines) for lines in lengths])


def _figures(tree: Tree, module: str, arguments: Sequence[Path]) -> list[Figure]:
    """Run a module of the bench with the klogd_py of a tree; none if they do not fit together."""
    try:
        output = processes.run([sys.executable, "-P", "-m", module, *arguments], tree.environment)
    except subprocess.CalledProcessError:
        print(f"bench: left out: {module} does not fit {tree.name}", file=sys.stderr)
        return []
    found = msgspec.json.decode(output, type=list[Figure])
    return [msgspec.structs.replace(figure, program=tree.name) for figure in found]
