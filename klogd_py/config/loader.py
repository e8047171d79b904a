# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the configuration files into one frozen `Config`.

The main file is read first, then every ``*.toml`` of the drop-in directory, whose name is that of
the main file with ``.d`` appended, in the order of the names. A key in a later file replaces the
same key of an earlier one. Hidden files are ignored. Every key has a default, so no file is needed.

Files are read within limits of size and time. A file of another kind, such as a FIFO, and any wrong
content raise BadConfig; no other exception leaves this module.
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec
from msgspec import Struct

from klogd_py.config import toml_text
from klogd_py.config.errors import BadConfig, NotToml, WrongKey
from klogd_py.config.output_sections import SinkTable
from klogd_py.config.renamed import check_renamed
from klogd_py.config.schema import Config
from klogd_py.config.sink_merge import is_complete, merge_sinks
from klogd_py.config.validation import check_conflicts, check_value
from klogd_py.system.file_identity import FileIdentity, identify
from klogd_py.system.regular_file import NotRegularFile, read_regular

DEFAULT_PATH = Path("/etc/klogd-py.toml")
LOG_LEVELS = ("error", "warning", "info", "debug")
MAX_DROP_INS = 64
# The limit for all files together: records wait while they are read
MAX_TOTAL_BYTES = 4 * toml_text.MAX_FILE_BYTES
# The limit for the drop-in directory, whatever its entries are
MAX_DIRECTORY_ENTRIES = 4096
READ_LIMIT_S = 2.0
_FORMS_OF_SINKS = (rb"sinks[ \t]*=", rb"\[\[[ \t]*sinks[ \t]*\]\]")
_TWO_LISTS = "; a file has either sinks = [...] or [[sinks]]"


class FileVersion(Struct, frozen=True):
    """What stat(2) says of one state of a file; a change of its content changes this."""

    file: FileIdentity
    size_bytes: int
    modified_ns: int


class FilesVersion(Struct, frozen=True):
    """The state of all files; ``None`` stands for one that does not exist.

    If the files cannot be listed, ``error`` is the message about it and ``versions`` is empty.
    """

    versions: dict[Path, FileVersion | None]
    error: str | None = None


def list_files(path: Path) -> list[Path]:
    """Return the configuration files at ``path`` in the order of reading.

    The main file is always the first, whether it exists or not.

    Raises:
        BadConfig: the drop-in directory cannot be read, is something else, or has too many entries.
    """
    drop_ins = Path(f"{path}.d")
    try:
        with os.scandir(drop_ins) as entries:
            found = [entry.name for entry in islice(entries, MAX_DIRECTORY_ENTRIES + 1)]
    except FileNotFoundError as error:
        if drop_ins.is_symlink():
            raise BadConfig(f"{drop_ins}: a symbolic link that leads nowhere") from error
        return [path]
    except NotADirectoryError as error:
        raise BadConfig(f"{drop_ins}: expected a directory of drop-ins") from error
    except OSError as error:
        raise BadConfig(f"{drop_ins}: {error.strerror}") from error
    # The path contains a NUL byte.
    except ValueError as error:
        raise BadConfig(f"{drop_ins}: {error}") from error
    if len(found) > MAX_DIRECTORY_ENTRIES:
        raise BadConfig(f"{drop_ins}: more than {MAX_DIRECTORY_ENTRIES} files")
    names = [name for name in found if name.endswith(".toml") and not name.startswith(".")]
    if len(names) > MAX_DROP_INS:
        raise BadConfig(f"{drop_ins}: more than {MAX_DROP_INS} drop-ins")
    for name in names:
        if not name.isprintable():
            raise BadConfig(f"{drop_ins / name}: expected a name of printable characters in UTF-8")
    return [path, *(drop_ins / name for name in sorted(names))]


def read_version(path: Path) -> FilesVersion | None:
    """Return a value that changes whenever one of the files at ``path`` changes.

    ``None`` means that this process may not see the files: a daemon that dropped its privileges
    cannot tell whether they changed.
    """
    try:
        return FilesVersion({file: _read_file_version(file) for file in list_files(path)})
    except BadConfig as error:
        if isinstance(error.__cause__, PermissionError):
            return None
        return FilesVersion({}, str(error))
    except OSError:
        return None


