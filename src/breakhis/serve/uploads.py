"""Uploads, read into memory within limits: nothing of a request ever reaches the disk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from breakhis.errors import BusyError, LimitError, UsageError
from breakhis.serve.limits import Budget, Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD: Final = "files"
_VALUE_BYTES: Final = 1024
_VALUES: Final = 16
_NAME_LENGTH: Final = 255
_FORM: Final = "a multipart form with the field `files` once per image"
_FORM_FIX: Final = f"send it as `curl -F {FIELD}=@image.png URL`"


@dataclass(frozen=True)
class Upload:
    """One file of a form.

    Attributes:
        name: The file's name as it was sent, without folders.
        content: Its bytes.
    """

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Form:
    """The files and the short values of a multipart form, in order."""

    files: list[Upload]
    values: dict[str, str]


@asynccontextmanager
async def read_form(request: Request, *, limits: Limits, budget: Budget) -> AsyncIterator[Form]:
    """The form of a request; its bytes count against `budget` until the block ends.

    Raises:
        UsageError: No whole multipart form with a file in the field `files`.
        LimitError: Too many bytes or files.
        BusyError: The budget is used up. After both, what is still being sent is read and thrown away,
            within bounds, so that the sender hears the answer.
    """
    taken, stream = 0, request.stream()
    try:
        parts = _Parts(limits)
        parser = MultipartParser(_boundary(request), parts.callbacks())
        try:
            _check_length(request, limits)
            async for chunk in stream:
                budget.take(len(chunk))
                taken += len(chunk)
                if taken > limits.request_bytes:
                    raise _too_long(f"more than {limits.request_bytes:,}", limits)
                parser.write(chunk)
            parser.finalize()
        except (LimitError, BusyError):
            await _throw_away(stream, most=2 * limits.request_bytes)
            raise
        except FormParserError as error:
            raise UsageError(_FORM, found=f"a malformed one ({error})", fix=_FORM_FIX) from error
        except ClientDisconnect as error:
            raise UsageError(_FORM, found="the sender gone", fix=_FORM_FIX) from error
        yield parts.form()
    finally:
        budget.give(taken)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        found = kind.decode("latin-1") or "no content type"
        raise UsageError(_FORM, found=found, fix=_FORM_FIX)
    return options[b"boundary"]


def _check_length(request: Request, limits: Limits) -> None:
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limits.request_bytes:
        raise _too_long(f"{int(stated):,}", limits)


def _too_long(found: str, limits: Limits) -> LimitError:
    return LimitError(
        f"a request of at most {limits.request_bytes:,} bytes",
        found=found,
        fix="send fewer images at a time",
    )


async def _throw_away(stream: AsyncIterator[bytes], *, most: int) -> None:
    thrown = 0
    async for chunk in stream:
        thrown += len(chunk)
        if thrown > most:
            return


class _Parts:
    """Collects the parts of a form as the parser meets them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._files: list[Upload] = []
        self._values: dict[str, str] = {}
        self._count = 0
        self._begin()

    def callbacks(self) -> "MultipartCallbacks":
        """By the parser's names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def form(self) -> Form:
        """What was collected; raises UsageError without a file."""
        if not self._files:
            raise UsageError(_FORM, found=f"no file in a field `{FIELD}`", fix=_FORM_FIX)
        return Form(self._files, self._values)

    def _begin(self) -> None:
        self._field = ""
        self._file_name: str | None = None
        self._disposition = b""
        self._header = [b"", b""]
        self._content = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def _header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        name = options.get(b"filename")
        self._file_name = None if name is None else _plain_name(name.decode("utf-8", "replace"))
        self._count += 1
        if len(self._files) == self._limits.files or self._count > self._limits.files + _VALUES:
            raise LimitError(
                f"at most {self._limits.files} images in a request",
                found="more parts",
                fix="send the others in a further request",
            )

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]
        most = _VALUE_BYTES if self._file_name is None else self._limits.file_bytes
        if len(self._content) > most:
            raise LimitError(
                f"a {'value' if self._file_name is None else 'file'} of at most {most:,} bytes",
                found=f"a larger one in the field `{self._field[:64]}`",
                fix="cut the image into tiles, or save it as PNG or JPEG",
            )

    def _end(self) -> None:
        if self._file_name is None:
            self._values[self._field] = self._content.decode("utf-8", "replace")
        elif self._field == FIELD:
            self._files.append(
                Upload(self._file_name or f"image {len(self._files) + 1}", bytes(self._content))
            )


def _plain_name(name: str) -> str:
    """The last part of a path of either kind, printable and of bounded length."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable())[-_NAME_LENGTH:].strip()
