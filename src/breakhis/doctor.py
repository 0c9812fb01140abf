"""What works on this machine: each check says its status, its name, what it saw and the fix.

Whatever is missing, the doctor itself runs, so what it examines is imported where it is examined, and
nothing heavy is imported: versions are read from package metadata, and TensorFlow is asked for its GPUs in a
process of its own, and only where a driver is there.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from breakhis.errors import BundleError
from breakhis.files import cache_folder

Status = Literal["ok", "warning", "failed"]

MODULES: Final = {
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "python-multipart": "python_multipart",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
}
"""Distributions whose module is not their name with underscores."""

_EXTRAS: Final = {"train": "train, crossval and twin", "export": "export to ONNX, LiteRT and int8"}
_THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)
_STORE_BYTES: Final = 7909 * 224 * 224 * 3
_LOW_MEMORY_BYTES: Final = 2 * 1024**3
_GPU_SECONDS: Final = 120


@dataclass(frozen=True)
class Check:
    """One finding; `fix` is empty where nothing needs to be done."""

    status: Status
    name: str
    message: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """The four fields as they are."""
        return asdict(self)


def examine() -> Iterator[Check]:
    """Run every check, cheap ones first; none raises for what it looks for."""
    checks: tuple[Callable[[], Iterator[Check]], ...] = (
        check_python,
        check_requirements,
        check_engine,
        check_model,
        check_machine,
        check_threads,
        check_cache,
        check_gpu,
    )
    for check in checks:
        yield from check()


def check_python() -> Iterator[Check]:
    """The running Python against the versions that the package supports."""
    version = ".".join(map(str, sys.version_info[:3]))
    if version in SpecifierSet(">=3.11,<3.14"):
        yield Check("ok", "Python", f"{version} at {sys.executable}")
    else:
        yield Check(
            "failed", "Python", f"{version}, not 3.11 to 3.13", "make the environment with Python 3.12"
        )


def check_requirements() -> Iterator[Check]:
    """Every requirement of the package, and of its extras, by metadata and by finding its module."""
    try:
        requirements = [Requirement(line) for line in importlib.metadata.requires("breakhis") or []]
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "warning",
            "requirements",
            "breakhis is run from its sources without being installed, so its requirements are unknown",
            "python -m pip install --editable .",
        )
        return
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            problem = _problem(requirement)
            status: Status = "failed" if problem else "ok"
            fix = f"python -m pip install '{requirement.name}{requirement.specifier}'" if problem else ""
            yield Check(
                status, requirement.name, problem or importlib.metadata.version(requirement.name), fix
            )
    for extra, purpose in _EXTRAS.items():
        yield _check_extra(extra, purpose, requirements)


def _check_extra(extra: str, purpose: str, requirements: list[Requirement]) -> Check:
    wanted = [
        requirement
        for requirement in requirements
        if requirement.marker is not None
        and requirement.marker.evaluate({"extra": extra})
        and not requirement.marker.evaluate({"extra": ""})
    ]
    problems = [
        f"{requirement.name} {problem}" for requirement in wanted if (problem := _problem(requirement))
    ]
    name = f"extra: {extra}"
    if problems:
        fix = f"python -m pip install 'breakhis[{extra}]'"
        return Check("warning", name, f"{'; '.join(problems)}: needed to {purpose}", fix)
    versions = (f"{wish.name} {importlib.metadata.version(wish.name)}" for wish in wanted)
    return Check("ok", name, ", ".join(versions))


def _problem(requirement: Requirement) -> str:
    """What is wrong with an installed requirement; empty if nothing."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"
    if not requirement.specifier.contains(version, prereleases=True):
        return f"{version} is not {requirement.specifier}"
    module = MODULES.get(requirement.name.lower(), requirement.name.lower().replace("-", "_"))
    if importlib.util.find_spec(module) is None:
        return f"{version} has no module {module}"
    return ""


