"""Files are whole or absent, whatever interrupts the writing."""

import errno
import json
import math
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from breakhis.errors import StorageError
from breakhis.files import (
    atomic_file,
    atomic_folder,
    cache_folder,
    hash_file,
    hash_json,
    write_between,
    write_bytes,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def write_half_and_crash(goal: Path) -> None:
    with atomic_file(goal) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError("crash")


def fill_half_and_crash(goal: Path) -> None:
    with atomic_folder(goal) as temporary:
        (temporary / "half").write_text("half")
        raise RuntimeError("crash")


def test_atomic_file_makes_its_folder_and_replaces(tmp_path: Path) -> None:
    goal = tmp_path / "new" / "goal.txt"
    write_text(goal, "naïve\n")
    write_text(goal, "second\n")
    assert goal.read_text("utf-8") == "second\n"
    assert names(goal.parent) == ["goal.txt"]
    assert stat.S_IMODE(goal.stat().st_mode) == 0o644


def test_a_crash_inside_leaves_what_was_there(tmp_path: Path) -> None:
    goal = tmp_path / "goal.bin"
    write_bytes(goal, b"old")
    with pytest.raises(RuntimeError, match="crash"):
        write_half_and_crash(goal)
    assert goal.read_bytes() == b"old"
    assert names(tmp_path) == ["goal.bin"]


def test_a_crash_inside_a_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="crash"):
        fill_half_and_crash(tmp_path / "goal")
    assert names(tmp_path) == []


def test_a_folder_appears_whole_and_the_first_wins(tmp_path: Path) -> None:
    goal = tmp_path / "goal"
    with atomic_folder(goal) as temporary:
        (temporary / "first").write_text("1")
        assert not goal.exists()
        with atomic_folder(goal) as other:
            (other / "second").write_text("2")
    assert names(goal) == ["second"]
    assert names(tmp_path) == ["goal"]


def test_a_killed_process_leaves_no_half_file(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys; from breakhis.files import atomic_file\n"
        "with atomic_file(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    goal = tmp_path / "goal.txt"
    done = subprocess.run([sys.executable, "-c", script, goal], check=False)
    assert done.returncode != 0
    assert not goal.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_a_refusing_disk_is_a_storage_error(writer: object, number: int, tmp_path: Path) -> None:
    assert callable(writer)
    with (
        pytest.raises(StorageError, match="nothing half-written was left") as caught,
        writer(tmp_path / "goal"),
    ):
        raise OSError(number, os.strerror(number))
    assert os.strerror(number) in caught.value.found
    assert names(tmp_path) == []


def test_a_full_device_is_a_storage_error() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("/dev/full is a device of Linux")
    # A write to it fails as on a full disk; nothing may be renamed onto it.
    with pytest.raises(StorageError, match="No space left"), atomic_file(full.parent / "shm" / "goal"):
        full.write_bytes(b"x" * 10)
    assert not Path("/dev/shm/goal").exists()


def test_other_operating_system_errors_stay_themselves(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "goal"):
        (tmp_path / "absent").read_text()


def test_what_a_script_wrote_is_replaced_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a.py -->\nold\n<!-- end of a.py -->\nafter\n")
    for text in ("new", "newer\nstill"):
        write_between(page, "a.py", text)
        assert page.read_text() == f"before\n<!-- a.py -->\n{text}\n<!-- end of a.py -->\nafter\n"
    with pytest.raises(ValueError, match="lacks"):
        write_between(page, "b.py", "new")


def test_json_refuses_what_json_cannot_say(tmp_path: Path) -> None:
    goal = tmp_path / "goal.json"
    write_json(goal, {"a": [1, 2.5, None]})
    assert json.loads(goal.read_text()) == {"a": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(goal, math.nan)
    assert json.loads(goal.read_text()) == {"a": [1, 2.5, None]}


def test_hashes_are_the_published_ones(tmp_path: Path) -> None:
    file = tmp_path / "abc"
    file.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_file(file) == expected
    assert hash_json({"b": 1, "a": [2]}) == hash_json({"a": [2], "b": 1})
    assert hash_json({"a": 1}) != hash_json({"a": "1"})
    with pytest.raises(ValueError, match="not JSON compliant"):
        hash_json(math.inf)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BREAKHIS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("BREAKHIS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "breakhis"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "breakhis"
