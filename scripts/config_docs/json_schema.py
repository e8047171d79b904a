# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the JSON Schema of the documents that sinks write.

Source of truth: JSON Schema, draft 2020-12.
"""

import inspect
import json

import msgspec

from klogd_py.sinks.json_document import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LICENCE = "SPDX-License-Identifier: GPL-2.0-or-later"
TITLE = "JSON document of klogd-py"


def render() -> str:
    """Return the schema as indented JSON. It leaves other keys open, since some may be added."""
    (whole,), definitions = msgspec.json.schema_components(
        [Document], ref_template="#/$defs/{name}"
    )
    name = whole["$ref"].rpartition("/")[2]
    document = definitions.pop(name)
    lines = inspect.cleandoc(Document.__doc__ or "").partition("\n\nSize:")[0]
    schema = {
        "$schema": DIALECT,
        "$comment": LICENCE,
        "title": TITLE,
        "description": " ".join(lines.split()),
        **{key: document[key] for key in ("type", "properties", "required")},
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
