"""Run: a folder is new, interrupted or finished, and never silently reused."""

from pathlib import Path

import pytest

from breakhis.config import TrainConfig, load_config
from breakhis.errors import RunError
from breakhis.runs import Run


def test_a_new_run_saves_its_configuration_verbatim(tmp_path: Path) -> None:
    config = load_config("notebook", overrides={"seed": 7})
    run = Run.start(tmp_path / "run", config, data_hash="c", resume=False)
    assert run.config() == config


def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match="a new or empty folder"):
        Run.start(tmp_path, TrainConfig(), data_hash="c", resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_resume_needs_the_same_configuration_and_images(tmp_path: Path) -> None:
    config = TrainConfig()
    Run.start(tmp_path / "run", config, data_hash="c", resume=False)
    assert Run.start(tmp_path / "run", config, data_hash="c", resume=True).config() == config
    other = config.model_copy(update={"seed": 1})
    for changed, images in ((other, "c"), (config, "d")):
        with pytest.raises(RunError, match="another configuration or other images"):
            Run.start(tmp_path / "run", changed, data_hash=images, resume=True)


def test_a_finished_run_is_neither_resumed_nor_overwritten(tmp_path: Path) -> None:
    run = Run.start(tmp_path / "run", TrainConfig(), data_hash="c", resume=False)
    with pytest.raises(RunError, match="found an interrupted run"):
        Run.open(run.folder)
    run.finish()
    assert Run.open(run.folder) == run
    for resume in (True, False):
        with pytest.raises(RunError, match="a finished run"):
            Run.start(run.folder, TrainConfig(), data_hash="c", resume=resume)
