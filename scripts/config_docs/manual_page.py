# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the section KEYS of the manual page: every key with its type, default and description."""

from collections.abc import Iterator, Sequence

from scripts.config_docs import mdoc_text
from scripts.config_docs.description import Block, Items, Paragraph
from scripts.config_docs.reference import Key, Table
from scripts.config_docs.values import assignment, choices_sentence


def render(tables: Sequence[Table]) -> str:
    """Return the tables as mdoc: a subsection for each, an item for each key."""
    return "".join(f"{line}\n" for table in tables for line in _table_lines(table))


def _table_lines(table: Table) -> Iterator[str]:
    if table.heading:
        yield f".Ss {_quoted(table.heading)}"
        yield from _block_lines(table.description.blocks)
    yield ".Bl -tag -width Ds"
    for key in table.keys:
        yield from _key_lines(key)
    yield ".El"


def _key_lines(key: Key) -> Iterator[str]:
    # A key without a default, or with one of several lines, which are shown below
    rows = [] if key.default is None else assignment(key).splitlines()
    yield f".It Li {_quoted(rows[0]) if len(rows) == 1 else key.name}"
    yield from mdoc_text.sentences(_type_sentence(key))
    yield from _block_lines(key.description.blocks)
    if len(rows) > 1:
        yield from (".Bd -literal", *map(mdoc_text.literal, rows), ".Ed")


def _type_sentence(key: Key) -> str:
    if not key.kind:
        return choices_sentence(key)
    return f"{key.kind}: {key.limits}." if key.limits else f"{key.kind}."


def _block_lines(blocks: Sequence[Block]) -> Iterator[str]:
    """The second paragraph continues the first; a later one, or one behind a list, is set apart."""
    for index, block in enumerate(blocks):
        if isinstance(block, Paragraph):
            if index > 1 or not all(isinstance(before, Paragraph) for before in blocks[:index]):
                yield ".Pp"
            yield from mdoc_text.sentences(block.text)
        elif isinstance(block, Items):
            yield from _item_lines(block)
        else:
            yield ".Bd -literal -offset indent"
            yield from map(mdoc_text.literal, block.text.splitlines())
            yield ".Ed"


def _item_lines(block: Items) -> Iterator[str]:
    yield ".Bl -tag -width Ds -compact"
    for item in block.items:
        terms = [f"Qq Cm {mdoc_text.argument(term)}" for term in item.terms]
        yield f".It {' , '.join(terms)}"
        for paragraph in item.paragraphs:
            yield from mdoc_text.sentences(paragraph)
    yield ".El"


def _quoted(text: str) -> str:
    return text.replace('"', r"\(dq")
