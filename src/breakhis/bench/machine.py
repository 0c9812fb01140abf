"""Facts about the machine that speeds depend on, and its limit: the rate of matrix products."""

import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np

_PACKAGES: Final = ("breakhis", "keras", "tensorflow-cpu", "tensorflow", "openvino", "torch", "numpy")
_DECODERS: Final = ("opencv-python-headless", "pillow")
_SETS: Final = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx_vnni": "VNNI",
    "avx512_bf16": "bfloat16",
    "amx_bf16": "AMX bfloat16",
    "amx_int8": "AMX int8",
    "asimd": "NEON",
    "sve": "SVE",
    "bf16": "bfloat16",
}
_SIDE: Final = 2048
_REPEATS: Final = 5


def machine_facts() -> dict[str, str]:
    """{fact: value} for people, without the name or a path of the machine."""
    from breakhis.engine import supported_precisions

    information = _processor()
    flags = (information.get("flags") or information.get("Features") or "").split()
    sets = list(dict.fromkeys(name for flag, name in _SETS.items() if flag in flags))
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "processor": information.get("model name") or platform.processor() or platform.machine(),
        "cores": str(_cores()),
        "instruction sets": ", ".join(sets) or "unknown",
        "engine computes in": ", ".join(supported_precisions()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "load before": f"{load} (1 minute's mean; an idle machine is near 0)",
        "matrix product, float32": f"{matrix_product_rate():.0f} GFLOP/s ({_SIDE} x {_SIDE}, NumPy)",
        "Python": platform.python_version(),
        **_versions((*_PACKAGES, *_DECODERS)),
    }


def matrix_product_rate(side: int = _SIDE) -> float:
    """GFLOP/s of a square float32 product in NumPy by all cores, the best of several."""
    one = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    np.dot(one, one)
    return 2 * side**3 / min(_seconds(lambda: np.dot(one, one)) for _ in range(_REPEATS)) / 1e9


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _processor() -> dict[str, str]:
    """What Linux says of the first core; empty elsewhere."""
    table = Path("/proc/cpuinfo")
    if not table.exists():
        return {}
    first = table.read_text("utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
