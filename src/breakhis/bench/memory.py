"""Memory of a whole `breakhis train --recipe frozen`, on few and on many images."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from breakhis.bench.report import Bar, Found, Row
from breakhis.bench.subject import Subject
from breakhis.bench.timing import Ratio
from breakhis.errors import CheckFailedError

_SIDE = 32
_COUNTS = (1_000, 20_000)
_QUICK_COUNTS = (200, 400)
_GROUPS = (("B", "A"), ("B", "F"), ("M", "DC"), ("M", "LC"))
_CASES = 10
_SETTINGS = ("images.size=32", "fit.epochs=2", "split.test=0.1", "split.validation=0.1")


def memory(subject: Subject) -> Found:
    """Peak resident size; small images, since the pixels of none are kept."""
    few, many = _QUICK_COUNTS if subject.quick else _COUNTS
    peaks = {count: _peak(subject.folder / f"memory-{count}", count) for count in (few, many)}
    ratio = peaks[many] / peaks[few]
    what = f"peak memory of `train --recipe frozen`, {many:,} images / {few:,}, of {_SIDE} x {_SIDE} pixels"
    return [
        Row(what, peaks[many], peaks[few], "MB", Ratio(ratio, ratio, ratio), Bar(1.3, 1.1, at_most=True))
    ], ""


def _peak(folder: Path, count: int) -> float:
    """MB of the largest process of a training on `count` images."""
    _write(folder / "data", count)
    settings = [word for setting in _SETTINGS for word in ("--set", setting)]
    command = [sys.executable, "-m", "breakhis", "train", str(folder / "data"), "--out", str(folder / "run")]
    command += ["--recipe", "frozen", "--weights", "none", *settings]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
        raise CheckFailedError("a training that ends", found=last, fix="run the same command by hand")
    return usage.ru_maxrss / 1024


def _write(folder: Path, count: int) -> None:
    """Noise under names of four subtypes, ten cases each, all magnifications."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(count):
        group, code = _GROUPS[number % 4]
        case, sequence = divmod(number // 4, -(-count // (4 * _CASES)))
        magnification = (40, 100, 200, 400)[sequence % 4]
        name = (
            f"SOB_{group}_{code}-14-{1000 + 100 * (number % 4) + case}-{magnification}-{sequence + 1:03d}.png"
        )
        cv2.imwrite(str(folder / name), generator.integers(256, size=(_SIDE, _SIDE, 3), dtype=np.uint8))
