# SPDX-License-Identifier: GPL-2.0-or-later
"""What the receivers of exported reports accept, as JSON Schemas.

uReport 2: faf's ``UREPORT_CHECKER``, the checker of ``KerneloopsProblem`` and those of packages;
the lengths of texts are those of its columns. Keys that faf does not know are ignored there, but an
error here. Sentry: the part of relay/event.schema.json that is used here, which allows no other
keys either, and the limits of Sentry's developer documentation.
"""

from functools import cache
from typing import Any

import jsonschema

_NAME = {"type": "string", "minLength": 1, "maxLength": 256}
_TAINT_FLAGS = [
    *("module_proprietary", "forced_module", "smp_unsafe", "forced_removal", "mce"),
    *("page_release", "userspace", "died_recently", "acpi_overridden", "warning"),
    *("staging_driver", "firmware_workaround", "module_out_of_tree", "unsigned_module"),
    *("soft_lockup", "live_patch"),
]


def _object(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """Return the schema of an object with these keys; all but the optional ones are needed."""
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "additionalProperties": False,
    }


def _text(pattern: str, length: int = 256) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "maxLength": length}


def _number(bits: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 0, "maximum": (1 << bits) - 1}


_MODULE = _text(r"^[a-zA-Z0-9_]+(\([A-Z+-]+\))?$")
UREPORT2 = _object(
    {
        "ureport_version": {"const": 2},
        "reason": {"type": "string", "minLength": 1, "maxLength": 512},
        "reporter": _object(
            {"name": _text("^[a-zA-Z0-9 ]+$", 64), "version": _text(r"^[a-zA-Z0-9_.\- ]+$", 64)}
        ),
        "os": _object(
            {
                "name": _text("^[a-z0-9_.]+$"),
                "version": _text(r"^[a-zA-Z0-9_.\-+~]+$"),
                "architecture": _text("^[a-zA-Z0-9_]+$"),
            }
        ),
        "problem": _object(
            {
                "type": {"const": "kerneloops"},
                "component": _text(r"^kernel(-[a-zA-Z0-9\-._]+)?$"),
                "version": _text(r"^[0-9]+\.[0-9]+\.[0-9]+(.[^\-]+)?(-.*)?$"),
                "taint_flags": {"type": "array", "items": {"enum": _TAINT_FLAGS}},
                "modules": {"type": "array", "items": _MODULE},
                "raw_oops": {"type": "string", "maxLength": 1 << 16},
                "frames": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object(
                        {
                            "address": _number(64),
                            "reliable": {"type": "boolean"},
                            "function_name": _text(r"^[a-zA-Z0-9_.]+$"),
                            "function_offset": _number(63),
                            "function_length": _number(63),
                            "module_name": _MODULE,
                        },
                        "module_name",
                    ),
                },
            }
        ),
        "packages": {
            "type": "array",
            "contains": {"properties": {"package_role": {"const": "affected"}}},
            "items": _object(
                {
                    "name": _text(r"^[a-zA-Z0-9_\-.+~]+$", 64),
                    "epoch": _number(31),
                    "version": _text(r"^[a-zA-Z0-9_.+]+$", 64),
                    "release": _text(r"^[a-zA-Z0-9_.+]+$", 64),
                    "architecture": _text("^[a-zA-Z0-9_]+$"),
                    "package_role": {"enum": ["affected", "related", "selinux_policy"]},
                }
            ),
        },
    }
)
_STACKTRACE = _object(
    {
        "frames": {
            "type": "array",
            "minItems": 1,
            "items": {
                **_object(
                    {
                        "function": _NAME,
                        "in_app": {"type": "boolean"},
                        "module": _NAME,
                        "filename": _NAME,
                        "lineno": {"type": "integer", "minimum": 1},
                    },
                    *("function", "in_app", "module", "filename", "lineno"),
                ),
                "anyOf": [{"required": ["filename"]}, {"required": ["function"]}],
            },
        }
    }
)
_RFC_3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
SENTRY = _object(
    {
        "event_id": _text("^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$"),
        "timestamp": _text(_RFC_3339),
        "platform": {"enum": ["c", "native", "other"]},
        "level": {"enum": ["fatal", "error", "warning", "info", "debug"]},
        "logger": _NAME,
        "release": _NAME,
        "server_name": _NAME,
        "transaction": _NAME,
        "fingerprint": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "exception": _object(
            {
                "values": {
                    "type": "array",
                    "minItems": 1,
                    "items": _object(
                        {
                            "type": _NAME,
                            "value": {"type": "string"},
                            "module": _NAME,
                            "mechanism": _object(
                                {"type": {"type": "string"}, "handled": {"type": "boolean"}}
                            ),
                            "stacktrace": _STACKTRACE,
                        },
                        *("module", "stacktrace"),
                    ),
                }
            }
        ),
        "threads": _object(
            {
                "values": {
                    "type": "array",
                    "items": _object(
                        {
                            "id": {"type": ["integer", "string"]},
                            "name": {"type": "string"},
                            "crashed": {"type": "boolean"},
                            "stacktrace": _STACKTRACE,
                        },
                        "stacktrace",
                    ),
                }
            }
        ),
        "tags": {
            "type": "object",
            "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 199},
            "propertyNames": {"pattern": "^[a-zA-Z0-9_.:-]{1,32}$"},
        },
        "contexts": {
            "type": "object",
            "additionalProperties": {"type": "object", "required": ["type"]},
        },
        "extra": {"type": "object"},
        "sdk": _object({"name": _NAME, "version": _NAME}),
    },
    *("timestamp", "release", "server_name", "transaction", "threads"),
)


def problems(document: dict[str, object], schema: dict[str, Any]) -> list[str]:
    """Return what a schema does not allow in a document."""
    errors = _validator(id(schema)).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in errors]


@cache
def _validator(identity: int) -> jsonschema.Draft202012Validator:
    (schema,) = (one for one in (UREPORT2, SENTRY) if id(one) == identity)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)
