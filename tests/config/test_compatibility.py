# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration of the version before the keys were renamed keeps its meaning.

The expected values are those that the version before loaded from the same text.
"""

import msgspec

from klogd_py.config import loader
from klogd_py.config.renamed import RENAMED_KEYS
from klogd_py.config.reports_section import ReportsSection
from klogd_py.config.schema import Config

# Every key that was not renamed, with a value that is not its default
BEFORE = b"""
sinks = ["console", "file:/var/log/kern.log", "syslog", "journal:/run/x/journal"]
console_level = 4
user = "klogd"

[input]
source = "/proc/kmsg"

[translate]
style = "append"

[file]
mode = "0600"

[console]
colour = "never"
json = true

[watch]
files = false
modules = false

[status]
socket = "/run/status"
group = "adm"

[metrics]
textfile = "/var/lib/node/klogd.prom"
period_s = 60
listen = "unix:/run/metrics"

[log]
level = "debug"
"""
VALUES = {
    "sinks": ("console", "file:/var/log/kern.log", "syslog", "journal:/run/x/journal"),
    "console_level": 4,
    "user": "klogd",
    "input.source": "/proc/kmsg",
    "translate.style": "append",
    "file.mode": "0600",
    "console.colour": "never",
    "console.json": True,
    "watch.files": False,
    "watch.modules": False,
    "status.socket": "/run/status",
    "status.group": "adm",
    "metrics.textfile": "/var/lib/node/klogd.prom",
    "metrics.period_s": 60,
    "metrics.listen": "unix:/run/metrics",
    "log.level": "debug",
}
# The defaults of the renamed keys under their old names
OLD_DEFAULTS = {
    "names.map": "",
    "names.search": (
        "/boot/System.map-{release}",
        "/boot/System.map",
        "/System.map",
        "/usr/src/linux/System.map",
        "/usr/lib/debug/boot/System.map-{release}",
        "/lib/modules/{release}/System.map",
        "/usr/lib/modules/{release}/System.map",
        "/lib/modules/{release}/build/System.map",
        "/System.map-{release}",
        "/usr/src/linux/System.map-{release}",
        "/usr/lib/debug/boot/vmlinux-{release}",
        "/usr/lib/debug/lib/modules/{release}/vmlinux",
        "/boot/vmlinux-{release}",
        "/lib/modules/{release}/vmlinux",
        "/lib/modules/{release}/build/vmlinux",
    ),
    "names.kallsyms": "/proc/kallsyms",
    "names.modules": "/proc/modules",
    "names.module_files": "/lib/modules/{release}",
    # Was "keep"
    "translate.decoded": False,
    "translate.twice": False,
    "translate.join": True,
    "translate.paranoid": False,
    "file.form": "text",
    "state.position": "/var/lib/klogd-py/position.json",
    "flood.floor": "debug",
    "flood.repeats": 0,
    "flood.period_s": 10,
    "outbox.limit_kib": 8192,
    "outbox.when_full": "wait",
}
# Renamed as a whole: tables, and keys that are now those of each sink
TABLES = {"names", "flood", "outbox", "outbox.sink", "queue.sink"}


def flatten(config: Config) -> dict[str, object]:
    """The values of a configuration by their dotted keys."""
    flat: dict[str, object] = {}
    for name, value in msgspec.to_builtins(config).items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": below for key, below in value.items()}
        else:
            flat[name] = value
    return flat


def test_unrenamed_keys_load_to_the_same_values() -> None:
    loaded = flatten(loader.convert(loader.parse(BEFORE, "before"), "before"))
    assert {key: loaded[key] for key in VALUES} == VALUES
    defaults = flatten(Config())
    assert {key for key in loaded if loaded[key] != defaults[key]} == set(VALUES)


def test_renamed_keys_have_their_old_defaults() -> None:
    defaults = flatten(Config())
    assert set(OLD_DEFAULTS) == set(RENAMED_KEYS) - TABLES
    new_names = {old: RENAMED_KEYS[old].partition(",")[0] for old in OLD_DEFAULTS}
    assert {old: defaults[new] for old, new in new_names.items()} == OLD_DEFAULTS


def test_every_key_was_renamed_or_keeps_its_name() -> None:
    new_names = {RENAMED_KEYS[old].partition(",")[0] for old in OLD_DEFAULTS}
    newer = {
        "journal.mode",
        "text.kernel_stamp",
        "json.machine_id",
        "file.rotate_kib",
        "file.rotate_keep",
        *(f"reports.{key}" for key in ReportsSection.__struct_fields__),
    }
    assert set(flatten(Config())) == new_names | set(VALUES) | newer
