# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the JSON documents of sinks, each checked against the schema that is shipped.

Keys that the schema does not have are allowed for readers, but an error here.
"""

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA_FILE = Path(__file__).parents[1] / "klogd_py" / "record.schema.json"
# Values of any type, as json.loads returns them
JsonDocument = dict[str, Any]


def _close(schema: JsonDocument) -> JsonDocument:
    """Allow no other keys in the objects of a schema."""
    closed = {key: _close(item) if isinstance(item, dict) else item for key, item in schema.items()}
    if "properties" in closed and "type" in closed and "additionalProperties" not in closed:
        closed["additionalProperties"] = False
    return closed


_SCHEMA = json.loads(SCHEMA_FILE.read_text())
jsonschema.Draft202012Validator.check_schema(_SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(_close(_SCHEMA))


def read_document(line: str | bytes) -> JsonDocument:
    """Return one document; fails the test that calls it if the schema does not allow it."""
    document: JsonDocument = json.loads(line)
    problems = [error.message for error in VALIDATOR.iter_errors(document)]
    assert problems == [], line
    return document


def read_documents(content: str | bytes) -> list[JsonDocument]:
    """Return the documents of a file; a line feed within a document is an error."""
    text = content.decode() if isinstance(content, bytes) else content
    # Not splitlines, for which other characters end a line as well
    lines = text.split("\n")
    assert lines.pop() == ""
    return [read_document(line) for line in lines]
