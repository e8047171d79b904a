# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the abbreviated names of months that strftime(3) prints for ``%b``, in many languages.

Source: Unicode CLDR and glibc's locales, without the dot that some of them end with.
"""

import contextlib

_NAMES = (
    # en, de, fr, es, it, pt, nl, pl, cs, sv, tr, fi, hu, ru, uk
    "jan jän janv ene gen sty led oca tammi янв січ",
    "feb febr fév févr lut úno şub helmi фев лют",
    "mar mär mars mrt már bře maalis мар бер",
    "apr avr abr kwi dub ápr nis huhti апр кві",
    "may mai mag mei maj máj kvě touko май мая тра",
    "jun juin giu cze čer jún haz kesä июн чер",
    "jul juil lug lip čvc júl tem heinä июл лип",
    "aug août ago sie srp ağu elo авг сер",
    "sep sept set wrz zář szept eyl syys сен сент вер",
    "oct okt ott out paź říj eki loka окт жов",
    "nov lis kas marras ноя лис",
    "dec déc dic dez gru pro ara joulu дек гру",
)
_NUMBERS = {name: number for number, names in enumerate(_NAMES, 1) for name in names.split()}


def month_number(word: str) -> int | None:
    """Return 1 to 12 for ``Nov``, ``nov.``, ``févr.``, ``11月``; ``None`` for an unknown word.

    The bytes of the word may have been decoded as Latin-1.
    """
    with contextlib.suppress(UnicodeError):
        word = word.encode("latin-1").decode()
    name = word.rstrip(".").casefold()
    if name in _NUMBERS:
        return _NUMBERS[name]
    digits = name.removesuffix("月").removesuffix("월")
    return int(digits) if digits.isdecimal() and 1 <= int(digits) <= 12 else None
