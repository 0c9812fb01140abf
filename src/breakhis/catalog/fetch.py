"""BreaKHis from its host to a verified folder: download, unpack, compare with the official names."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from breakhis.catalog.download import Progress, download
from breakhis.catalog.official import OFFICIAL_URL, compare_names, official_names
from breakhis.catalog.scan import find_images
from breakhis.errors import FetchError
from breakhis.files import atomic_folder

FOLDER: Final = "BreaKHis_v1"

_SET_ASIDE: Final = f"it was set aside as {FOLDER}.tar.gz.bad; try again, or another mirror by --url"
# Two members of one name, or a file where a folder should be, are faults of the archive too.
_UNSOUND = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
)


def fetch(
    destination: Path,
    *,
    url: str = OFFICIAL_URL,
    keep_archive: bool = False,
    stage: Callable[[str], Progress] | None = None,
) -> Path:
    """Download, unpack and verify BreaKHis; returns the folder ``DESTINATION/BreaKHis_v1``.

    An interrupted call is gone on with by the next one. The folder appears only when all 7,909 official
    names are in it; a whole one that is there already is left as it is.

    Args:
        destination: Folder to put it in, with room for the archive and its content (about 8 GB).
        url: A mirror of the archive, a gzipped tar.
        keep_archive: Leave ``BreaKHis_v1.tar.gz`` there.
        stage: Given a label, returns what is told (bytes of the archive done, in all; 0 where unknown).

    Raises:
        FetchError: The download failed, or what came is not the data set; it is set aside.
        StorageError: The disk is full.
    """
    folder = destination / FOLDER
    if folder.exists():
        _verify(folder, f"choose another folder, or move {folder} away")
        return folder
    archive = destination / f"{FOLDER}.tar.gz"
    if not archive.exists():
        download(url, archive, progress=stage and stage("downloading"))
    try:
        with atomic_folder(folder) as temporary:
            unpack(archive, temporary, progress=stage and stage("unpacking"))
            _verify(temporary, _SET_ASIDE)
    except FetchError:
        archive.replace(archive.with_name(f"{archive.name}.bad"))
        raise
    if not keep_archive:
        archive.unlink()
    return folder


def unpack(archive: Path, folder: Path, *, progress: Progress | None = None) -> None:
    """Unpack the regular files of a gzipped tar into `folder`, without the archive's own top folder.

    A link, a device or a path that leads out of `folder` refuses the whole archive.

    Raises:
        FetchError: It is no gzipped tar, is cut, or holds what does not belong into a data set.
    """
    size = archive.stat().st_size
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:gz") as members:
            for member in members:
                target = _target(folder, member)
                if member.isfile():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    content = members.extractfile(member)
                    with target.open("xb") as stream:
                        shutil.copyfileobj(content, stream)  # type: ignore[arg-type]  # a file has content
                if progress:
                    progress(raw.tell(), size)
            # The checksum stands at the end of the gzip stream, behind the last member.
            while members.fileobj and members.fileobj.read(1 << 16):
                pass
    except _UNSOUND as error:
        raise _unsound(archive.name, str(error) or type(error).__name__) from error


def _target(folder: Path, member: tarfile.TarInfo) -> Path:
    path = PurePosixPath(member.name)
    if not (member.isfile() or member.isdir()):
        raise _unsound(member.name, "a link or device")
    inside = path.parts[1:] if path.parts[:1] == (FOLDER,) else path.parts
    target = folder.joinpath(*inside)
    if path.is_absolute() or ".." in inside or not target.resolve().is_relative_to(folder.resolve()):
        raise _unsound(member.name, "a path that leads out of the folder")
    return target


def _unsound(what: object, found: str) -> FetchError:
    return FetchError(
        "the gzipped tar of BreaKHis",
        found=f"{found} ({what})",
        fix=_SET_ASIDE,
    )


def _verify(folder: Path, fix: str) -> None:
    compared = compare_names(find_images(folder))
    if compared.whole:
        return
    strange = [*compared.missing[:1], *compared.unknown[:1]]
    raise FetchError(
        f"the {len(official_names()):,} official images",
        found=f"{len(compared.missing):,} missing and {len(compared.unknown):,} unknown, "
        f"e.g. {' and '.join(strange)}",
        fix=fix,
    )
