"""Width and height of an image from its header, without decoding a pixel."""

import os
import struct
from pathlib import Path
from typing import Final

from PIL import Image

_PNG_START: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_HEADER_BYTES: Final = 24


def image_size(path: str | Path) -> tuple[int, int]:
    """Width and height in pixels as the header says; (0, 0) where there is no readable header."""
    try:
        header = _first_bytes(path, _PNG_HEADER_BYTES)
        if len(header) == _PNG_HEADER_BYTES and header.startswith(_PNG_START):
            width, height = struct.unpack(">II", header[16:])
            return width, height
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0


def _first_bytes(path: str | Path, count: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return os.read(descriptor, count)
    finally:
        os.close(descriptor)
