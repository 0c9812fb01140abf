"""What the machine at hand is told before a training: threads, determinism, precision."""

import time
from pathlib import Path

import keras
import tensorflow as tf

from breakhis.config import TrainConfig
from breakhis.errors import UsageError

_REPEATS = 5


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
    """Keras' name of the dtype policy.

    "auto" leaves float32 only to train convolutions, only where the hardware computes in less, and only where
    a convolution of the network's third stage and its gradients measure faster so.
    """
    wanted: str = config.fit.precision
    if wanted == "auto":
        wanted = "float32"
        if config.fit.strategy not in ("frozen", "linear") and not config.deterministic:
            half = "float16" if has_gpu() else "bfloat16" if _cpu_computes_bfloat16() else "float32"
            if half != "float32" and _seconds_of_step(half) < _seconds_of_step("float32"):
                wanted = half
    return wanted if wanted == "float32" else f"mixed_{wanted}"


def _seconds_of_step(dtype: str) -> float:
    """Least time of a 3 x 3 convolution of 16 maps of 28 x 28 x 128, and of its gradients."""
    maps, kernel = tf.ones((16, 28, 28, 128), dtype), tf.ones((3, 3, 128, 32), dtype)
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        with tf.GradientTape() as tape:
            tape.watch((maps, kernel))
            total = tf.reduce_sum(tf.nn.conv2d(maps, kernel, strides=1, padding="SAME"))
        for gradient in tape.gradient(total, (maps, kernel)):
            float(tf.reduce_sum(gradient))  # waits for the device
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _cpu_computes_bfloat16() -> bool:
    """Whether the processor has bfloat16 matrix instructions (Linux tells in /proc/cpuinfo)."""
    facts = Path("/proc/cpuinfo")
    return facts.exists() and "avx512_bf16" in facts.read_text()
