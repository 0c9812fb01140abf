"""The doctor: healthy here, and each planted fault is named with its fix."""

import importlib.metadata
import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from breakhis import doctor
from breakhis.bundle import Bundle, BundleContents
from breakhis.cli import run
from breakhis.config import TrainConfig
from breakhis.doctor import Check
from breakhis.taxonomy import BREAKHIS

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requirements of pyproject.toml as the installed package's metadata has them."""
    requirements = list(PROJECT["dependencies"])
    for extra in ("train", "export"):
        for line in PROJECT["optional-dependencies"][extra]:
            name, _, marker = line.partition(";")
            condition = f"({marker.strip()}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
            requirements.append(f"{name.strip()}; {condition}")
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requirements)
    return requirements


def only(name: str, checks: list[Check]) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


def test_every_check_here_is_whole_and_failures_have_a_fix(installed: list[str]) -> None:
    checks = list(doctor.examine())
    names = [check.name for check in checks]
    assert len(names) == len(set(names))
    assert {"Python", "numpy", "openvino", "extra: train", "engine", "cores", "memory", "cache"} <= set(names)
    for check in checks:
        assert check.message
        assert bool(check.fix) == (check.status != "ok")
    assert not [check for check in checks if check.status == "failed"]


def test_command_prints_one_json_object(installed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert {frozenset(check) for check in answer["checks"]} == {
        frozenset({"status", "name", "message", "fix"})
    }


def test_a_failure_is_exit_status_one_and_named(
    installed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BREAKHIS_CACHE", str(tmp_path / "file" / "cache"))
    assert run(["doctor"]) == 1
    captured = capsys.readouterr()
    assert "cannot be written" in captured.out
    assert "fix: set BREAKHIS_CACHE" in captured.out
    assert captured.err.count("\n") == 1
    assert "1 failed: cache" in captured.err


def test_missing_and_old_requirements_fail(installed: list[str]) -> None:
    installed[:] = ["no-such-thing>=1", "numpy>=99", "pillow"]
    checks = list(doctor.check_requirements())
    assert only("no-such-thing", checks).message == "is not installed"
    assert only("no-such-thing", checks).fix == "python -m pip install 'no-such-thing>=1'"
    assert only("numpy", checks).status == "failed"
    assert only("numpy", checks).message.endswith("is not >=99")
    assert only("pillow", checks).status == "ok"


def test_a_missing_extra_is_a_warning_that_says_what_for(installed: list[str]) -> None:
    installed[:] = ["numpy", "no-such-keras; extra == 'train'"]
    check = only("extra: train", list(doctor.check_requirements()))
    assert check.status == "warning"
    assert "no-such-keras is not installed: needed to train" in check.message
    assert "breakhis[train]" in check.fix


def test_running_from_sources_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", absent)
    (check,) = doctor.check_requirements()
    assert (check.status, check.name) == ("warning", "requirements")


def test_thread_limits_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_cores", lambda: 4)
    for name in doctor._THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert [check.status for check in doctor.check_threads()] == ["ok"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (check,) = doctor.check_threads()
    assert (check.status, check.fix) == ("warning", "unset OMP_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert [check.status for check in doctor.check_threads()] == ["ok"]


def test_small_disks_and_memories_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10**8

    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage)
    (cache,) = doctor.check_cache()
    assert (cache.status, cache.message[-24:]) == ("warning", "of BreaKHis needs 1.2 GB")
    monkeypatch.setattr(doctor, "_available_memory", lambda: 10**9)
    assert only("memory", list(doctor.check_machine())).status == "warning"
    monkeypatch.setattr(doctor, "_available_memory", lambda: None)
    assert only("memory", list(doctor.check_machine())).status == "ok"


@pytest.mark.parametrize(("count", "status"), [("1", "ok"), ("0", "warning")])
def test_gpu_is_asked_of_tensorflow_only_where_a_driver_is(
    count: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert [check.message for check in doctor.check_gpu()] == ["no NVIDIA driver: training runs on the CPU"]
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
    answer = subprocess.CompletedProcess([], 0, stdout=f"a word before\n{count}\n")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: answer)
    assert [check.status for check in doctor.check_gpu()] == [status]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert list(doctor.check_gpu()) == []


def test_the_shipped_model_is_opened_and_an_altered_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "model.zip"
    assert [check.status for check in doctor.check_model(file)] == ["warning"]
    weights = {"probabilities/bias": np.zeros(8, np.float32)}
    contents = BundleContents(TrainConfig(), BREAKHIS, weights, metrics={}, split={}, created="2026-01-01")
    Bundle.write(file, contents)
    (whole,) = doctor.check_model(file)
    assert (whole.status, whole.message) == ("ok", Bundle.open(file).summary())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    (altered,) = doctor.check_model(file)
    assert altered.status == "failed"
    assert "reinstall" in altered.fix


def test_the_doctor_runs_where_a_dependency_is_missing() -> None:
    hidden = ["numpy", "pydantic", "openvino", "safetensors", "rich"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden}, None)); "
        "from breakhis.cli import run; sys.exit(run(['doctor']))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith("breakhis: expected every check to pass")
    assert answer.stderr.count("\n") == 1