def load(path: Path, must_exist: bool = False) -> Config:
    """Read the configuration at ``path`` with its drop-ins.

    A missing main file counts as empty unless ``must_exist`` is true.

    Raises:
        BadConfig: a file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    merged: dict[str, object] = {}
    total_bytes = 0
    for file in list_files(path):
        raw = _read(file, must_exist and file == path)
        total_bytes += len(raw)
        if total_bytes > MAX_TOTAL_BYTES:
            limit_kib = MAX_TOTAL_BYTES >> 10
            raise BadConfig(
                f"{file}: with the files before it larger than {limit_kib} KiB, which is the limit"
            )
        content = parse(raw, str(file))
        sinks = _sinks_of(content)
        if sinks:
            before = () if file == path else _sinks_of(merged) or Config().sinks
            content["sinks"] = _merge_sinks(before, sinks, str(file))
        merged = _merge(merged, content)
        if any(isinstance(sink, SinkTable) for sink in sinks):
            # A later file would otherwise be blamed for this one.
            convert(merged, str(file))
    return convert(merged, str(path))


def parse(raw: bytes, name: str) -> dict[str, object]:
    """Parse the text of one file and check its keys and values.

    Returns the tables as they are in the file, without defaults. ``name`` is for messages.

    Raises:
        BadConfig: the text is not TOML, or holds an unknown key or a wrong value.
    """
    try:
        content = toml_text.parse(raw)
    except NotToml as error:
        hint = _TWO_LISTS if _has_two_lists(raw) else ""
        raise BadConfig(f"{name}: not TOML: {error}{hint}") from error
    try:
        check_renamed(content)
        check_value(content, Config, "")
    except WrongKey as error:
        raise BadConfig(f"{name}: {error}") from error
    # Tables may change sinks of earlier files: `load` checks them together with these.
    has_part = not is_complete(_sinks_of(content))
    convert({key: content[key] for key in content if key != "sinks" or not has_part}, name)
    return content


def convert(content: Mapping[str, object], name: str) -> Config:
    """Build a Config from tables; ``name`` is for messages.

    Raises:
        BadConfig: a key is unknown, was renamed, has a wrong value, or conflicts with another one.
    """
    try:
        check_renamed(content)
        check_value(content, Config, "")
        config = msgspec.convert(content, Config)
        check_conflicts(config)
    except (WrongKey, msgspec.ValidationError) as error:
        raise BadConfig(f"{name}: {error}") from error
    return config


def _has_two_lists(raw: bytes) -> bool:
    """Whether a text has ``sinks = [...]`` as well as ``[[sinks]]``, which TOML does not allow."""
    return all(re.search(rb"^[ \t]*" + form, raw, re.MULTILINE) for form in _FORMS_OF_SINKS)


def _sinks_of(content: Mapping[str, object]) -> tuple[str | SinkTable, ...]:
    """Return the list of sinks of a file; empty if the file has none."""
    return msgspec.convert(content.get("sinks", ()), tuple[str | SinkTable, ...])


def _merge_sinks(
    before: Sequence[str | SinkTable], added: Sequence[str | SinkTable], name: str
) -> object:
    """Return the sinks ``before`` with those of a later file as TOML has them; raises BadConfig."""
    try:
        merged = merge_sinks(() if is_complete(added) else before, added)
    except WrongKey as error:
        raise BadConfig(f"{name}: {error}") from error
    return msgspec.to_builtins(merged)


def _read(file: Path, must_exist: bool) -> bytes:
    """Return the content of a file; empty if it does not exist or is /dev/null.

    Raises:
        BadConfig: the file cannot be read, is not a regular file, or must exist and does not.
    """
    try:
        return read_regular(file, toml_text.MAX_FILE_BYTES, limit_s=READ_LIMIT_S)
    except FileNotFoundError as error:
        if os.path.islink(file):
            raise BadConfig(f"{file}: a symbolic link that leads nowhere") from error
        if must_exist:
            raise BadConfig(f"{file}: no such file") from error
        # A drop-in may have been removed since the directory was read.
        return b""
    except NotRegularFile as error:
        if _is_dev_null(file):
            return b""
        raise BadConfig(f"{file}: {error.strerror}") from error
    except OSError as error:
        raise BadConfig(f"{file}: {error.strerror}") from error


def _read_file_version(file: Path) -> FileVersion | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    # The time of a device or a FIFO changes whenever somebody writes to it.
    if not stat.S_ISREG(found.st_mode):
        return FileVersion(identify(found), 0, 0)
    return FileVersion(identify(found), found.st_size, found.st_mtime_ns)


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
