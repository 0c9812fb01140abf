"""The one way from a file to pixels: training, evaluation, prediction, page and cluster all call it.

PNG, the format of BreaKHis, is decoded by OpenCV, the faster one; JPEG, TIFF and BMP by Pillow, which refuses
damage more reliably. Both stay off stderr, but for a line of libtiff on damage inside compressed data. Only a
whole 8-bit RGB image passes; nothing is converted silently, because a grey, CMYK or 16-bit scan read as RGB
has colours that the model never saw.

A JPEG or TIFF is turned as its EXIF orientation says, as viewers do. Damage inside the data of a JPEG or of
an uncompressed file that keeps its length cannot be noticed: these formats carry no checksum.
"""

import struct
import threading
import warnings
from io import BytesIO
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from breakhis.errors import ImageError
from breakhis.images.png import PNG_SIGNATURE, PngProblemError, picture_chunks, png_size

Image = NDArray[np.uint8]

DECODER_VERSION: Final = 1
"""Raised whenever the same file would give other pixels: prepared stores are keyed by it."""

MAX_PIXELS: Final = 2**26
"""Largest accepted image, width x height (8192 x 8192): checked from the header, before memory is taken."""

MAX_BYTES: Final = 4 * MAX_PIXELS
"""Largest accepted file; a larger one cannot hold an acceptable image (whole slides are such files)."""

_CONVERT: Final = (
    "convert it to 8-bit RGB, for example with `magick IN -alpha remove -type TrueColor -depth 8 PNG24:OUT`"
)
_COPY_AGAIN: Final = "copy or download the file again"
_TILE: Final = f"cut it into tiles of at most {MAX_PIXELS:,} pixels"

_READERS: Final[dict[bytes, type[ImageFile]]] = {
    b"\xff\xd8\xff": JpegImageFile,
    b"II*\0": TiffImageFile,
    b"MM\0*": TiffImageFile,
    b"II+\0": TiffImageFile,
    b"MM\0+": TiffImageFile,
    b"BM": BmpImageFile,
}
_MODES: Final = {
    "1": "black-and-white",
    "L": "grey",
    "P": "palette",
    "LA": "grey with alpha",
    "PA": "palette with alpha",
    "RGBA": "RGB with alpha",
    "RGBX": "RGB with a fourth channel",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "I": "32-bit grey",
    "F": "floating-point grey",
}
_DAMAGE: Final = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error)
"""What Pillow raises for files that are cut or altered, by reading its plugins and by fuzzing them."""

_warnings_lock = threading.Lock()

cv2.setNumThreads(1)  # images are handled in parallel, and threads inside one image then cost a quarter more


class _RefusedError(Exception):
    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.found = found
        self.fix = fix


def decode(source: Path | bytes, *, size: int) -> Image:
    """Read an image and resize it to a square.

    Args:
        source: A file, or a file's content.
        size: Side in pixels.

    Returns:
        (size, size, 3) uint8 RGB, 0-255.

    Raises:
        ImageError: Not a whole 8-bit RGB image.
    """
    return resize(read_image(source), size)


def read_image(source: Path | bytes) -> Image:
    """Read a whole 8-bit RGB image from a PNG, JPEG, TIFF or BMP.

    Returns:
        (H, W, 3) uint8 RGB, 0-255.

    Raises:
        ImageError: The file is missing, empty, cut, damaged, too large or no such image; the message names
            it and says what it is and how to convert it.
    """
    try:
        content = source if isinstance(source, bytes) else _read(source)
        return _decode_png(content) if content.startswith(PNG_SIGNATURE) else _decode_other(content)
    except _RefusedError as refused:
        name = "the given bytes" if isinstance(source, bytes) else str(source)
        raise ImageError(
            f"a whole 8-bit RGB image (PNG, JPEG, TIFF or BMP) in {name}",
            found=refused.found,
            fix=refused.fix,
        ) from refused.__cause__


def resize(image: Image, size: int) -> Image:
    """Squash an image to a square without aliasing.

    A side that shrinks is averaged over the covered area; a side that grows is interpolated cubically.

    Args:
        image: (H, W, 3) uint8.
        size: Side in pixels.

    Returns:
        (size, size, 3) uint8; the same object where nothing had to change.
    """
    height, width = image.shape[:2]
    smaller = (min(width, size), min(height, size))
    if smaller != (width, height):
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    if smaller != (size, size):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)
    return image


def _read(path: Path) -> bytes:
    try:
        length = path.stat().st_size
        if length > MAX_BYTES:
            raise _RefusedError(f"a file of {length:,} bytes", _TILE)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise _RefusedError("no such file", "check the path") from error
    except OSError as error:
        reason = error.strerror or "an unreadable file"
        raise _RefusedError(reason, "name a readable file") from error


def _decode_png(content: bytes) -> Image:
    try:
        _check_pixels(*png_size(content))
        picture = picture_chunks(content)
    except PngProblemError as problem:
        raise _RefusedError(str(problem), _COPY_AGAIN if problem.damaged else _CONVERT) from problem
    try:
        image: Image | None = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise _RefusedError("a damaged PNG", _COPY_AGAIN) from error
    if image is None:
        raise _RefusedError("a damaged PNG", _COPY_AGAIN)
    return image


def _decode_other(content: bytes) -> Image:
    if not content:
        raise _RefusedError("an empty file", _COPY_AGAIN)
    reader = next((kind for magic, kind in _READERS.items() if content.startswith(magic)), None)
    if reader is None:
        raise _RefusedError("another kind of file", _CONVERT)
    try:
        with _open_checked(reader, content) as header:
            return np.array(ImageOps.exif_transpose(header))
    except _DAMAGE as error:
        found = f"a {reader.format} that is cut short, damaged or of a rare kind ({error})"
        raise _RefusedError(found, f"{_COPY_AGAIN}, or {_CONVERT}") from error


def _open_checked(reader: type[ImageFile], content: bytes) -> ImageFile:
    """The opened file, pixels not yet read; a damaged directory, of which Pillow only warns, is refused."""
    with _warnings_lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = reader(BytesIO(content))
        frames = getattr(image, "n_frames", 1)
        image.getexif()
    if caught:
        raise ValueError(str(caught[0].message))
    if frames > 1:
        raise _RefusedError(f"a {image.format} of {frames} pages", "save each page as a file of its own")
    if image.mode != "RGB":
        raise _RefusedError(f"a {image.format} ({_MODES.get(image.mode, image.mode)})", _CONVERT)
    if not _is_8_bit(image):
        raise _RefusedError(f"a {image.format} (RGB, but not 8-bit)", _CONVERT)
    _check_pixels(*image.size)
    return image


def _is_8_bit(image: ImageFile) -> bool:
    """Pillow opens RGB of other depths as "RGB" too; the depth stands in a TIFF's tag, a BMP's raw mode."""
    if isinstance(image, TiffImageFile):
        return set(image.tag_v2.get(BITSPERSAMPLE, ())) == {8}
    return not any(";1" in str(tile.args) for tile in image.tile)


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _RefusedError(f"{width} x {height} pixels", _TILE)
