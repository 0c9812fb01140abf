"""What is read, what is refused, and that nothing but ImageError comes out of bad files."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from breakhis.errors import ImageError
from breakhis.images import decode as decode_module
from breakhis.images.decode import decode, read_image, resize

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)
LOSSLESS = [
    ("PNG", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_deflate"}),
]


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(depth: int, colour_type: int, *, width: int = 2, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, width, depth, colour_type, 0, 0, 0)
    rows = zlib.compress(b"\0" * 2 * (1 + 2 * 8))
    return (
        decode_module.PNG_SIGNATURE
        + _chunk(b"IHDR", header)
        + extra
        + _chunk(b"IDAT", rows)
        + _chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_give_their_pixels(kind: str, options: dict[str, str], tmp_path: Path) -> None:
    content = _encode(RGB, kind, **options)
    path = tmp_path / "image"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(content), PIXELS)
    np.testing.assert_array_equal(read_image(path), PIXELS)
    np.testing.assert_array_equal(decode(path, size=30), resize(PIXELS, 30))


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_read(progressive: bool) -> None:
    flat = Image.new("RGB", (40, 30), (200, 120, 180))
    image = read_image(_encode(flat, "JPEG", progressive=progressive))
    assert image.shape == (30, 40, 3)
    assert np.abs(image.astype(int) - (200, 120, 180)).max() <= 3


def test_a_jpeg_is_turned_as_its_orientation_says() -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert read_image(_encode(RGB, "JPEG", exif=exif)).shape == (40, 30, 3)


_REFUSED = {
    "empty": (b"", "an empty file"),
    "text": (b"not an image", "another kind of file"),
    "gif": (_encode(RGB.convert("P"), "GIF"), "another kind of file"),
    "grey png": (_encode(RGB.convert("L"), "PNG"), "8-bit grey"),
    "palette png": (_encode(RGB.convert("P"), "PNG"), "8-bit palette"),
    "alpha png": (_encode(RGB.convert("RGBA"), "PNG"), "8-bit RGB with alpha"),
    "grey alpha png": (_encode(RGB.convert("LA"), "PNG"), "8-bit grey with alpha"),
    "16-bit png": (_png(16, 2), "16-bit RGB"),
    "16-bit grey png": (_png(16, 0), "16-bit grey"),
    "transparent png": (_png(8, 2, extra=_chunk(b"tRNS", b"\0" * 6)), "transparent colour"),
    "animated png": (
        _encode(RGB, "PNG", save_all=True, append_images=[Image.new("RGB", (40, 30))]),
        "animated",
    ),
    "grey jpeg": (_encode(RGB.convert("L"), "JPEG"), "grey"),
    "cmyk jpeg": (_encode(RGB.convert("CMYK"), "JPEG"), "CMYK"),
    "cmyk tiff": (_encode(RGB.convert("CMYK"), "TIFF"), "CMYK"),
    "alpha tiff": (_encode(RGB.convert("RGBA"), "TIFF"), "RGB with alpha"),
    "16-bit grey tiff": (_encode(Image.new("I;16", (40, 30)), "TIFF"), "16-bit grey"),
    "tiff of pages": (_encode(RGB, "TIFF", save_all=True, append_images=[RGB]), "2 pages"),
    "palette bmp": (_encode(RGB.convert("P"), "BMP"), "palette"),
    "grey bmp": (_encode(RGB.convert("L"), "BMP"), "grey"),
    "bomb": (_png(8, 2, width=100_000), "100000 x 100000 pixels"),
    "png of a cut header": (_encode(RGB, "PNG")[:20], "truncated"),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_other_images_are_refused_by_name(name: str, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    content, found = _REFUSED[name]
    path = tmp_path / f"{name}.png"
    path.write_bytes(content)
    with pytest.raises(ImageError) as refused:
        read_image(path)
    assert found in refused.value.found
    assert str(path) in refused.value.expected
    assert refused.value.fix
    assert capfd.readouterr().err == ""


def test_a_16_bit_rgb_tiff_is_refused() -> None:
    header = struct.pack("<2sHI", b"II", 42, 8)
    entries = [(256, 2), (257, 2), (258, 134), (259, 1), (262, 2), (273, 140), (277, 3), (278, 2), (279, 24)]
    rows = [struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value) for tag, value in entries]
    directory = struct.pack("<H", len(entries)) + b"".join(rows) + struct.pack("<I", 0)
    padding = b"\0" * (134 - 8 - len(directory))
    content = header + directory + padding + struct.pack("<HHH", 16, 16, 16) + bytes(24)
    with pytest.raises(ImageError, match="RGB, but not 8-bit"):
        read_image(content)


@pytest.mark.parametrize(("kind", "options"), [*LOSSLESS, ("JPEG", {}), ("JPEG", {"progressive": True})])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_truncated_files_are_refused(kind: str, options: dict[str, str], kept: float) -> None:
    content = _encode(RGB, kind, **options)
    with pytest.raises(ImageError):
        read_image(content[: int(len(content) * kept)])


def test_a_png_with_too_little_data_is_refused() -> None:
    with pytest.raises(ImageError, match="damaged PNG"):
        read_image(_png(8, 2, width=500))


def test_a_png_without_its_last_byte_is_refused() -> None:
    with pytest.raises(ImageError, match="truncated"):
        read_image(_encode(RGB, "PNG")[:-1])


@given(position=st.integers(8, 3_000), flip=st.integers(1, 255))
def test_any_altered_byte_of_a_png_is_noticed(position: int, flip: int) -> None:
    content = bytearray(_encode(RGB, "PNG"))
    content[position % (len(content) - 8) + 8] ^= flip
    with pytest.raises(ImageError):
        read_image(bytes(content))


@settings(max_examples=200)
@given(
    base=st.sampled_from([_encode(RGB, "JPEG"), _encode(RGB, "BMP"), _encode(RGB, "TIFF")]),
    edits=st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 1_000),
)
def test_nothing_but_image_error_escapes(base: bytes, edits: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(base[: len(base) - cut])
    for position, value in edits:
        content[position % len(content)] = value
    try:
        image = read_image(bytes(content))
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_odd_profiles_do_not_reach_the_terminal(capfd: pytest.CaptureFixture) -> None:
    np.testing.assert_array_equal(read_image(_encode(RGB, "PNG", icc_profile=b"x" * 200)), PIXELS)
    assert capfd.readouterr().err == ""


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="directory"):
        read_image(tmp_path)


def test_files_of_whole_slides_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slide.tif"
    path.write_bytes(_encode(RGB, "TIFF"))
    monkeypatch.setattr(decode_module, "MAX_BYTES", 100)
    with pytest.raises(ImageError, match="bytes"):
        read_image(path)


@pytest.mark.parametrize("shape", [(30, 40), (7, 9), (64, 20), (20, 64), (32, 32)])
def test_resize_keeps_flat_colours_and_averages_detail(shape: tuple[int, int]) -> None:
    flat = np.full((*shape, 3), (10, 200, 90), np.uint8)
    assert resize(flat, 32).shape == (32, 32, 3)
    assert (resize(flat, 32) == (10, 200, 90)).all()


def test_resize_does_not_alias() -> None:
    stripes: NDArray[np.uint8] = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(resize(stripes, 16).astype(int) - 128).max() <= 1


def test_resize_leaves_an_image_of_that_size_alone() -> None:
    assert resize(PIXELS[:, :30], 30) is not None
    np.testing.assert_array_equal(resize(PIXELS[:, :30], 30), PIXELS[:, :30])


def test_real_images_are_read(real_data: Path) -> None:
    path = next(real_data.rglob("SOB_B_A-14-22549AB-40-001.png"))
    image = decode(path, size=224)
    assert image.shape == (224, 224, 3)
    assert 100 < image.mean() < 250
