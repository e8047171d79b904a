# SPDX-License-Identifier: GPL-2.0-or-later
r"""Parse the docstring of a key or a table into blocks.

Blocks are separated by empty lines. A block is a paragraph, a list of items, or an example; the
first is a paragraph::

    What to do with records that do not fit:

    * "wait": Leave them in the ring buffer.

      This second paragraph of the item stands only in the manual page.
    * "drop": Drop them.

    For one sink::

        [[sinks]]
        name = "syslog"
        when_full = "drop"

Marks inside a text: two backticks for literal text, one backtick for a key or a command, double
quotes for a value, $NAME for a variable of the environment. Paths, options (``--config``), pages
such as syslog(2) and names of files in .conf need no mark. A paragraph that begins with
``Size:`` is for readers of the source, and left out.
"""

import re
from inspect import cleandoc
from textwrap import dedent

from msgspec import Struct

_FOR_DEVELOPERS = "Size: "
_ITEM = re.compile(r'\* ((?:"[^"]+"(?:, )?)+): (.*)', re.DOTALL)


class Paragraph(Struct, frozen=True):
    """Text in one line."""

    text: str


class Item(Struct, frozen=True):
    """What one value means, or several that mean the same."""

    terms: tuple[str, ...]
    paragraphs: tuple[str, ...]


class Items(Struct, frozen=True):
    """A list of values."""

    items: tuple[Item, ...]


class Example(Struct, frozen=True):
    """Lines of a configuration file."""

    text: str


Block = Paragraph | Items | Example


class Description(Struct, frozen=True):
    """The blocks of one docstring."""

    blocks: tuple[Block, ...]

    @property
    def brief(self) -> tuple[Block, ...]:
        """The blocks that stand in the configuration file: those up to the second paragraph.

        An item has only its first paragraph there.
        """
        shown: list[Block] = []
        for block in self.blocks:
            if isinstance(block, Paragraph) and shown:
                break
            if isinstance(block, Items):
                shortened = (Item(item.terms, item.paragraphs[:1]) for item in block.items)
                shown.append(Items(tuple(shortened)))
            else:
                shown.append(block)
        return tuple(shown)

    @property
    def terms(self) -> list[str]:
        """The terms of all items."""
        return [
            term
            for block in self.blocks
            if isinstance(block, Items)
            for item in block.items
            for term in item.terms
        ]


def parse(docstring: str) -> Description:
    """Parse a docstring as it stands in the source.

    Raises:
        ValueError: the docstring is empty, begins with a list, or has a line that is indented for
            no reason.
    """
    blocks: list[Block] = []
    for raw in _split(cleandoc(docstring)):
        previous = blocks[-1] if blocks else None
        if raw.startswith("* "):
            item = _parse_item(raw)
            if isinstance(previous, Items):
                blocks[-1] = Items((*previous.items, item))
            else:
                blocks.append(Items((item,)))
        elif not raw.startswith(" "):
            blocks.append(Paragraph(" ".join(raw.split())))
        elif isinstance(previous, Items):
            *before, last = previous.items
            more = Item(last.terms, (*last.paragraphs, " ".join(raw.split())))
            blocks[-1] = Items((*before, more))
        elif isinstance(previous, Paragraph) and previous.text.endswith("::"):
            blocks[-1] = Paragraph(previous.text[:-1])
            blocks.append(Example(dedent(raw)))
        elif isinstance(previous, Example):
            blocks[-1] = Example(f"{previous.text}\n\n{dedent(raw)}")
        else:
            raise ValueError(f"an indented block behind no item and no double colon: {raw!r}")
    if not blocks:
        raise ValueError("an empty description")
    if not isinstance(blocks[0], Paragraph):
        raise ValueError("a description that does not begin with a paragraph")
    return Description(tuple(blocks))


def _split(text: str) -> list[str]:
    """Return the paragraphs of a text; each item of a list is one of its own."""
    parts = re.split(r"\n\n+|\n(?=\* )", text)
    return [raw for raw in parts if raw.strip() and not raw.startswith(_FOR_DEVELOPERS)]


def _parse_item(raw: str) -> Item:
    match = _ITEM.fullmatch(raw)
    if not match:
        raise ValueError(f'expected an item such as * "value": text, got {raw!r}')
    return Item(tuple(re.findall(r'"([^"]+)"', match[1])), (" ".join(match[2].split()),))
