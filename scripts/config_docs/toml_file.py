# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the configuration file with every key, its default and a short description."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from scripts.config_docs.description import Block, Example, Items, Paragraph
from scripts.config_docs.reference import Key, Table
from scripts.config_docs.values import LINE_WIDTH, assignment, choices_sentence


def render(tables: Sequence[Table]) -> str:
    """Return the tables as TOML. Tables that do not exist by default are comments."""
    return "\n".join(_render_table(table) for table in tables)


def _render_table(table: Table) -> str:
    if table.is_entry:
        return "".join(_entry_lines(table))
    keys = "\n".join("".join(_key_lines(key)) for key in table.keys)
    if not table.heading:
        return keys
    return "".join(_comment(table.description.brief)) + f"{table.heading}\n{keys}"


def _key_lines(key: Key) -> Iterator[str]:
    yield from _wrap(_summary(key), "# ", "# ")
    yield from _comment(key.description.brief[1:])
    yield f"{assignment(key)}\n"


def _entry_lines(table: Table) -> Iterator[str]:
    """A table as a comment: its keys as a list, then its examples as they would be typed."""
    texts = [block for block in table.description.brief if not isinstance(block, Example)]
    yield from _comment(texts)
    for key in table.keys:
        yield from _wrap(f"{key.name}: {_summary(key)}", "#   ", "#     ")
        yield from _comment(key.description.brief[1:], "    ")
    for block in table.description.blocks:
        if isinstance(block, Example):
            yield "#\n"
            yield from (f"#{line}\n" for line in block.text.splitlines())


def _summary(key: Key) -> str:
    """Return the first paragraph of a key with the limits of its value behind it.

    ``How often the file is written: 1 to 3600 seconds.``
    """
    first, *more = key.description.brief
    assert isinstance(first, Paragraph)
    limits = "" if key.kind == "String" else key.limits
    sentence = choices_sentence(key) or (limits and f"{limits[0].upper()}{limits[1:]}.")
    if not sentence:
        return first.text
    if key.kind == "Number" and ". " not in first.text:
        return f"{first.text.removesuffix('.')}: {limits}."
    return f"{first.text} {sentence[:-1]}:" if more else f"{first.text} {sentence}"


def _comment(blocks: Sequence[Block], indent: str = "") -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Paragraph):
            yield from _wrap(block.text, f"# {indent}", f"# {indent}")
        elif isinstance(block, Items):
            for item in block.items:
                terms = ", ".join(f'"{term}"' for term in item.terms)
                text = f"{terms}: {item.paragraphs[0]}"
                yield from _wrap(text, f"#   {indent}", f"#     {indent}")
        else:
            rows = block.text.splitlines()
            yield from (f"#     {indent}{row}".rstrip() + "\n" for row in rows)


def _wrap(text: str, first: str, others: str) -> Iterator[str]:
    lines = textwrap.wrap(
        _without_marks(text),
        LINE_WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return (f"{line}\n" for line in lines)


def _without_marks(text: str) -> str:
    return re.sub(r"``(.+?)``", r"\1", re.sub(r"\$([A-Z])", r"\1", text))
