# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the files of the configuration into one frozen `Config`, or says what is wrong with them.

The main file comes first, then every ``*.toml`` in the directory of the same name with ``.d``
behind, in the order of their names; a later file's key wins. Hidden files there are passed over.
Every key has a default, so no file is needed at all.

Whatever stands in the place of a file, and whatever is in it, is read within limits or refused;
BadConfig is the only exception.
"""

import os
import stat
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import msgspec

from klogd_py.config import toml_text
from klogd_py.config.renamed import find_renamed
from klogd_py.config.schema import Config
from klogd_py.config.toml_text import NotToml
from klogd_py.config.validation import clash, misfit
from klogd_py.system.regular_file import NotRegularFile, read_regular

DEFAULT_PATH = Path("/etc/klogd-py.toml")
LOG_LEVELS = ("error", "warning", "info", "debug")
MAX_DROP_INS = 64
# Of all files together: they are read while records wait
MAX_BYTES = 4 * toml_text.LIMIT_BYTES
# In the directory of the drop-ins, whatever their names
MAX_NAMES = 4096
READ_LIMIT_S = 2.0


class BadConfig(ValueError):
    """A file is not TOML, or a key in it is unknown or has a wrong value.

    The message names file, key and expectation. It is one line of printable characters, whatever
    the file holds.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


def files(path: Path) -> list[Path]:
    """The files of the configuration at ``path``, in the order of reading; raises BadConfig."""
    drop_ins = Path(f"{path}.d")
    try:
        with os.scandir(drop_ins) as entries:
            found = [entry.name for entry in islice(entries, MAX_NAMES + 1)]
    except FileNotFoundError as error:
        if drop_ins.is_symlink():
            raise BadConfig(f"{drop_ins}: a symbolic link that leads nowhere") from error
        return [path]
    except NotADirectoryError as error:
        raise BadConfig(f"{drop_ins}: expected a directory of drop-ins") from error
    except OSError as error:
        raise BadConfig(f"{drop_ins}: {error.strerror}") from error
    # A NUL byte in the path
    except ValueError as error:
        raise BadConfig(f"{drop_ins}: {error}") from error
    if len(found) > MAX_NAMES:
        raise BadConfig(f"{drop_ins}: more than {MAX_NAMES} files")
    names = [name for name in found if name.endswith(".toml") and not name.startswith(".")]
    if len(names) > MAX_DROP_INS:
        raise BadConfig(f"{drop_ins}: more than {MAX_DROP_INS} drop-ins")
    for name in names:
        if not name.isprintable():
            raise BadConfig(f"{drop_ins / name}: expected a name of printable characters in UTF-8")
    return [path, *(drop_ins / name for name in sorted(names))]


def standing(path: Path) -> tuple[object, ...]:
    """What changes whenever one of the files at ``path`` does: names, sizes, times.

    Empty where this process may not see it, which it may have done as another user.
    """
    try:
        return tuple((file, _identity(file)) for file in files(path))
    except BadConfig as error:
        return () if isinstance(error.__cause__, PermissionError) else (str(error),)
    except OSError:
        return ()


def load(path: Path, must_exist: bool = False) -> Config:
    """Read the configuration at ``path`` with its drop-ins.

    Raises:
        BadConfig: a file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    merged: dict[str, object] = {}
    total_bytes = 0
    for file in files(path):
        raw = _read(file, must_exist and file == path)
        total_bytes += len(raw)
        if total_bytes > MAX_BYTES:
            limit_kib = MAX_BYTES >> 10
            raise BadConfig(
                f"{file}: with the files before it larger than {limit_kib} KiB, which is the limit"
            )
        merged = _merge(merged, parse(raw, str(file)))
    return convert(merged, str(path))


def parse(raw: bytes, name: str) -> dict[str, object]:
    """Read one file's text and check its keys and values; ``name`` is for the error.

    Raises BadConfig.
    """
    try:
        content = toml_text.parse(raw)
    except NotToml as error:
        raise BadConfig(f"{name}: not TOML: {error}") from error
    convert(content, name)
    return content


def convert(content: Mapping[str, object], name: str) -> Config:
    """Turn tables into a Config; raises BadConfig naming the key and what was expected."""
    wrong = find_renamed(content) or misfit(content, Config, "")
    if wrong:
        raise BadConfig(f"{name}: {wrong}")
    try:
        config = msgspec.convert(content, Config)
    except msgspec.ValidationError as error:
        raise BadConfig(f"{name}: {error}") from error
    wrong = clash(config)
    if wrong:
        raise BadConfig(f"{name}: {wrong}")
    return config


def _read(file: Path, must_exist: bool) -> bytes:
    """What a file holds; nothing if it is not there, or is /dev/null. Raises BadConfig."""
    try:
        return read_regular(file, toml_text.LIMIT_BYTES, limit_s=READ_LIMIT_S)
    except FileNotFoundError as error:
        if os.path.islink(file):
            raise BadConfig(f"{file}: a symbolic link that leads nowhere") from error
        if must_exist:
            raise BadConfig(f"{file}: no such file") from error
        # A drop-in may have gone since the directory was read
        return b""
    except NotRegularFile as error:
        if _is_dev_null(file):
            return b""
        raise BadConfig(f"{file}: {error.strerror}") from error
    except OSError as error:
        raise BadConfig(f"{file}: {error.strerror}") from error


def _identity(file: Path) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _is_dev_null(file: Path) -> bool:
    try:
        found = os.stat(file)
    except OSError:
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)


def _merge(base: dict[str, object], over: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged
