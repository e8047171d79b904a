# SPDX-License-Identifier: GPL-2.0-or-later
"""Show where a public report has less than the kernel printed."""

from collections.abc import Iterable

LEFT_OUT = "..."


def joined(words: Iterable[str]) -> str:
    """Return the words, `LEFT_OUT` in the place of each run of empty ones."""
    kept: list[str] = []
    for word in words:
        if word not in ("", LEFT_OUT) or kept[-1:] != [LEFT_OUT]:
            kept.append(word or LEFT_OUT)
    return " ".join(kept)