def check_engine() -> Iterator[Check]:
    """The inference engine, its devices and the precisions that each is made for."""
    try:
        import openvino

        core = openvino.Core()
        devices = [
            f"{device}: {core.get_property(device, 'FULL_DEVICE_NAME')} "
            f"({', '.join(_precisions(core.get_property(device, 'OPTIMIZATION_CAPABILITIES')))})"
            for device in core.available_devices
        ]
    except (ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        yield Check("failed", "engine", reason, "python -m pip install --force-reinstall openvino")
        return
    if devices:
        yield Check("ok", "engine", "; ".join(devices))
    else:
        yield Check("failed", "engine", "OpenVINO finds no device", "use --engine keras")


def check_model(path: Path | None = None) -> Iterator[Check]:
    """The model that comes with the package (or the bundle at `path`): every byte is as it was packed."""
    try:
        from breakhis.bundle import SHIPPED_MODEL, Bundle

        file = path or SHIPPED_MODEL
        if file.exists():
            yield Check("ok", "shipped model", Bundle.open(file).summary())
        else:
            yield Check(
                "warning", "shipped model", "this build has none", "pass --model with a bundle or run"
            )
    except (ImportError, BundleError) as error:
        fix = "python -m pip install --force-reinstall breakhis"
        yield Check("failed", "shipped model", str(error), fix)


def _precisions(capabilities: Iterable[str]) -> list[str]:
    return [name for name in ("FP32", "FP16", "BF16", "INT8") if name in set(capabilities)]


def check_machine() -> Iterator[Check]:
    """Cores that this process may use, and memory that programs can still get."""
    yield Check("ok", "cores", str(_cores()))
    free = _available_memory()
    if free is None:
        yield Check("ok", "memory", "this system does not tell")
    elif free < _LOW_MEMORY_BYTES:
        fix = "end other programs, or train with a smaller fit.batch_size"
        yield Check("warning", "memory", f"{_gigabytes(free)} available", fix)
    else:
        yield Check("ok", "memory", f"{_gigabytes(free)} available")


def check_threads() -> Iterator[Check]:
    """Environment variables that keep libraries from using all cores."""
    limits = [
        f"{name}={os.environ[name]}"
        for name in _THREAD_VARIABLES
        if os.environ.get(name, "").isdigit() and 0 < int(os.environ[name]) < _cores()
    ]
    if limits:
        names = " ".join(limit.partition("=")[0] for limit in limits)
        yield Check("warning", "threads", f"{', '.join(limits)} of {_cores()} cores", f"unset {names}")
    else:
        yield Check("ok", "threads", "no variable limits them")


def check_cache() -> Iterator[Check]:
    """The cache folder: which, whether it can be written, and whether the prepared full set fits."""
    folder = cache_folder()
    origin = "BREAKHIS_CACHE" if os.environ.get("BREAKHIS_CACHE") else "the default"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"breakhis")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        message = f"{folder} ({origin}) cannot be written: {error.strerror}"
        yield Check("failed", "cache", message, "set BREAKHIS_CACHE to a folder that can be written")
        return
    message = f"{folder} ({origin}), {_gigabytes(free)} free"
    if free < _STORE_BYTES:
        fix = "free space, or set BREAKHIS_CACHE to a folder on a larger disk"
        yield Check("warning", "cache", f"{message}; all of BreaKHis needs {_gigabytes(_STORE_BYTES)}", fix)
    else:
        yield Check("ok", "cache", message)


def check_gpu() -> Iterator[Check]:
    """Whether TensorFlow, where it is installed, can use a GPU that is there."""
    if importlib.util.find_spec("tensorflow") is None:
        return
    if shutil.which("nvidia-smi") is None:
        yield Check("ok", "GPU", "no NVIDIA driver: training runs on the CPU")
        return
    script = "import tensorflow; print(len(tensorflow.config.list_physical_devices('GPU')))"
    try:
        answer = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=_GPU_SECONDS, check=True
        )
    except subprocess.SubprocessError as error:
        yield Check("warning", "GPU", f"TensorFlow did not answer: {error}", "python -c 'import tensorflow'")
        return
    count = int(answer.stdout.split()[-1])
    if count:
        yield Check("ok", "GPU", f"TensorFlow uses {count}")
    else:
        fix = "python -m pip install 'breakhis[gpu]' in place of the train extra"
        yield Check("warning", "GPU", "a driver is there, but TensorFlow finds no GPU", fix)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _available_memory() -> int | None:
    """Bytes that programs can still get, as Linux counts them; None elsewhere."""
    table = Path("/proc/meminfo")
    if not table.exists():
        return None
    lines = (line.split() for line in table.read_text("ascii").splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"), None)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
