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
    yield from _comment(_with_limits(key))
    yield f"{assignment(key)}\n"


def _entry_lines(table: Table) -> Iterator[str]:
    """A table as a comment: its keys as a list, then its examples as they would be typed."""
    texts = [block for block in table.description.brief if not isinstance(block, Example)]
    yield from _comment(texts)
    for key in table.keys:
        text = " ".join(_plain(block) for block in _with_limits(key))
        yield from _wrap(f"{key.name}: {text}", "#   ", "#     ")
    for block in table.description.blocks:
        if isinstance(block, Example):
            yield "#\n"
            yield from (f"#{line}\n" for line in block.text.splitlines())


def _with_limits(key: Key) -> list[Block]:
    """Return the brief description with the limits of the value behind the first paragraph.

    ``How often the file is written: 1 to 3600 seconds.``
    """
    first, *more = key.description.brief
    limits = "" if key.kind == "String" else key.limits
    sentence = choices_sentence(key) or (limits and f"{limits[0].upper()}{limits[1:]}.")
    if not sentence or not isinstance(first, Paragraph):
        return [first, *more]
    if key.kind == "Number" and ". " not in first.text:
        return [Paragraph(f"{first.text.removesuffix('.')}: {limits}."), *more]
    if more:
        sentence = f"{sentence[:-1]}:"
    return [Paragraph(f"{first.text} {sentence}"), *more]


def _comment(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Paragraph):
            yield from _wrap(_plain(block), "# ", "# ")
        elif isinstance(block, Items):
            for item in block.items:
                yield from _wrap(_plain(Items((item,))), "#   ", "#     ")
        else:
            yield from (f"#     {line}".rstrip() + "\n" for line in block.text.splitlines())


def _plain(block: Block) -> str:
    """Return a block as one line without marks."""
    if isinstance(block, Example):
        return " ".join(block.text.split())
    if isinstance(block, Paragraph):
        text = block.text
    else:
        text = "; ".join(
            ", ".join(f'"{term}"' for term in item.terms) + f": {item.paragraphs[0]}"
            for item in block.items
        )
    return re.sub(r"``(.+?)``", r"\1", re.sub(r"\$([A-Z])", r"\1", text))


def _wrap(text: str, first: str, others: str) -> Iterator[str]:
    lines = textwrap.wrap(
        text,
        LINE_WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return (f"{line}\n" for line in lines)
