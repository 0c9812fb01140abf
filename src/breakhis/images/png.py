"""PNG containers: what is inside, and whether all of it arrived, before a decoder touches it."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES: Final = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_PICTURE: Final = frozenset({b"IHDR", b"IDAT", b"IEND"})
_OTHER_KINDS: Final = {b"tRNS": "a PNG (RGB with a transparent colour)", b"acTL": "an animated PNG"}


class PngProblemError(ValueError):
    """Why a PNG is refused; the message completes the sentence "found ...".

    Args:
        found: What the file is.
        damaged: Whether it is broken, rather than another kind of image.
    """

    def __init__(self, found: str, *, damaged: bool = False) -> None:
        super().__init__(found)
        self.damaged = damaged


def png_size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of an 8-bit RGB PNG, from its header alone.

    Raises:
        PngProblemError: The header is cut, or the image is not 8-bit RGB.
    """
    if len(content) < 33:
        raise PngProblemError("a truncated PNG", damaged=True)
    width, height, depth, colour_type = struct.unpack_from(">IIBB", content, 16)
    if (depth, colour_type) != (8, 2):
        colour = _COLOUR_TYPES.get(colour_type, "unknown colour")
        raise PngProblemError(f"a PNG ({depth}-bit {colour})")
    return width, height


def picture_chunks(content: bytes) -> bytes:
    """The same PNG with its picture alone, every chunk verified by its checksum.

    Profiles, texts and other extras are left out: libpng comments on odd ones on stderr, and none of them
    changes a pixel of an 8-bit RGB image.

    Raises:
        PngProblemError: A chunk is cut or altered, or the picture is animated or has transparency.
    """
    kept: list[bytes | memoryview] = [PNG_SIGNATURE]
    for kind, chunk in _chunks(content):
        if kind in _OTHER_KINDS:
            raise PngProblemError(_OTHER_KINDS[kind])
        if kind in _PICTURE:
            kept.append(chunk)
    return b"".join(kept)


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view = memoryview(content)
    position = len(PNG_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        header = view[position : position + 8]
        if len(header) < 8:
            raise PngProblemError(f"a PNG truncated after {len(content)} bytes", damaged=True)
        length, kind = struct.unpack(">I4s", header)
        chunk = view[position : position + length + 12]
        if len(chunk) < length + 12:
            raise PngProblemError(f"a PNG truncated after {len(content)} bytes", damaged=True)
        if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:]):
            raise PngProblemError(f"a PNG damaged near byte {position}", damaged=True)
        yield kind, chunk
        position += len(chunk)
