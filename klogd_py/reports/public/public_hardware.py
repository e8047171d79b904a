# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep of the name of a machine its model and BIOS.

``VENDOR PRODUCT/BOARD, BIOS VERSION DATE``, or the model of a device tree: ``Khadas VIM3 (DT)``.
Whoever installs a machine may write other things there: names, and the number of the machine.

Source of truth: drivers/firmware/dmi_scan.c ``dmi_format_ids``.
"""

import re
from collections.abc import Collection

from klogd_py.reports.public.left_out import LEFT_OUT, joined

_BIOS = ", BIOS "
_BIOS_FORM = re.compile(r"(?P<version>.{1,100}?) {0,4}(?P<date>\d\d/\d\d/(?:\d\d){1,2})", re.ASCII)
_LABEL = re.compile(r"(?:serial|asset|uuid|s/n)\S{0,40}|(?:sn|tag)[:=#]?\S{0,40}", re.IGNORECASE)
_HOST = re.compile(r"\S*@\S*|(?:[\w-]{1,63}\.){1,9}[A-Za-z]{2,63}", re.ASCII)
_ADDRESS = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|(?:[0-9a-fA-F]{2}[:-]){3}|::"
_NUMBER = re.compile(rf"{_ADDRESS}|[0-9a-fA-F]{{8}}", re.ASCII)
# Versions have dates in them.
_NUMBER_OF_VERSION = re.compile(
    rf"{_ADDRESS}|[0-9a-fA-F]{{12}}|[0-9a-fA-F]{{8}}-[0-9a-fA-F]{{4}}-", re.ASCII
)
_LONG_DIGITS = re.compile(r"\d{6}")
_CAPITALS = re.compile(r"[A-Z0-9]{8,64}")
_DIGITS = re.compile(r"\d{1,64}")
_SEPARATOR = re.compile(r"[,()_:-]")
# "POWER9 (raw) 0x4e0202 0xf000005"
_PROCESSOR = re.compile(r"0x[0-9a-f]{5,8}")
_PUNCTUATION = "!,.:;()'\"<>"


def public_hardware(name: str, here: Collection[str] = ()) -> str:
    """Return the model of a machine, with `LEFT_OUT` for what may tell which one it is.

    ``here`` are names of this machine in lower case.
    """
    model, bios, version = name.rpartition(_BIOS)
    if not bios:
        model, version = name, ""
        if model.endswith(_BIOS.rstrip()):
            model, bios = model.removesuffix(_BIOS.rstrip()), _BIOS
    shown = joined(_public_parts(model.split(), here))
    return f"{shown}{bios}{_public_bios(version, here)}" if bios else shown


def _public_parts(words: Collection[str], here: Collection[str]) -> list[str]:
    parts: list[str] = []
    for word in words:
        # What follows is the number.
        if _LABEL.fullmatch(word.strip(_PUNCTUATION)):
            return [*parts, ""]
        pieces = [LEFT_OUT if _is_private(piece, here) else piece for piece in word.split("/")]
        shown = "/".join(pieces)
        parts.append("" if set(pieces) == {LEFT_OUT} else shown)
    return parts


def _public_bios(version: str, here: Collection[str]) -> str:
    found = _BIOS_FORM.fullmatch(version.strip())
    if found is None:
        return LEFT_OUT
    words = (
        "" if _is_name(word, here) or _NUMBER_OF_VERSION.search(word) else word
        for word in found["version"].split()
    )
    return f"{joined(words)} {found['date']}"


def _is_private(piece: str, here: Collection[str]) -> bool:
    if _PROCESSOR.fullmatch(piece):
        return False
    return (
        _is_name(piece, here)
        or _NUMBER.search(piece) is not None
        or any(map(_is_serial, _SEPARATOR.split(piece)))
    )


def _is_name(word: str, here: Collection[str]) -> bool:
    bare = word.strip(_PUNCTUATION)
    return bare.lower() in here or _HOST.fullmatch(bare) is not None


def _is_serial(piece: str) -> bool:
    """Whether it is long, with digits in several places: ``C02XKJGH5``, not ``LX2160ARDB``."""
    if _LONG_DIGITS.search(piece):
        return True
    groups = _DIGITS.findall(piece) if _CAPITALS.fullmatch(piece) else ()
    return len(groups) > 1 and sum(map(len, groups)) > 2
