"""The download: whole, cut, gone on with, refused; and an archive that is not what it should be."""

import gzip
import io
import json
import resource
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from archive_host import Host, serving

from breakhis.catalog.download import download
from breakhis.catalog.fetch import fetch
from breakhis.catalog.official import official_images
from breakhis.cli import run
from breakhis.errors import FetchError, StorageError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
PART, NOTE = "archive.part", "archive.part.json"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host(CONTENT)) as host:
        yield host


def archive(names: dict[str, bytes], *special: tarfile.TarInfo) -> bytes:
    """A gzipped tar of files, and of members that are none."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as tar:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in special:
            tar.addfile(member)
    return stream.getvalue()


@pytest.fixture(scope="module")
def whole() -> bytes:
    top = "BreaKHis_v1/histology_slides/breast"
    names = {f"{top}/{image.folder_name}/{image.file_name}": b"pixels" for image in official_images()}
    return archive({f"{top}/README.txt": b"read me", **names})


def get(host: Host, folder: Path) -> Path:
    download(host.url, folder / "archive", pause=0)
    return folder / "archive"


def test_a_whole_answer_is_the_file_and_nothing_else_is_left(host: Host, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    download(host.url, tmp_path / "archive", progress=lambda done, total: told.append((done, total)))
    assert (tmp_path / "archive").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_a_cut_answer_is_gone_on_with_in_the_same_call(host: Host, tmp_path: Path) -> None:
    host.cuts = [1_000_000, 2_000_000]
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked == ["", "bytes=1000000-", "bytes=2000000-"]


def test_a_call_goes_on_where_the_last_one_was_cut(host: Host, tmp_path: Path) -> None:
    host.cuts = [1_000_000] * 6
    with pytest.raises(FetchError, match=r"a connection that was cut.* goes on after 1 MB"):
        get(host, tmp_path)
    assert (tmp_path / PART).stat().st_size == 1_000_000
    host.asked.clear()
    host.cuts.clear()
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked == ["bytes=1000000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_host_without_ranges_is_asked_for_the_whole_again(host: Host, tmp_path: Path) -> None:
    host.ranges, host.cuts = False, [1_000_000]
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked == ["", "bytes=1000000-"]


def test_a_part_of_another_edition_is_not_gone_on_with(host: Host, tmp_path: Path) -> None:
    host.cuts = [1_000_000] * 6
    with pytest.raises(FetchError):
        get(host, tmp_path)
    host.cuts, host.etag, host.content = [], '"two"', CONTENT[::-1]
    assert get(host, tmp_path).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("note", ["", "[]", json.dumps({"url": "http://elsewhere", "total": 3_000_000})])
def test_a_part_without_its_note_is_not_gone_on_with(host: Host, tmp_path: Path, note: str) -> None:
    (tmp_path / PART).write_bytes(b"something else")
    (tmp_path / NOTE).write_text(note)
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked == [""]


def test_a_part_that_is_whole_already_is_taken(host: Host, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(CONTENT)
    (tmp_path / NOTE).write_text(json.dumps({"url": host.url, "validator": host.etag, "total": len(CONTENT)}))
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(host: Host, tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(CONTENT + b"more")
    (tmp_path / NOTE).write_text(json.dumps({"url": host.url, "validator": "", "total": 0}))
    assert get(host, tmp_path).read_bytes() == CONTENT


def test_a_busy_host_is_asked_again_and_a_refusal_is_final(host: Host, tmp_path: Path) -> None:
    host.statuses = [503, 503]
    assert get(host, tmp_path).read_bytes() == CONTENT
    host.statuses, host.asked = [404], []
    with pytest.raises(FetchError, match=r"status 404 Not Found; pass a mirror by --url"):
        download(host.url, tmp_path / "other", pause=0)
    assert host.asked == [""]


def test_a_page_instead_of_the_archive_is_refused(host: Host, tmp_path: Path) -> None:
    host.kind = "text/html"
    with pytest.raises(FetchError, match=r"a page \(text/html\)"):
        get(host, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["ftp://host/a.tar.gz", "file:///etc/passwd", "BreaKHis_v1.tar.gz"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError, match="an http or https address"):
        download(url, tmp_path / "archive")


def test_a_host_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="Connection refused, 5 times"):
        download("http://127.0.0.1:9/a.tar.gz", tmp_path / "archive", pause=0)


def test_a_full_disk_keeps_the_part_and_says_so(host: Host, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="the same command goes on with the part"):
            get(host, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    host.asked.clear()
    assert get(host, tmp_path).read_bytes() == CONTENT
    assert host.asked[0].startswith("bytes=")


def test_the_command_downloads_unpacks_and_verifies(
    whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Host(whole, cuts=[30_000])) as host:
        assert run(["fetch", str(tmp_path), "--url", host.url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["cases"]) == (7909, 70)
    assert found["official"] == {"missing": 0, "unknown": 0}
    assert [path.name for path in tmp_path.iterdir()] == ["BreaKHis_v1"]
    assert (tmp_path / "BreaKHis_v1/histology_slides/breast/README.txt").read_bytes() == b"read me"
    # Whole and in its place: no host is asked again.
    assert run(["fetch", str(tmp_path), "--url", host.url]) == 0
    assert "0 missing, 0 unknown" in capsys.readouterr().out


def test_an_archive_that_is_there_needs_no_host_and_can_be_kept(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "BreaKHis_v1.tar.gz").write_bytes(whole)
    assert fetch(tmp_path, url="http://127.0.0.1:9/", keep_archive=True) == tmp_path / "BreaKHis_v1"
    assert (tmp_path / "BreaKHis_v1.tar.gz").read_bytes() == whole


def test_a_folder_that_is_not_whole_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "BreaKHis_v1").mkdir()
    (tmp_path / "BreaKHis_v1/SOB_B_TA-14-16184-40-999.png").touch()
    with pytest.raises(FetchError, match=r"7,909 missing and 1 unknown.*move .*BreaKHis_v1 away"):
        fetch(tmp_path, url="http://127.0.0.1:9/")


def link(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("BreaKHis_v1/link")
    member.type, member.linkname = kind, "/etc/passwd"
    return member


CASES = {
    "no tar": (b"<html>not here</html>", "not a gzip file"),
    "gzip of no tar": (gzip.compress(b"x" * 2000), "invalid header"),
    "empty": (b"", "empty file"),
    "too few": (archive({"BreaKHis_v1/SOB_B_TA-14-16184-40-001.png": b""}), "7,908 missing and 0 unknown"),
    "path above": (archive({"BreaKHis_v1/../../evil.png": b""}), "a path that leads out"),
    "absolute path": (archive({"/tmp/evil.png": b""}), "a path that leads out"),
    "symbolic link": (archive({}, link(tarfile.SYMTYPE)), "a link or device"),
    "hard link": (archive({}, link(tarfile.LNKTYPE)), "a link or device"),
    "device": (archive({}, link(tarfile.CHRTYPE)), "a link or device"),
    "file as folder": (archive({"a": b"", "a/b": b""}), "a"),
}


@pytest.mark.parametrize("case", [*CASES, "cut", "altered"])
def test_an_unsound_archive_is_set_aside_and_nothing_is_unpacked(
    case: str, whole: bytes, tmp_path: Path
) -> None:
    altered = bytearray(whole)
    altered[-6] ^= 1  # in the checksum
    cases = {**CASES, "cut": (whole[:-5000], "end"), "altered": (bytes(altered), "CRC check failed")}
    content, message = cases[case]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/BreaKHis_v1.tar.gz").write_bytes(content)
    with pytest.raises(FetchError, match=message):
        fetch(tmp_path / "data")
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "BreaKHis_v1.tar.gz.bad"]
