# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the generated parts into the templates, which hold all text that describes no key.

The JSON Schema has no template.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from klogd_py.config.schema import Config
from scripts.config_docs import json_schema, manual_page, toml_file
from scripts.config_docs.reference import Table, read

PROJECT = Path(__file__).parents[2]
CONFIGURATION = PROJECT / "etc" / "klogd-py.toml"
PAGE = PROJECT / "docs" / "klogd-py.toml.5"
SCHEMA = PROJECT / "klogd_py" / "record.schema.json"
REPORT_SCHEMA = PROJECT / "klogd_py" / "report.schema.json"
_TEMPLATES = Path(__file__).parent
# The line of a template that the keys replace
_PLACE = "@KEYS@\n"


def generate() -> dict[Path, str]:
    """Return the text of all generated files, by their paths."""
    tables = read(Config)
    return {
        CONFIGURATION: _fill(CONFIGURATION.name, toml_file.render, tables),
        PAGE: _fill(PAGE.name, manual_page.render, tables),
        SCHEMA: json_schema.render(),
        REPORT_SCHEMA: json_schema.render_report(),
    }


def _fill(name: str, render: Callable[[Sequence[Table]], str], tables: Sequence[Table]) -> str:
    before, _, after = (_TEMPLATES / f"{name}.in").read_text().partition(_PLACE)
    return before + render(tables) + after
