# SPDX-License-Identifier: GPL-2.0-or-later
"""Make readable the names of functions that are not written in C.

Rust's are demangled by the library rust-demangler, and stay as they are where it is not installed;
of C++'s, which out-of-tree modules have, the names are cut out: ``_ZN3nic4pollEv`` ->
``nic::poll``.

Source of truth: Rust RFC 2603 (``_R``); the Itanium C++ ABI, section 5.1 (``_Z``).
"""

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module

from klogd_py.record.lazy_pattern import lazy_pattern
from klogd_py.reports.anatomy.function_names import function_name

_MAX_CHARS = 512
_MAX_KNOWN = 1024
# "B" refers to an earlier part of the name, which may refer to others: each doubles the result.
_MAX_REFERENCES = 16
_LENGTH = lazy_pattern(r"\d{1,3}")
# "h" and 16 digits, which rustc puts behind each of its names in the old form
_HASH = lazy_pattern(r"::h[0-9a-f]{16}$")
_OLD_RUST = lazy_pattern(r"_ZN.{3,500}17h[0-9a-f]{16}E")


def readable_name(name: str) -> str:
    """Return the name by which people know a function, whatever copy of it ran."""
    return demangle(name) if name.startswith(("_R", "_Z")) else function_name(name)


@lru_cache(_MAX_KNOWN)
def demangle(name: str) -> str:
    """Return the readable name of a function; a name that is not mangled unchanged."""
    if not name.startswith(("_R", "_Z")) or len(name) > _MAX_CHARS:
        return name
    plain = name.partition(".")[0]
    if plain.startswith("_R") or _OLD_RUST.match(plain):
        return _rust(plain) or name
    return _cpp(plain) or name


@cache
def _library() -> Callable[[str], object]:
    """Return the function of the library; raises ImportError without it."""
    # It prints what it does not understand; the output of the program is not its own.
    vars(import_module("rust_demangler.rust_v0"))["print"] = _say_nothing
    found: Callable[[str], object] = import_module("rust_demangler").demangle
    return found


def _say_nothing(*_texts: object) -> None:
    """Do what print() does, without output."""


def _rust(name: str) -> str:
    """Return the readable name; empty without the library, and for what it does not understand."""
    if name.count("B") > _MAX_REFERENCES:
        return ""
    # The library raises whatever its indices or its recursion run into.
    try:
        readable = str(_library()(name))
    except Exception:
        return ""
    return _HASH.sub("", readable)


def _cpp(name: str) -> str:
    """Return the names of a nested or a plain name, without what its arguments are."""
    at = len("_ZN") if name.startswith("_ZN") else len("_Z")
    parts: list[str] = []
    while at < len(name):
        found = _LENGTH.match(name, at)
        if found is None:
            if name[at] in "KVrO" and not parts:
                at += 1
                continue
            break
        end = found.end() + int(found[0])
        if end > len(name):
            return ""
        parts.append(name[found.end() : end])
        at = end
        if not name.startswith("_ZN"):
            break
    return "::".join(parts)
