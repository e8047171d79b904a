# SPDX-License-Identifier: GPL-2.0-or-later
import bz2
import gzip
import io
import lzma
import random
from collections.abc import Callable

import pytest

from klogd_py.system.nested_unpacking import NestedUnpacker, unpack_pieces
from klogd_py.system.unpacking import UnpackingFailed, packed_form

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
TEXT = b"[    1.000000] eth0: up\n" * 40
SIZES = (1, 3, 9, 1 << 18)


def unpack(packed: bytes, size: int) -> bytes:
    """The content of what is fed so many bytes at a time."""
    form = packed_form(packed)
    assert form is not None
    unpacker, pieces = NestedUnpacker(form), []
    for at in [*range(0, len(packed), size), len(packed)]:
        unpacker.feed(packed[at : at + size])
        while piece := unpacker.take():
            pieces.append(piece)
    unpacker.finish()
    return b"".join(pieces)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("outer", PACKERS)
@pytest.mark.parametrize("form", PACKERS)
def test_inner_form_is_known_from_small_pieces(form: str, outer: str, size: int) -> None:
    assert unpack(PACKERS[outer](PACKERS[form](TEXT)), size) == TEXT


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("text", [b"", b"a", b"<4>[ 1.0]", b"BZh9", b"[    1.000000] a\n"])
def test_short_content_is_given_at_its_end(text: bytes, layers: int, size: int) -> None:
    packed = text
    for _ in range(layers):
        packed = gzip.compress(packed)
    assert unpack(packed, size) == text
    assert b"".join(unpack_pieces(io.BytesIO(packed).read, "gzip")) == text


@pytest.mark.parametrize("layers", [1, 2])
def test_damage_comes_after_what_is_before_it(layers: int) -> None:
    packed = gzip.compress(b"short") + b"something else that is no member"
    if layers == 2:
        packed = gzip.compress(packed)
    pieces = unpack_pieces(io.BytesIO(packed).read, "gzip")
    assert next(pieces) == b"short"
    with pytest.raises(UnpackingFailed, match="follows something else"):
        next(pieces)


def test_cut_layer_gives_all_that_it_has() -> None:
    noise = random.Random(1).randbytes(50_000).hex().encode()
    packed = gzip.compress(gzip.compress(noise))[:-2000]
    pieces: list[bytes] = []
    with pytest.raises(UnpackingFailed, match="ends too early"):
        pieces.extend(unpack_pieces(io.BytesIO(packed).read, "gzip"))
    found = b"".join(pieces)
    assert noise.startswith(found)
    assert len(found) > 80_000
