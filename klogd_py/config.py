"""What does the configuration say? TOML files to one frozen `Config`, or an error that names file, key and expectation.

The main file comes first, then every ``*.toml`` in the directory of the same name with ``.d`` behind, in the order of
their names; a later file's key wins. Every key has a default, so no file is needed at all.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
from msgspec import Struct

from klogd_py import loopback
from klogd_py.record import Severity
from klogd_py.settings import Config, Metrics, Outbox, SinkTerms

DEFAULT_PATH = Path("/etc/klogd-py.toml")
LEAST_KIB, MOST_KIB = 64, 1 << 20  # less holds not even one burst, more than a GiB is no queue but a mistake
LONGEST_PERIOD_S = 3600
LOG_LEVELS = ("error", "warning", "info", "debug")


class BadConfig(ValueError):
    """A file is not TOML, or a key in it is unknown or has a wrong value; the message names file, key and expectation."""


_PATH_IN_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<key>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_KEY = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_SINK = re.compile(r"console|file:.+|syslog(?::.+)?|journal(?::.+)?")


def files(path: Path) -> list[Path]:
    """The files that make up the configuration at ``path``, in the order in which they are read."""
    drop_ins = path.with_name(path.name + ".d")
    return [path, *sorted(drop_ins.glob("*.toml"))]


def load(path: Path, must_exist: bool = False) -> Config:
    """Read the configuration at ``path`` with its drop-ins.

    Raises:
        BadConfig: a file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    merged: dict[str, object] = {}
    for file in files(path):
        try:
            raw = file.read_bytes()
        except FileNotFoundError:
            if must_exist and file == path:
                raise BadConfig(f"{file}: no such file") from None
            continue
        except OSError as error:
            raise BadConfig(f"{file}: {error.strerror}") from error
        content = parse(raw, str(file))
        merged = _merge(merged, content)
    return convert(merged, str(path))


def parse(raw: bytes, name: str) -> dict[str, object]:
    """Read one file's text and check its keys and values; ``name`` is for the error. Raises BadConfig."""
    try:
        content = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{name}: not TOML: {error}") from error
    convert(content, name)
    return content


def convert(content: Mapping[str, object], name: str) -> Config:
    """Turn tables into a Config; raises BadConfig naming the key and what was expected."""
    try:
        config = msgspec.convert(content, Config)
    except msgspec.ValidationError as error:
        raise BadConfig(f"{name}: {_explain(str(error))}") from error
    problem = _problem(config)
    if problem:
        raise BadConfig(f"{name}: {problem}")
    return config


def check_sink(spec: str) -> str:
    """What is wrong with a sink's name, in words; empty if nothing is."""
    if _SINK.fullmatch(spec):
        return ""
    return f"expected console, file:PATH, syslog[:SOCKET] or journal[:SOCKET], got {spec!r}"


def _problem(config: Config) -> str:
    """What the types alone cannot say."""
    if not config.sinks:
        return "key sinks: expected at least one sink"
    for spec in config.sinks:
        wrong = check_sink(spec)
        if wrong:
            return f"key sinks: {wrong}"
    if not 0 <= config.console_level <= len(Severity):
        return f"key console_level: expected 0 (leave it alone) or 1 to 8, got {config.console_level}"
    if config.flood.repeats < 0:
        return f"key flood.repeats: expected 0 (no limit) or more, got {config.flood.repeats}"
    if not 1 <= config.flood.period_s <= LONGEST_PERIOD_S:
        return f"key flood.period_s: expected 1 to {LONGEST_PERIOD_S}, got {config.flood.period_s}"
    wrong = _wrong_outbox(config.outbox)
    if wrong:
        return wrong
    wrong = _wrong_metrics(config.metrics)
    if wrong:
        return wrong
    if not re.fullmatch(r"0?[0-7]{3}", config.file.mode):
        return f'key file.mode: expected an octal mode such as "0640", got {config.file.mode!r}'
    return ""


def _wrong_outbox(outbox: Outbox) -> str:
    limits = {"outbox.limit_kib": outbox.limit_kib}
    for spec, terms in outbox.sink.items():
        key = f'outbox.sink."{spec}"'
        if check_sink(spec):
            return f"key {key}: {check_sink(spec)}"
        if terms.limit_kib is not None:
            limits[f"{key}.limit_kib"] = terms.limit_kib
    for key, limit_kib in limits.items():
        if not LEAST_KIB <= limit_kib <= MOST_KIB:
            return f"key {key}: expected {LEAST_KIB} to {MOST_KIB}, got {limit_kib}"
    return ""


def _wrong_metrics(metrics: Metrics) -> str:
    if not 1 <= metrics.period_s <= LONGEST_PERIOD_S:
        return f"key metrics.period_s: expected 1 to {LONGEST_PERIOD_S}, got {metrics.period_s}"
    if metrics.textfile and not metrics.textfile.endswith(".prom"):
        return f"key metrics.textfile: expected a path that ends in .prom, got {metrics.textfile!r}"
    try:
        loopback.address_of(metrics.listen or loopback.EXAMPLE)
    except ValueError:
        return f"key metrics.listen: expected a loopback address such as {loopback.EXAMPLE} or unix:PATH, got {metrics.listen!r}"
    return ""


def _explain(message: str) -> str:
    found = _PATH_IN_MESSAGE.match(message)
    what, key = (found["what"], found["key"] or "") if found else (message, "")
    unknown = _UNKNOWN_KEY.match(what)
    if unknown:
        table = _table(key.split(".") if key else [])
        name = f"{key}.{unknown['field']}" if key else unknown["field"]
        return f"unknown key {name}; expected one of: {', '.join(table.__struct_fields__)}"
    if what.startswith("Invalid enum value"):
        *tables, last = key.split(".")
        allowed = ", ".join(map(repr, get_args(get_type_hints(type(_table(tables)))[last])))
        return f"key {key}: {what[:1].lower()}{what[1:]}; expected one of: {allowed}"
    what = re.sub(r"`([^`]*)`", lambda found: _TYPES.get(found[1], found[1]), what)
    return f"key {key}: {what[:1].lower()}{what[1:]}" if key else what


def _table(keys: list[str]) -> Struct:
    table: Struct = Config()
    for key in keys:
        table = SinkTerms() if key.endswith("[...]") else getattr(table, key)
    return table


_TYPES = {"str": "a string", "int": "a whole number", "bool": "true or false", "array": "a list", "object": "a table"}


def _merge(base: dict[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
