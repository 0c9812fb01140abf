"""A run directory: the only place that knows its file names, and whether it may be written."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from breakhis.config import TrainConfig, load_yaml_config
from breakhis.errors import BreakhisError, RunError
from breakhis.files import hash_json, storage_errors, write_json, write_text


@dataclass(frozen=True)
class Run:
    """What one training leaves behind, below one folder."""

    folder: Path

    @property
    def config_file(self) -> Path:
        """The configuration, verbatim."""
        return self.folder / "config.yaml"

    @property
    def status_file(self) -> Path:
        """What the run was started with, and whether it has finished."""
        return self.folder / "status.json"

    @property
    def catalog_file(self) -> Path:
        """Manifest of every image that was found."""
        return self.folder / "catalog.csv"

    @property
    def split_file(self) -> Path:
        """Which image was used for what (a JSON with hashes and verdict lies beside it)."""
        return self.folder / "split.csv"

    @property
    def history_file(self) -> Path:
        """Loss, accuracy and learning rate of every epoch."""
        return self.folder / "history.csv"

    @property
    def checkpoints(self) -> Path:
        """Best and last weights while training goes on."""
        return self.folder / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard event files."""
        return self.folder / "tensorboard"

    @property
    def plots(self) -> Path:
        """Pictures: curves and confusion matrices."""
        return self.folder / "plots"

    @property
    def predictions_file(self) -> Path:
        """Answers for the test set."""
        return self.folder / "predictions.csv"

    @property
    def metrics_file(self) -> Path:
        """Evaluation of the test set."""
        return self.folder / "metrics.json"

    @property
    def ablation_file(self) -> Path:
        """What each branch adds, on the test set; absent where the network has one branch."""
        return self.folder / "ablation.json"

    @property
    def confusion_file(self) -> Path:
        """Confusion matrix of the test set, counts."""
        return self.folder / "confusion.csv"

    @property
    def keras_file(self) -> Path:
        """The trained network in Keras' own format."""
        return self.folder / "model.keras"

    @property
    def bundle_file(self) -> Path:
        """The one zip that leaves the machine."""
        return self.folder / "bundle.zip"

    @property
    def report_file(self) -> Path:
        """The self-contained page."""
        return self.folder / "report.html"

    @classmethod
    def start(cls, folder: Path, config: TrainConfig, *, data_hash: str, resume: bool) -> "Run":
        """Open `folder` for a training of `config` on images and a split that hash to `data_hash`.

        Raises:
            RunError: The folder holds another run or foreign files, is finished, or there is nothing to
                resume. Nothing is changed then.
        """
        run = cls(folder)
        key = _key(config, data_hash)
        if resume:
            run._require(key, state="started")
            return run
        cls.check_free(folder, resume=False)
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(run.config_file, config.to_yaml())
        run.write_status({"key": key, "state": "started"})
        return run

    @classmethod
    def check_free(cls, folder: Path, *, resume: bool) -> None:
        """Raise RunError where a run cannot be started, or resumed, in `folder`; before any work is done."""
        run = cls(folder)
        interrupted = run.status().get("state") == "started"
        occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        if resume and not interrupted:
            raise RunError(
                f"an interrupted run at {folder}",
                found=run._description(),
                fix="start without --resume in a new folder",
            )
        if occupied and not resume:
            raise RunError(
                f"a new or empty folder at {folder}",
                found=run._description(),
                fix="choose another --out, or pass --resume to go on with an interrupted run",
            )

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Open a finished run to read; raises RunError where it is none."""
        run = cls(folder)
        if run.status().get("state") != "finished":
            raise RunError(
                f"a finished run at {folder}",
                found=run._description(),
                fix="finish it with `breakhis train ... --resume`, or name another folder",
            )
        return run

    def config(self) -> TrainConfig:
        """The configuration that the run was started with."""
        return load_yaml_config(self.config_file)

    def status(self) -> dict[str, Any]:
        """What `write_status` wrote; empty where the folder is no run."""
        try:
            loaded = json.loads(self.status_file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def write_status(self, values: dict[str, Any]) -> None:
        """Merge `values` into the status."""
        write_json(self.status_file, {**self.status(), **values})

    @contextmanager
    def abandoned_unbegun(self) -> Iterator[None]:
        """Remove the folder where the block refuses before an epoch was kept: there is nothing to resume."""
        try:
            yield
        except BreakhisError:
            if not self.history_file.exists():
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def finish(self) -> None:
        """Mark the run as whole: `Run.open` accepts it from now on."""
        self.write_status({"state": "finished"})

    def summary(self) -> str:
        """One line for people."""
        return f"{self._description()} at {self.folder}"

    def require(self, config: TrainConfig, *, data_hash: str) -> None:
        """Raise RunError unless this is a finished run of `config` on images that hash to `data_hash`."""
        self._require(_key(config, data_hash), state="finished")

    def _require(self, key: str, *, state: Literal["started", "finished"]) -> None:
        status = self.status()
        if status.get("state") == state and status.get("key") == key:
            return
        found = self._description()
        if status.get("state") == state:
            found += " of another configuration or other images"
        wanted = "an interrupted" if state == "started" else "a finished"
        raise RunError(
            f"{wanted} run of this configuration and these images at {self.folder}",
            found=found,
            fix="start in a new folder, or repeat the options of that run",
        )

    def _description(self) -> str:
        state = self.status().get("state")
        if state == "finished":
            return "a finished run"
        if state == "started":
            return "an interrupted run"
        return "files that are not a run's" if self.folder.exists() else "no such folder"


def _key(config: TrainConfig, data_hash: str) -> str:
    return hash_json([config.hash, data_hash])
