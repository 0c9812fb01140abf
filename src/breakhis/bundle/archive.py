"""A zip of hashed members: byte for byte the same for the same members, and refused where one was altered."""

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from breakhis.errors import BundleError
from breakhis.files import atomic_file, hash_json

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_FIX: Final = "copy or download the bundle again, or write it anew with `breakhis export RUN --format bundle`"


def write_archive(path: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    """Write `members` and a manifest that holds their sizes and hashes, and a seal over itself.

    Nothing depends on the clock, the machine or the order of `members`; nothing is compressed, so that no
    version of zlib matters.
    """
    table = {name: _describe(members[name]) for name in sorted(members)}
    complete = {"format": FORMAT, **manifest, "members": table}
    sealed = {**complete, "seal": hash_json(complete)}
    text = json.dumps(sealed, indent=2, sort_keys=True, allow_nan=False) + "\n"
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in [(MANIFEST, text.encode()), *((name, members[name]) for name in table)]:
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)


def read_archive(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the members of an archive, every hash checked.

    Raises:
        BundleError: No such archive, or one that was cut, altered, packed anew or written by a later version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_infos(infos, path)
            members = {info.filename: archive.read(info) for info in infos}
    except FileNotFoundError as error:
        raise BundleError(f"a bundle at {path}", found="no such file", fix="check the path") from error
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _altered(path, str(error) or type(error).__name__) from error
    manifest = _parse_manifest(members.pop(MANIFEST, b""), path)
    table = {name: _describe(content) for name, content in members.items()}
    if table != manifest["members"]:
        listed = manifest["members"]
        wrong = sorted(name for name in {*table, *listed} if table.get(name) != listed.get(name))
        raise _altered(path, f"{wrong[0]} is not what the manifest lists")
    return manifest, members


def _describe(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _check_infos(infos: list[zipfile.ZipInfo], path: Path) -> None:
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise _altered(path, "a member that is there twice")
    for info in infos:
        if not _NAME.fullmatch(info.filename):
            raise _altered(path, f"a member named {info.filename!r}")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise _altered(path, f"{info.filename} compressed: it was packed anew")


def _parse_manifest(content: bytes, path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise BundleError(f"a bundle at {path}", found=f"no readable {MANIFEST} in it", fix=_FIX) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BundleError(
            f"a bundle of format {FORMAT} at {path}",
            found=repr(manifest.get("format")) if isinstance(manifest, dict) else "another kind of manifest",
            fix="update breakhis, or export the model again with this version",
        )
    seal = manifest.pop("seal", None)
    if seal != hash_json(manifest) or not isinstance(manifest.get("members"), dict):
        raise _altered(path, f"{MANIFEST} edited")
    return {**manifest, "seal": seal}


def _altered(path: Path, found: str) -> BundleError:
    return BundleError(f"a whole, unaltered bundle at {path}", found=found, fix=_FIX)
