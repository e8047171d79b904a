# SPDX-License-Identifier: GPL-2.0-or-later
"""Find renamed configuration keys, values and options, and name their replacements.

An old name is an error, not an alias, so that every setting has exactly one name.
"""

from collections.abc import Mapping

# These tables, and what uses them, are to be removed after the first release.
# A renamed table is listed too, for a key that it never had. The longest match wins.
RENAMED_KEYS = {
    "names": "symbols",
    "names.map": "symbols.map",
    "names.search": "symbols.search",
    "names.kallsyms": "symbols.kallsyms",
    "names.modules": "symbols.modules",
    "names.module_files": "symbols.module_files",
    "translate.decoded": 'translate.resymbolize, false for "keep" and true for "replace"',
    "translate.twice": "translate.duplicate_raw",
    "translate.join": "translate.join_continuations",
    "translate.paranoid": "translate.reload_on_oops",
    "file.form": "file.format",
    "state.position": "state.cursor_file",
    "flood": "ratelimit",
    "flood.floor": "ratelimit.min_severity",
    "flood.repeats": "ratelimit.burst",
    "flood.period_s": "ratelimit.interval_s",
    "outbox": "queue",
    "outbox.limit_kib": "queue.limit_kib",
    "outbox.when_full": "queue.when_full",
    "outbox.sink": "queue.sink",
}
RENAMED_VALUES = {
    ("journal.mode", "enrich"): "additions",
    ("journal.mode", "sole"): "exclusive",
    ("journal.mode", "feed"): "forward",
}
RENAMED_OPTIONS = {
    "--twice": "--duplicate-raw",
    "--paranoid": "--reload-on-oops",
    "--decoded": '--resymbolize (for "replace") or --no-resymbolize (for "keep")',
}


def find_renamed(content: Mapping[str, object], table: str = "") -> str:
    """Return a sentence that names the replacement of the first old key or value.

    ``key outbox.limit_kib is now queue.limit_kib``; an empty string means that there is none.
    ``table`` is the dotted name of ``content``, empty for the whole configuration.
    """
    for name, value in content.items():
        key = f"{table}.{name}" if table else name
        if isinstance(value, Mapping) and (found := find_renamed(value, key)):
            return found
        if key in RENAMED_KEYS:
            return f"key {key} is now {RENAMED_KEYS[key]}"
        if isinstance(value, str) and (key, value) in RENAMED_VALUES:
            return f'key {key}: "{value}" is now "{RENAMED_VALUES[key, value]}"'
    return ""
