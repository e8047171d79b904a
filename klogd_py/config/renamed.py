# SPDX-License-Identifier: GPL-2.0-or-later
"""Find renamed configuration keys, values and options, and name their replacements.

An old name is an error, not an alias, so that every setting has exactly one name.
"""

from collections.abc import Mapping

from klogd_py.config.errors import WrongKey

# These tables, and what uses them, are to be removed after the first release.
# A renamed table is listed too, for a key that it never had. The longest match wins.
_OWN_KEYS_OF_SINKS = "sinks, whose tables have the keys queue_kib and when_full"
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
    "outbox.sink": _OWN_KEYS_OF_SINKS,
    "queue.sink": _OWN_KEYS_OF_SINKS,
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


def check_renamed(content: Mapping[str, object], table: str = "") -> None:
    """Check that no old key and no old value is in ``content``.

    ``table`` is the dotted name of ``content``, empty for the whole configuration.

    Raises:
        WrongKey: there is one; the message names its replacement, as in ``key outbox.limit_kib is
            now queue.limit_kib``.
    """
    for name, value in content.items():
        key = f"{table}.{name}" if table else name
        if isinstance(value, Mapping):
            check_renamed(value, key)
        if key in RENAMED_KEYS:
            raise WrongKey(f"key {key} is now {RENAMED_KEYS[key]}")
        if isinstance(value, str) and (key, value) in RENAMED_VALUES:
            raise WrongKey(f'key {key}: "{value}" is now "{RENAMED_VALUES[key, value]}"')
