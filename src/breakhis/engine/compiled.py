"""Compiled graphs: made for this processor once, then read from the cache folder."""

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import openvino as ov

from breakhis.errors import UsageError, WeightsError
from breakhis.files import cache_folder, hash_json, storage_errors, write_bytes

Precision = Literal["float32", "bfloat16", "int8"]

_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""What is not quantised of an int8 graph is computed in float32."""
_DIGEST = hashlib.sha256().digest_size
_KEPT = 12  # compiled graphs of about 30 MB each


@cache
def _core() -> ov.Core:
    return ov.Core()


def supported_precisions() -> tuple[Precision, ...]:
    """Precisions of floating point that this processor computes in, the most exact first."""
    capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("float32", "bfloat16") if "BF16" in capabilities else ("float32",)


def settings(precision: Precision, *, threads: int | None = None) -> dict[str, str]:
    """OpenVINO's settings; the precision is explicit because its own choice differs between processors.

    Raises:
        UsageError: This processor does not compute in `precision`.
    """
    if precision not in (*supported_precisions(), "int8"):
        raise UsageError(
            f"a processor that computes in {precision}",
            found=str(_core().get_property("CPU", "FULL_DEVICE_NAME")),
            fix="use float32, or leave the precision to the model",
        )
    chosen = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        chosen["INFERENCE_NUM_THREADS"] = str(threads)
    return chosen


def compile_graph(
    build: Callable[[], ov.Model], options: dict[str, str], *, key: str | None = None
) -> ov.CompiledModel:
    """Compile a graph, or read what an earlier process compiled.

    Args:
        build: Makes the graph; not called where the compiled one is found.
        options: As `settings` gives them.
        key: What identifies the graph; None keeps nothing on disk. The processor, OpenVINO's version and the
            options are added to it.
    """
    if key is None:
        return _core().compile_model(build(), "CPU", options)
    device = str(_core().get_property("CPU", "FULL_DEVICE_NAME"))
    name = hash_json([key, options, device, ov.__version__, os.cpu_count()])
    file = cache_folder() / "compiled" / f"{name}.blob"
    compiled = _read(file, options)
    if compiled is None:
        compiled = _core().compile_model(build(), "CPU", options)
        _keep(file, compiled)
    return compiled


def read_quantised(files: tuple[bytes, bytes] | None, dtype: type[np.generic]) -> ov.Model:
    """A quantised graph from its XML and weights, for images of `dtype`.

    Raises:
        WeightsError: There is none, or it cannot be read.
    """
    try:
        if files is None:
            raise ValueError("none")
        model = _core().read_model(*files)
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            "a quantised graph for int8",
            found=str(error),
            fix="export the bundle again with --precision int8",
        ) from error
    if dtype is np.uint8:
        prepared = ov.preprocess.PrePostProcessor(model)
        prepared.input().tensor().set_element_type(ov.Type.u8)
        model = prepared.build()
    return model


def _read(file: Path, options: dict[str, str]) -> ov.CompiledModel | None:
    """The kept graph; None where it is absent, cut, altered or of another build."""
    try:
        content = file.read_bytes()
        digest, blob = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(blob).digest() != digest:
            return None
        return _core().import_model(blob, "CPU", options)
    except (OSError, RuntimeError):
        return None


def _keep(file: Path, compiled: ov.CompiledModel) -> None:
    blob = compiled.export_model().getvalue()
    with storage_errors(file):
        write_bytes(file, hashlib.sha256(blob).digest() + blob)
        kept = sorted(file.parent.glob("*.blob"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in kept[_KEPT:]:
            old.unlink(missing_ok=True)
