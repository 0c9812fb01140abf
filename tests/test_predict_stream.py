"""Ten thousand images in flat memory, and going on after a kill."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from breakhis.predictions import Predictions
from model_weights import write_bundle

LIMIT = 1024 * 1024  # kB


def predict(folder: Path, model: Path, out: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, which says its peak memory (Linux, kB) on stdout's last line."""
    script = (
        "import re, sys; from breakhis.cli import run; status = run(sys.argv[1:]); "
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); sys.exit(status)"
    )
    command = [sys.executable, "-c", script, "predict", str(folder), "--model", str(model), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def links(folder: Path, picture: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05d}.png").symlink_to(picture)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell peak memory")
def test_ten_thousand_images_take_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    model = write_bundle(tmp_path / "bundle.zip")
    picture = tmp_path / "picture.png"
    rng = np.random.default_rng(0)
    cv2.imwrite(str(picture), rng.integers(0, 256, (230, 350, 3), dtype=np.uint8))
    peaks = {}
    for count in (1_000, 10_000):
        folder, out = links(tmp_path / str(count), picture, count), tmp_path / f"{count}.csv"
        job = predict(folder, model, out)
        if count == 10_000:
            part = out.with_name(f"{out.name}.part")
            while not (part.exists() and part.stat().st_size > 200_000):
                assert job.poll() is None
                time.sleep(0.02)
            os.kill(job.pid, signal.SIGKILL)
            job.communicate()
            done = part.read_bytes().count(b"\n") - 1
            assert 0 < done < count
            job = predict(folder, model, out)
        stdout, stderr = job.communicate()
        assert job.returncode == 0, stderr
        assert re.search(r"images, \d+/s", stderr), "rate"
        assert "left" in stderr
        peaks[count] = int(stdout.split()[-1])
        assert len(Predictions.load(out)) == count
    assert max(peaks.values()) < LIMIT, peaks
    assert peaks[10_000] < 1.15 * peaks[1_000], peaks
