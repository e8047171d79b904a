# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the JSON Schema of the documents that sinks write, and of the reports of crashes.

Source of truth: JSON Schema, draft 2020-12.
"""

import inspect
import json

import msgspec

from klogd_py.record.report import Report
from klogd_py.sinks.json_document import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"
TITLE = "JSON document of klogd-py"
REPORT_TITLE = "Crash report of klogd-py"


def render() -> str:
    """Return the schema of the documents of sinks, as `render_schema` does."""
    return render_schema(Document, TITLE)


def render_report() -> str:
    """Return the schema of reports, as `render_schema` does."""
    return render_schema(Report, REPORT_TITLE)


def render_schema(kind: type[msgspec.Struct], title: str) -> str:
    """Return the schema as indented JSON. It leaves other keys open, since some may be added."""
    (whole,), definitions = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    name = whole["$ref"].rpartition("/")[2]
    document = definitions.pop(name)
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = _plain(definition["description"])
    schema = {
        "$schema": DIALECT,
        "$comment": LICENCE,
        "title": title,
        "description": _plain(kind.__doc__ or ""),
        **{key: document[key] for key in ("type", "properties", "required")},
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _plain(docstring: str) -> str:
    """Return a docstring in one line, without what is said of the size of its class."""
    text = inspect.cleandoc(docstring).partition("\n\nSize:")[0]
    return " ".join(text.split()).replace("``", "")
