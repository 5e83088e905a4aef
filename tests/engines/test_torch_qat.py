"""Networks trained with quantization in mind by PyTorch itself, exported to ONNX by its own exporter; skipped without PyTorch."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.converter.agreement import Array, converted, kinds, run_jitlite, run_onnx, run_tflite
from tests.converter.quantizing import float_operators, integers, steps_apart

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
quantization = pytest.importorskip("torch.ao.quantization.quantize_fx", reason="this PyTorch quantizes elsewhere")
pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("ignore")]
"""PyTorch and its exporter warn of their own future."""

CLASSES, TRAINED, TESTED, ROUNDS, BATCH = 10, 512, 100, 12, 64


def _network() -> Any:
    """Convolutions with normalisation, one of them by channels, a residual sum, pooling, a linear layer."""
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.first_norm = nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
            self.deep, self.deep_norm = nn.Conv2d(16, 16, 3, 1, 1, groups=16, bias=False), nn.BatchNorm2d(16)
            self.point, self.point_norm = nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16)
            self.relu, self.pool, self.mean, self.last = nn.ReLU(), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Linear(16, CLASSES)

        def forward(self, x: Any) -> Any:
            x = self.relu(self.first_norm(self.first(x)))
            y = self.relu(self.deep_norm(self.deep(x)))
            y = self.point_norm(self.point(y))
            x = self.pool(self.relu(x + y))
            return self.last(torch.flatten(self.mean(x), 1))

    network = Network()
    with torch.no_grad():
        for norm in (network.first_norm, network.deep_norm, network.point_norm):
            norm.weight[::3] = -1.0
    return network


def _attention() -> Any:
    """Attention of one head over 8 tokens, and a perceptron behind it."""
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value, self.joined = (nn.Linear(16, 16) for _ in range(4))
            self.wide, self.relu, self.narrow, self.last = nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16), nn.Linear(16, CLASSES)
            self.softmax = nn.Softmax(-1)

        def forward(self, x: Any) -> Any:
            weights = self.softmax(torch.matmul(self.query(x), self.key(x).transpose(1, 2)) * 0.25)
            x = x + self.joined(torch.matmul(weights, self.value(x)))
            x = x + self.narrow(self.relu(self.wide(x)))
            return self.last(x.mean(1))

    return Network()


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {"network": (_network, (3, 16, 16)), "attention": (_attention, (8, 16))}


def _samples(shape: tuple[int, ...], count: int, seed: int) -> tuple[Any, Any]:
    """One pattern a class, under noise."""
    patterns = torch.randn(CLASSES, *shape, generator=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count,), generator=rng)
    return patterns[labels] + 0.7 * torch.randn(count, *shape, generator=rng), labels


@cache
def trained(name: str, backend: str, folder: Path) -> onnx.ModelProto:
    """The network after a second of training, as PyTorch exports it."""
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    images, labels = _samples(shape, TRAINED, 1)
    settings = torch.ao.quantization.get_default_qat_qconfig_mapping(backend, version=0)
    model = quantization.prepare_qat_fx(make().train(), settings, (images[:1],))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for turn in range(ROUNDS):
        if turn == ROUNDS - 3:
            model.apply(torch.ao.nn.intrinsic.qat.freeze_bn_stats)
        for start in range(0, TRAINED, BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[start : start + BATCH]), labels[start : start + BATCH]).backward()
            optimizer.step()
    model.eval()
    model.apply(torch.ao.quantization.disable_observer)
    path = folder / f"{name}_{backend}.onnx"
    torch.onnx.export(model, (images[:1],), path, opset_version=17, dynamo=False, input_names=["x"], output_names=["y"])
    return onnx.load(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.mark.parametrize("backend", ["qnnpack", "fbgemm"])
@pytest.mark.parametrize("name", NETWORKS)
def test_trained_network(name: str, backend: str, folder: Path) -> None:
    """Of weights with a scale for each channel under "fbgemm", whose activations have 7 bits, clipped in the graph."""
    model = trained(name, backend, folder)
    made = converted(model)
    assert float_operators(made) == []
    images, labels = (each.numpy() for each in _samples(NETWORKS[name][1], TESTED, 2))
    feeds: list[dict[str, Array]] = [{"x": image[None]} for image in images]
    apart = steps_apart(made, integers(model, feeds[0], as_written=True) | feeds[0])
    assert len(apart) > 5
    assert {key: steps for key, steps in apart.items() if steps[1] > 1} == {}
    wanted = [int(np.argmax(run_onnx(model, feed, as_written=True)[0])) for feed in feeds]
    found = [int(np.argmax(run_tflite(made, feed)[0])) for feed in feeds]
    assert np.mean(np.equal(wanted, labels)) > 0.9, "what was not learned shows nothing"
    assert np.mean(np.equal(found, wanted)) >= 0.99
    assert np.argmax(run_jitlite(made, feeds[0])[0]) == found[0]
    if name == "network":
        assert kinds(made)["TRANSPOSE"] == 1
