"""Checkpoints: all that the next epoch needs, in one file that is whole or absent."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from breakhis.errors import RunError
from breakhis.files import atomic_file
from breakhis.training.schedule import ScheduleState


@dataclass(frozen=True)
class PhaseProgress:
    """Where a phase of a training stands after its last whole epoch.

    Attributes:
        phase: Name of the phase ("heads", "upper" or "all").
        epoch: Epochs of the phase that are complete.
        done: Whether the phase has stopped for good.
        schedule: Early stopping and plateau state.
        rows: History of every phase so far, one mapping an epoch.
    """

    phase: str
    epoch: int = 0
    done: bool = False
    schedule: ScheduleState = field(default_factory=ScheduleState)
    rows: tuple[dict[str, Any], ...] = field(default=())


def save_checkpoint(path: Path, model: keras.Model, progress: PhaseProgress) -> None:
    """Write weights, optimizer state and progress as one atomic file."""
    tensors = {name: keras.ops.convert_to_numpy(variable) for name, variable in _variables(model).items()}
    with atomic_file(path) as temporary:
        # Not save_file: it hides the operating system's refusal in an error of its own.
        temporary.write_bytes(save(tensors, metadata={"progress": json.dumps(asdict(progress))}))


def copy_checkpoint(source: Path, target: Path) -> None:
    """Write the same file again, which is quicker than to collect a network's weights again."""
    with atomic_file(target) as temporary:
        shutil.copyfile(source, temporary)


def read_progress(path: Path) -> PhaseProgress | None:
    """The progress of a checkpoint; None where there is no checkpoint."""
    if not path.exists():
        return None
    with _opened(path) as stream:
        values = json.loads(stream.metadata()["progress"])
    values["schedule"] = ScheduleState(**values["schedule"])
    values["rows"] = tuple(values["rows"])
    return PhaseProgress(**values)


def restore_checkpoint(path: Path, model: keras.Model) -> None:
    """Load weights and optimizer state into a compiled model; raises RunError on a misfit."""
    variables = _variables(model)
    with _opened(path) as stream:
        missing = sorted(set(variables) - set(stream.keys()))
        if missing:
            raise RunError(
                f"a checkpoint of this network at {path}",
                found=f"{len(missing)} variables missing, first {missing[0]}",
                fix="start the run again in a new folder",
            )
        for name, variable in variables.items():
            variable.assign(stream.get_tensor(name))


def _variables(model: keras.Model) -> dict[str, Any]:
    # By position: Keras numbers optimizers and generators per process, so their paths are not stable.
    named = {f"model/{index}": variable for index, variable in enumerate(model.weights)}
    named |= {f"optimizer/{index}": variable for index, variable in enumerate(model.optimizer.variables)}
    return named


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"a whole checkpoint at {path}",
            found=str(error),
            fix="start the run again in a new folder",
        ) from error
