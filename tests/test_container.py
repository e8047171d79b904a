# SPDX-License-Identifier: GPL-2.0-or-later
"""Test the recipe of the container image against the tree; building it needs a base image."""

import re
from pathlib import Path

from klogd_py.system.libraries import LIBRARIES

PROJECT = Path(__file__).parents[1]
RECIPE = (PROJECT / "packaging" / "Containerfile").read_text().replace("\\\n", "")
LAST_STAGE = RECIPE.rpartition("\nFROM ")[2]


def test_every_file_that_is_copied_exists() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", RECIPE, re.MULTILINE)
    assert copied
    for name in " ".join(copied).split():
        assert (PROJECT / name).exists(), name


def test_image_has_every_library_and_no_compiler() -> None:
    installed = set(re.findall(r"\bpython3-[a-z0-9-]+", LAST_STAGE))
    wanted = {library.package for library in LIBRARIES.values()}
    assert installed == wanted | {"python3-msgspec"}
    assert not re.search(r"\b(gcc|build-essential|python3-dev|pip)\b", LAST_STAGE)


def test_container_runs_as_a_user_without_rights() -> None:
    assert re.findall(r"^USER (.*)$", LAST_STAGE, re.MULTILINE) == ["klogd-py"]
