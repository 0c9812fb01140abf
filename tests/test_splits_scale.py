"""A million images of fifty thousand cases: time and memory of a split by case, in a process of its own."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource, time
from pathlib import Path
import numpy as np
from breakhis.catalog import Catalog
from breakhis.config import SplitConfig
from breakhis.splits import make_split

IMAGES, CASES = 1_000_000, 50_000
rng = np.random.default_rng(0)
case = np.sort(np.concatenate([np.arange(CASES), rng.integers(0, CASES, IMAGES - CASES)]))
mixed = (rng.random(CASES) < 0.1)[case] & (rng.random(IMAGES) < 0.5)
labels = np.where(mixed, rng.integers(0, 8, IMAGES), rng.integers(0, 8, CASES)[case])
cases = np.char.add("14-", np.arange(100_000, 100_000 + CASES).astype(str))[case]
paths = np.char.add(np.char.add(cases, "/"), np.char.zfill(np.arange(IMAGES).astype(str), 7))
zeros = np.zeros(IMAGES, np.int64)
catalog = Catalog(Path("x"), paths, labels, zeros, cases, cases.copy(), zeros.copy(), zeros.copy())
start = time.perf_counter()
split = make_split(catalog, SplitConfig(), seed=0)
seconds = time.perf_counter() - start
counts = split.counts[0]
parts = [counts[name]["classes"] for name in counts]


def tested(unit):
    held = np.array([[one[unit] for one in part.values()] for part in parts])
    return (held[list(counts).index("test")] / held.sum(axis=0)).tolist()


print(json.dumps({
    "seconds": seconds,
    "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    "verdict": split.leakage.verdict,
    "share": {unit: tested(unit) for unit in ("images", "cases")},
}))
"""


@pytest.mark.slow
def test_a_million_images_are_divided_in_time_and_memory() -> None:
    answer = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    measured = json.loads(answer.stdout)
    assert measured["seconds"] < 30
    assert measured["gigabytes"] < 2
    assert measured["verdict"] == "clean"
    assert measured["share"]["cases"] == pytest.approx([0.2] * 8, abs=1e-3)
    assert measured["share"]["images"] == pytest.approx([0.2] * 8, abs=1e-3)
