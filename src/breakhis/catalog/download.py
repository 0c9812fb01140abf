"""A download that goes on where it was cut, by HTTP Range and a note of what the part belongs to."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from breakhis.errors import FetchError
from breakhis.files import storage_errors, write_json

Progress = Callable[[int, int], None]

_BLOCK: Final = 1 << 18
_RANGE: Final = re.compile(r"bytes (?P<first>\d+)-\d+/(?P<total>\d+)")
_TIMEOUT_SECONDS: Final = 60
_ATTEMPTS: Final = 5
_BROKEN = (ConnectionError, TimeoutError, http.client.HTTPException, urllib.error.URLError)


@dataclass(frozen=True)
class _Part:
    """What the bytes of a part belong to: without it they cannot be gone on with."""

    url: str
    validator: str = ""
    total: int = 0


def download(url: str, target: Path, *, progress: Progress | None = None, pause: float = 1.0) -> None:
    """Download `url` to `target`, going on with ``TARGET.part`` where an earlier call was cut.

    The server's ETag or Last-Modified decides whether it still has the same file (If-Range, RFC 9110
    section 13.1.5); where it has another one, or knows no ranges, the download begins anew.

    Args:
        url: Address, http or https.
        target: File to make; it appears only when it is whole.
        progress: Told (bytes held, bytes in all or 0 where unknown).
        pause: Seconds before the second attempt, doubled for each further one.

    Raises:
        FetchError: The server refuses, answers with a page, or cuts the connection time and again.
        StorageError: The disk is full; the part stays and is gone on with.
    """
    if not url.startswith(("http://", "https://")):
        raise FetchError("an http or https address", found=url, fix="pass the archive's address by --url")
    most, failed = 0, 0
    while failed < _ATTEMPTS:
        time.sleep(pause * 2 ** (failed - 1) if failed else 0)
        try:
            if _receive(url, target, progress):
                return
            trouble = "a connection that was cut"
        except urllib.error.HTTPError as error:
            with error:
                trouble = f"status {error.code} {error.reason}"
            if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                raise FetchError(
                    f"an archive at {url}", found=trouble, fix="pass a mirror by --url"
                ) from error
        except _BROKEN as error:
            trouble = str(getattr(error, "reason", error)) or type(error).__name__
        held = _held(_part_file(target))
        failed = 1 if held > most else failed + 1
        most = max(most, held)
    raise FetchError(
        f"an archive at {url}",
        found=f"{trouble}, {_ATTEMPTS} times",
        fix=f"run the same command again, it goes on after {most / 1e6:.0f} MB; or pass a mirror by --url",
    )


def _receive(url: str, target: Path, progress: Progress | None) -> bool:
    """One attempt; whether the file is whole now."""
    part = _part_file(target)
    known = _known(part, url)
    held = _held(part) if known else 0
    headers = {"User-Agent": "breakhis"}
    if held:
        headers["Range"] = f"bytes={held}-"
        if known and known.validator:
            headers["If-Range"] = known.validator
    # The scheme was checked by the caller.
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # Nothing lies behind the part: it is whole already, or no part of this file at all.
        with error:
            whole = error.headers.get("Content-Range", "") == f"bytes */{held}"
        return _finish(part, target) if whole else _forget(part)
    with response:
        _refuse_page(url, response)
        start, total = _place(response, held)
        if start and known and known.total not in (0, total):
            return _forget(part)
        with storage_errors(part, left="the same command goes on with the part"):
            part.parent.mkdir(parents=True, exist_ok=True)
            write_json(_note_file(part), asdict(_Part(url, _validator(response), total)))
            _append(response, part, start=start, total=total, progress=progress)
    return total in (0, _held(part)) and _finish(part, target)


def _append(
    response: http.client.HTTPResponse, part: Path, *, start: int, total: int, progress: Progress | None
) -> None:
    with part.open("r+b" if part.exists() else "wb") as stream:
        stream.truncate(start)
        stream.seek(start)
        while block := response.read(_BLOCK):
            stream.write(block)
            if progress:
                progress(stream.tell(), total)


def _place(response: http.client.HTTPResponse, held: int) -> tuple[int, int]:
    """Where the answer's first byte belongs, and the size of the whole file (0 where it is not told)."""
    granted = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status == http.HTTPStatus.PARTIAL_CONTENT and granted and int(granted["first"]) == held:
        return held, int(granted["total"])
    return 0, int(response.headers.get("Content-Length", 0))


def _validator(response: http.client.HTTPResponse) -> str:
    etag = response.headers.get("ETag", "")
    weak = etag.startswith("W/")  # says nothing about bytes, so ranges may not rely on it
    return etag if etag and not weak else response.headers.get("Last-Modified", "")


def _refuse_page(url: str, response: http.client.HTTPResponse) -> None:
    kind = response.headers.get_content_type()
    if kind.startswith("text/"):
        raise FetchError(
            f"an archive at {url}", found=f"a page ({kind})", fix="pass the archive's own address by --url"
        )


def _known(part: Path, url: str) -> _Part | None:
    """The note beside a part, if it is a part of `url`."""
    try:
        noted = _Part(**json.loads(_note_file(part).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return noted if noted.url == url else None


def _held(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _finish(part: Path, target: Path) -> bool:
    part.replace(target)
    _note_file(part).unlink(missing_ok=True)
    return True


def _forget(part: Path) -> bool:
    part.unlink(missing_ok=True)
    _note_file(part).unlink(missing_ok=True)
    return False


def _part_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _note_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
