"""The PyTorch peer, run in a process of its own and asked for rounds by this one."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from breakhis.bench.subject import Subject
from breakhis.bench.timing import Job
from breakhis.errors import CheckFailedError, MissingExtraError
from breakhis.model.weights import set_weights

_SCRIPT = Path(__file__).parent / "peers" / "torch_densenet.py"
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class TorchPeer:
    """A running peer.

    Attributes:
        version: Of PyTorch.
        process: Its process; it idles between rounds.
    """

    version: str
    process: "subprocess.Popen[str]"

    def ask(self, command: str, count: int) -> dict[str, Any]:
        """ "predict" or "train" `count` images; {"seconds": ..., "answers": ...}."""
        if self.process.stdin is None or self.process.stdout is None:
            raise ValueError("started without pipes")
        self.process.stdin.write(json.dumps([command, count]) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


def torch_peer(subject: Subject) -> AbstractContextManager[TorchPeer]:
    """Start PyTorch with the weights and prepared images of `subject`.

    Raises:
        MissingExtraError: PyTorch is not installed in the interpreter that was named.
        CheckFailedError: It computes something else than Keras.
    """
    python = subject.options.torch_python
    found = subprocess.run([python, "-c", "import torch"], check=False, capture_output=True, text=True)
    if found.returncode:
        raise MissingExtraError(
            "PyTorch for this peer",
            found=found.stderr.strip().rpartition("\n")[2],
            fix="pip install 'breakhis[bench]'",
        )
    return _running(python, subject)


@contextmanager
def _running(python: Path, subject: Subject) -> Iterator[TorchPeer]:
    weights, images = subject.folder / "weights.npz", subject.folder / "images.npy"
    np.savez(weights, **subject.weights)  # type: ignore[arg-type]
    np.save(images, subject.squares(subject.batch))
    command = [python, _SCRIPT, weights, images]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = json.loads(process.stdout.readline() if process.stdout else "")
            peer = TorchPeer(first["version"], process)
            _compare(peer, subject)
            yield peer
        finally:
            process.terminate()


@contextmanager
def torch_job(subject: Subject, command: str, count: int) -> Iterator[tuple[dict[str, Job], str]]:
    """{"torch": a job that does `command` with `count` images} and "", or {} and why not."""
    if command == "predict" and subject.options.model is not None:
        yield {}, "PyTorch, whose network has the plain head, not that of the model that was named"
        return
    try:
        peer = torch_peer(subject)
    except MissingExtraError as error:
        yield {}, f"PyTorch ({error.found})"
        return
    with peer as running:

        def job(_: int) -> int:
            running.ask(command, count)
            return count

        yield {"torch": job}, ""


def _compare(peer: TorchPeer, subject: Subject) -> None:
    count = min(4, subject.batch)
    set_weights(subject.network, subject.weights)  # another measure may have trained it
    theirs = np.asarray(peer.ask("predict", count)["answers"])
    ours = subject.network.predict(subject.squares(count).astype(np.float32), verbose=0)
    difference = float(np.abs(theirs - ours).max())
    if difference > _TOLERANCE:
        raise CheckFailedError(
            f"PyTorch and Keras to agree within {_TOLERANCE}", found=str(difference), fix="report this"
        )
