"""Train a small depthwise-separable CNN on Fashion-MNIST and export it to ONNX.

Writes into the output folder:

* ``model.onnx``       input ``image`` [batch, 1, 28, 28] in [0, 1], output ``logits`` [batch, 10]
* ``test.npz``         the 10 000 test images and labels, both uint8
* ``calibration.npz``  500 training images under the key ``image``, float32 in [0, 1]
"""

from __future__ import annotations

import argparse
import copy
import gzip
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.optim.lr_scheduler import OneCycleLR

CLASSES = 10
CHUNK = 500


def read_idx(path: Path) -> np.ndarray:
    """Read one gzip-compressed idx file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an idx file of unsigned bytes")
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def to_input(images: np.ndarray) -> Tensor:
    """Turn uint8 images [N, 28, 28] into the network's input [N, 1, 28, 28] in [0, 1]."""
    return torch.from_numpy(images.astype(np.float32) / np.float32(255)).unsqueeze(1)


def conv_bn(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A bias-free convolution followed by batch normalization."""
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    """Pointwise expansion, depthwise 3x3, pointwise projection, and a skip where shapes agree."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.skip = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *conv_bn(inputs, hidden, 1),
            nn.ReLU6(),
            *conv_bn(hidden, hidden, 3, stride, groups=hidden),
            nn.ReLU6(),
            *conv_bn(hidden, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.skip else y


def build_network() -> nn.Sequential:
    """The network: stem, six inverted residual blocks, pointwise head, average pool, linear."""
    return nn.Sequential(
        *conv_bn(1, 16, 3),
        nn.ReLU6(),
        InvertedResidual(16, 48, 24, stride=2),
        InvertedResidual(24, 72, 24, stride=1),
        InvertedResidual(24, 72, 24, stride=1),
        InvertedResidual(24, 96, 40, stride=2),
        InvertedResidual(40, 160, 40, stride=1),
        InvertedResidual(40, 160, 40, stride=1),
        *conv_bn(40, 160, 1),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(160, CLASSES),
    )


def count_macs(network: nn.Module) -> int:
    """Multiply-accumulates of the convolutions and the linear layer for one image."""
    probe = copy.deepcopy(network)
    macs: list[int] = []

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        macs.append(output[0].numel() * layer.weight[0].numel())

    for layer in probe.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    predict(probe, torch.zeros(1, 1, 28, 28))
    return sum(macs)


def augment(images: Tensor, shift: int = 2) -> Tensor:
    """Flip each image horizontally with probability 1/2 and shift it by up to `shift` pixels."""
    count, _, height, width = images.shape
    flip = torch.rand(count, 1, 1, 1) < 0.5
    padded = functional.pad(torch.where(flip, images.flip(3), images), (shift,) * 4)
    top, left = torch.randint(0, 2 * shift + 1, (2, count, 1, 1))
    rows = top + torch.arange(height).view(1, -1, 1)
    columns = left + torch.arange(width).view(1, 1, -1)
    return padded[torch.arange(count).view(-1, 1, 1), 0, rows, columns].unsqueeze(1)


@torch.inference_mode()
def predict(network: nn.Module, images: Tensor) -> Tensor:
    """Logits in evaluation mode; the network is left in that mode."""
    network.eval()
    return torch.cat([network(batch) for batch in images.split(CHUNK)])


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Fraction of rows whose largest logit is at the label."""
    return (logits.argmax(1) == labels).double().mean().item()


def train(network: nn.Module, images: Tensor, labels: Tensor, options: argparse.Namespace) -> None:
    """Train in place with SGD, Nesterov momentum, a one-cycle rate and label smoothing."""
    epochs, batch, rate = options.epochs, options.batch, options.rate
    kernels = {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 5e-4}
    others = {"params": [p for p in network.parameters() if p.ndim == 1], "weight_decay": 0.0}
    optimizer = torch.optim.SGD([kernels, others], lr=rate, momentum=0.9, nesterov=True)
    steps = epochs * math.ceil(len(images) / batch)
    schedule = OneCycleLR(optimizer, rate, steps, pct_start=0.2, cycle_momentum=False)
    for epoch in range(1, epochs + 1):
        network.train()
        started, loss_sum, correct = time.perf_counter(), 0.0, 0
        for index in torch.randperm(len(images)).split(batch):
            pixels = augment(images[index]).contiguous(memory_format=torch.channels_last)
            logits = network(pixels)
            loss = functional.cross_entropy(logits, labels[index], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(index)
            correct += int((logits.argmax(1) == labels[index]).sum())
        seconds, loss_mean = time.perf_counter() - started, loss_sum / len(images)
        progress = f"loss {loss_mean:.4f}  accuracy {correct / len(images):.2%}  {seconds:.0f} s"
        print(f"epoch {epoch:2d}/{epochs}  {progress}", flush=True)


def fold_and_round_weights(network: nn.Module) -> tuple[nn.Module, list[float]]:
    """A copy with folded batch norms and per-channel int8 kernels; each layer's largest weight."""
    folded = copy.deepcopy(network).eval()
    largest: list[float] = []
    for module in [m for m in folded.modules() if isinstance(m, nn.Sequential)]:
        for index, layer in enumerate(module):
            if isinstance(layer, nn.Conv2d):
                layer = module[index] = fuse_conv_bn_eval(layer, module[index + 1])
                module[index + 1] = nn.Identity()
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                weight = layer.weight.detach()
                scale = weight.abs().amax(tuple(range(1, weight.ndim)), keepdim=True) / 127 + 1e-12
                layer.weight.data = (weight / scale).round() * scale
                largest.append(weight.abs().max().item())
    return folded, largest


def export(network: nn.Module, path: Path) -> None:
    """Write one self-contained ONNX file that still has its batch norms as separate nodes."""
    torch.onnx.export(
        network.eval().to(memory_format=torch.contiguous_format),
        (torch.zeros(1, 1, 28, 28),),
        str(path),
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        dynamo=False,
    )
    onnx.checker.check_model(str(path), full_check=True)


def pick_calibration(images: np.ndarray, labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw `count` training images, the classes taking turns, as network inputs."""
    order = np.random.default_rng(seed).permutation(len(images))
    chosen = [order[labels[order] == label][: count // CLASSES] for label in range(CLASSES)]
    return to_input(images[np.stack(chosen, axis=1).ravel()]).numpy()


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    formatter = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=formatter)
    data, out = Path("/usr/share/datasets/fashion-mnist"), Path(__file__).resolve().parent
    parser.add_argument("--data", type=Path, default=data, help="folder of the four idx .gz files")
    parser.add_argument("--out", type=Path, default=out, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=12, help="passes over the training images")
    parser.add_argument("--batch", type=int, default=128, help="images per step")
    parser.add_argument("--rate", type=float, default=0.2, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    return parser.parse_args()


def main() -> None:
    """Train, export, write the data files and check the exported model."""
    args = parse_arguments()
    torch.set_num_threads(2)
    torch.manual_seed(args.seed)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    arrays = [read_idx(args.data / f"{name}-ubyte.gz") for name in names]
    train_images, train_labels, test_images, test_labels = arrays
    inputs, targets = to_input(test_images), torch.tensor(test_labels).long()
    network = build_network().to(memory_format=torch.channels_last)
    parameters = sum(p.numel() for p in network.parameters())
    print(f"{parameters} parameters, {count_macs(network):,} multiply-accumulates per image")

    started = time.perf_counter()
    train(network, to_input(train_images), torch.tensor(train_labels).long(), args)
    print(f"trained in {time.perf_counter() - started:.0f} s")

    args.out.mkdir(parents=True, exist_ok=True)
    export(network, args.out / "model.onnx")
    np.savez_compressed(args.out / "test.npz", images=test_images, labels=test_labels)
    calibration = pick_calibration(train_images, train_labels, 500, args.seed)
    np.savez_compressed(args.out / "calibration.npz", image=calibration)

    expected = predict(network, inputs)
    session = onnxruntime.InferenceSession(args.out / "model.onnx")
    chunks = [session.run(["logits"], {"image": x.numpy()})[0] for x in inputs.split(CHUNK)]
    actual = torch.from_numpy(np.concatenate(chunks))
    rounded, largest = fold_and_round_weights(network)
    print(f"test accuracy, PyTorch       {accuracy(expected, targets):.2%}")
    print(f"test accuracy, ONNX Runtime  {accuracy(actual, targets):.2%}")
    print(f"largest logit difference     {(expected - actual).abs().max().item():.1e}")
    print(f"test accuracy, int8 weights  {accuracy(predict(rounded, inputs), targets):.2%}")
    print(f"largest folded weights       {min(largest):.2f} to {max(largest):.2f} by layer")
    counts = Counter(node.op_type for node in onnx.load(args.out / "model.onnx").graph.node)
    print("operators: " + ", ".join(f"{name} x{count}" for name, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
