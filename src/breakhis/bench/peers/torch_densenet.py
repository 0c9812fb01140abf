"""A plain PyTorch DenseNet121 that predicts and trains on command, in a process of its own.

`python torch_densenet.py weights.npz images.npy` reads one JSON array a line from stdin, such as
`["predict", 32]`, and answers each with one JSON object on stdout.
"""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

BLOCKS = (6, 12, 24, 16)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPSILON = 1.001e-5
BATCH = 32


class Layer(nn.Module):  # type: ignore[misc]
    """One layer of a dense block: its input with 32 channels more."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm0, self.conv1 = nn.BatchNorm2d(width, EPSILON), nn.Conv2d(width, 128, 1, bias=False)
        self.norm1, self.conv2 = nn.BatchNorm2d(128, EPSILON), nn.Conv2d(128, 32, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, width, h, w) to (B, width + 32, h, w)."""
        new = self.conv1(torch.relu(self.norm0(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm1(new)))], 1)


class DenseNet121(nn.Module):  # type: ignore[misc]
    """(B, size, size, 3) float32 RGB in 0-255 to (B, C) logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64, EPSILON)
        stages, width = [], 64
        for number, layers in enumerate(BLOCKS):
            if number:
                stages += [
                    nn.BatchNorm2d(width, EPSILON),
                    nn.ReLU(),
                    nn.Conv2d(width, width // 2, 1, bias=False),
                ]
                stages.append(nn.AvgPool2d(2))
                width //= 2
            stages += [Layer(width + 32 * index) for index in range(layers)]
            width += 32 * layers
        self.stages, self.last = nn.Sequential(*stages), nn.BatchNorm2d(width, EPSILON)
        self.answer = nn.Linear(width, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = (images / 255 - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
        x = torch.relu(self.norm(self.first(x.permute(0, 3, 1, 2))))
        x = self.stages(nn.functional.max_pool2d(x, 3, 2, 1))
        return self.answer(torch.relu(self.last(x)).mean((2, 3)))


def names() -> Iterator[str]:
    """Names in the file of weights, in the order in which the network has its layers."""
    yield from ("conv1_conv", "conv1_bn")
    for number, layers in enumerate(BLOCKS, start=2):
        if number > 2:
            yield from (f"pool{number - 1}_bn", f"pool{number - 1}_conv")
        for index in range(1, layers + 1):
            block = f"conv{number}_block{index}"
            yield from (f"{block}_0_bn", f"{block}_1_conv", f"{block}_1_bn", f"{block}_2_conv")
    yield from ("bn", "probabilities")


def load(weights: dict[str, np.ndarray]) -> DenseNet121:
    """The network with Keras' weights."""
    network = DenseNet121(len(weights["probabilities/bias"]))
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    layers = [module for module in network.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        for name, layer in zip(names(), layers, strict=True):
            if isinstance(layer, nn.BatchNorm2d):
                parts = ("gamma", "beta", "moving_mean", "moving_variance")
                for part, own in zip(
                    parts, (layer.weight, layer.bias, layer.running_mean, layer.running_var), strict=True
                ):
                    own.copy_(torch.from_numpy(weights[f"{name}/{part}"]))
                continue
            kernel = torch.from_numpy(weights[f"{name}/kernel"])
            layer.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(weights[f"{name}/bias"]))
    network.to(memory_format=torch.channels_last)
    return network


class Worker:
    """What can be asked for."""

    def __init__(self, network: DenseNet121, images: torch.Tensor) -> None:
        self.network, self.images = network, images
        self.optimizer = torch.optim.Adam(network.parameters(), 1e-4)

    def batches(self, count: int) -> Iterator[torch.Tensor]:
        """`count` images in batches."""
        for start in range(0, count, BATCH):
            rows = [row % len(self.images) for row in range(start, min(count, start + BATCH))]
            yield self.images[rows].float()

    def predict(self, count: int) -> list[list[float]]:
        """Probabilities."""
        self.network.eval()
        with torch.inference_mode():
            parts = [torch.softmax(self.network(batch), 1) for batch in self.batches(count)]
        return torch.cat(parts).tolist()  # type: ignore[no-any-return]

    def train(self, count: int) -> None:
        """Steps of Adam."""
        self.network.train()
        for batch in self.batches(count):
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(
                self.network(batch), torch.zeros(len(batch), dtype=torch.long)
            ).backward()
            self.optimizer.step()


def main(weights: str, images: str) -> None:
    """Answer commands until stdin ends."""
    worker = Worker(load(dict(np.load(weights))), torch.from_numpy(np.load(images)))
    sys.stdout.write(json.dumps({"version": torch.__version__}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        command, count = json.loads(line)
        start = time.perf_counter()
        answers = getattr(worker, command)(count)
        seconds = time.perf_counter() - start
        sys.stdout.write(json.dumps({"seconds": seconds, "answers": answers}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
