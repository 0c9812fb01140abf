"""What the machine at hand is told before a training: threads, determinism, precision."""

from pathlib import Path

import keras
import tensorflow as tf

from breakhis.config import TrainConfig
from breakhis.errors import UsageError


def prepare_device(config: TrainConfig) -> None:
    """Set seed, threads, determinism and precision for a training.

    `frozen` and `linear` only fit dense layers, whose operations have deterministic versions for any number
    of threads. The convolutions of the other strategies need one thread as well, at about 1.7 times the time,
    so they are deterministic only where the configuration asks for it. TensorFlow's rewriting of graphs is
    off then: what it adds up first differs between processes, by a rounding error in the first gradient.

    Raises:
        UsageError: One thread is needed but TensorFlow already runs with more in this process.
    """
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        _use_one_thread()
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if config.deterministic or config.fit.strategy in ("frozen", "linear"):
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(choose_precision(config))


def _use_one_thread() -> None:
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() == threading.get_inter_op_parallelism_threads() == 1:
        return
    try:
        threading.set_intra_op_parallelism_threads(1)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise UsageError(
            "a process in which TensorFlow has not run yet, for training on one thread",
            found="TensorFlow at work with several threads",
            fix="train in a fresh process",
        ) from error


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def choose_precision(config: TrainConfig) -> str:
    """Keras' name of the dtype policy; "auto" leaves float32 only where the hardware computes in less."""
    wanted = config.fit.precision
    if wanted == "auto":
        if config.fit.strategy in ("frozen", "linear") or config.deterministic:
            wanted = "float32"
        elif has_gpu():
            wanted = "float16"
        else:
            wanted = "bfloat16" if _cpu_computes_bfloat16() else "float32"
    return wanted if wanted == "float32" else f"mixed_{wanted}"


def _cpu_computes_bfloat16() -> bool:
    """Whether the processor has bfloat16 matrix instructions (Linux tells in /proc/cpuinfo)."""
    facts = Path("/proc/cpuinfo")
    return facts.exists() and "avx512_bf16" in facts.read_text()
