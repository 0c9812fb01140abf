"""Fixtures of the whole suite: where the real images and weights are, or why a test is skipped."""

import os
from pathlib import Path

import pytest

_SHARED = Path(os.environ.get("BREAKHIS_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real BreaKHis images."""
    return _existing(_SHARED / "data" / "BreaKHis_v1")


@pytest.fixture(scope="session")
def real_weights() -> Path:
    """ImageNet weights of DenseNet121 without its top."""
    return _existing(_SHARED / "weights" / "densenet121_imagenet_notop.weights.h5")


@pytest.fixture(scope="session")
def official_names_file() -> Path:
    """The 7,909 official file names, one a line."""
    return _existing(_SHARED / "data" / "official_names.txt")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKHIS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def _existing(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine (set BREAKHIS_SHARED to the folder that holds it)")
    return path
