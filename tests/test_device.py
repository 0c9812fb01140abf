"""What a training computes in: less than float32 only where hardware has it and it measures faster."""

from typing import Any

import pytest

from breakhis.config import load_config
from breakhis.training import device
from breakhis.training.device import choose_precision


def config(recipe: str, **settings: Any) -> Any:
    return load_config(recipe, overrides={f"fit.{name}": value for name, value in settings.items()})


@pytest.mark.parametrize(
    ("hardware", "seconds", "chosen"),
    [
        ("", {}, "float32"),
        ("cpu", {"bfloat16": 1.0, "float32": 2.0}, "mixed_bfloat16"),
        ("cpu", {"bfloat16": 2.0, "float32": 1.0}, "float32"),
        ("gpu", {"float16": 1.0, "float32": 2.0}, "mixed_float16"),
        ("gpu", {"float16": 2.0, "float32": 1.0}, "float32"),
    ],
)
def test_less_than_float32_where_hardware_has_it_and_it_measures_faster(
    monkeypatch: pytest.MonkeyPatch, hardware: str, seconds: dict[str, float], chosen: str
) -> None:
    monkeypatch.setattr(device, "has_gpu", lambda: hardware == "gpu")
    monkeypatch.setattr(device, "_cpu_computes_bfloat16", lambda: hardware == "cpu")
    monkeypatch.setattr(device, "_seconds_of_step", seconds.__getitem__)
    assert choose_precision(config("finetune")) == chosen
    assert choose_precision(config("frozen")) == "float32"
    assert choose_precision(config("finetune", precision="bfloat16")) == "mixed_bfloat16"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_is_timed_in_either(dtype: str) -> None:
    assert device._seconds_of_step(dtype) > 0
