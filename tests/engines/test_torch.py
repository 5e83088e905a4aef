"""Trained PyTorch networks: modules, exported programs and their files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitlite
from jitlite.schemas import ConversionError, write_model
from jitlite.tools.runners import TfliteModel
from tests.engines import data
from tests.engines.agreement import agree, needs, quantized
from tests.tools.network import fail, parsed

pytestmark = needs("torch", "onnxscript")

PICTURES, DIRECTIONS = data.stripes(512)
TEST, TEST_DIRECTIONS = data.stripes(200, seed=1)
TOKENS, MARKERS = data.sentences(512)


def channels_first(pictures: Any) -> Any:
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))


def trained(module: Any, inputs: Any, labels: Any, steps: int) -> Any:
    import torch

    rng, optimizer = np.random.default_rng(0), torch.optim.Adam(module.parameters(), 0.01)
    module.train()
    for _ in range(steps):
        chosen = rng.integers(0, len(inputs), 64)
        loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(inputs[chosen])), torch.from_numpy(labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.eval()


def results(module: Any, inputs: Any) -> Any:
    import torch

    with torch.no_grad():
        return module(torch.from_numpy(inputs)).numpy()


@pytest.fixture(scope="module")
def convolutional() -> Any:
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Hardswish(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 16, 1),
        nn.SiLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(16 * 16, data.CLASSES),
    )
    return trained(module, channels_first(PICTURES), DIRECTIONS, 60)


@pytest.fixture(scope="module")
def transformer() -> Any:
    import torch
    from torch import nn

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(40, 16)
            self.places = nn.Parameter(torch.randn(1, 12, 16) / 4)
            layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu", dropout=0.1)
            self.encoder = nn.TransformerEncoder(layer, 2)
            self.scores = nn.Linear(16, data.CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.scores(self.encoder(self.words(tokens) + self.places).mean(1))

    torch.manual_seed(1)
    return trained(Classifier(), TOKENS, MARKERS, 40)


def exported(module: Any, inputs: Any) -> Any:
    """The program of a module for any number of samples."""
    import torch

    return torch.export.export(module, (torch.from_numpy(inputs[:2]),), dynamic_shapes=({0: torch.export.Dim("batch")},))


def outputs(model: Any, wanted: Any) -> dict[str, Any]:
    (entry,) = model.signature_defs[0].outputs
    return {entry.name: wanted}


def test_a_module(convolutional: Any) -> None:
    pictures = channels_first(TEST[:1])
    convolutional.train()
    model = jitlite.convert(convolutional, example_inputs=(pictures,))
    assert convolutional.training
    wanted = results(convolutional.eval(), pictures)
    agree(model, {"input": pictures}, outputs(model, wanted))


def test_channels_last(convolutional: Any) -> None:
    import torch

    model = jitlite.convert(convolutional, example_inputs=torch.zeros(1, 1, 16, 16), nhwc_inputs=True)
    assert TfliteModel(write_model(model)).inputs[0].shape == (1, 16, 16, 1)
    wanted = results(convolutional, channels_first(TEST[:1]))
    found = agree(model, {"input": TEST[:1]}, outputs(model, wanted))
    assert found["TRANSPOSE"] <= 1, "flattening wants the order of PyTorch, nothing else does"


def test_an_exported_program_of_any_batch(convolutional: Any) -> None:
    pictures = channels_first(TEST)
    wanted = results(convolutional, pictures)
    assert (wanted.argmax(1) == TEST_DIRECTIONS).mean() > 0.8
    model = jitlite.convert(exported(convolutional, pictures))
    assert TfliteModel(write_model(model)).inputs[0].shape == (-1, 1, 16, 16)
    agree(model, {"input": pictures}, outputs(model, wanted))


def test_its_file_in_integers(convolutional: Any, tmp_path: Path) -> None:
    import torch

    pictures, path, out = channels_first(TEST), tmp_path / "model.pt2", tmp_path / "int8.tflite"
    torch.export.save(exported(convolutional, pictures), path)
    np.savez(tmp_path / "samples.npz", input=channels_first(PICTURES[:100]))
    arguments = ("--quantize", "int8", "--calibration", tmp_path / "samples.npz", "--io", "int8")
    found = parsed("convert", path, "-o", out, *arguments)
    (name,) = found["check"]["outputs"]
    wanted = results(convolutional, pictures)
    ours = quantized(out.read_bytes(), "input", pictures, name)
    assert (ours.argmax(1) == wanted.argmax(1)).mean() >= 0.98


@pytest.mark.parametrize("way", ["module", "program", "file"])
def test_a_transformer(way: str, transformer: Any, tmp_path: Path) -> None:
    import torch

    tokens, markers = data.sentences(1 if way == "module" else 50, seed=2)
    if way == "module":
        model = jitlite.convert(transformer, example_inputs=(tokens,))
    else:
        program = exported(transformer, TOKENS)
        torch.export.save(program, tmp_path / "model.pt2")
        model = jitlite.convert(program if way == "program" else tmp_path / "model.pt2")
    wanted = results(transformer, tokens)
    found = agree(model, {"tokens": tokens}, outputs(model, wanted))
    assert found["GELU"] == found["SOFTMAX"] == 2
    if way != "module":
        assert (wanted.argmax(1) == markers).mean() > 0.8


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_modules(kind: str) -> None:
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = getattr(nn, kind)(5, 8, num_layers=2, batch_first=True, bidirectional=True)
            self.scores = nn.Linear(16, data.CLASSES)

        def forward(self, wave: Any) -> Any:
            return self.scores(self.layer(wave)[0][:, -1])

    torch.manual_seed(2)
    waves, speeds = data.waves(256)
    module = trained(Recurrent(), waves, speeds, 5)
    model = jitlite.convert(module, example_inputs=(waves[:1],))
    agree(model, {"wave": waves[:1]}, outputs(model, results(module, waves[:1])))


def test_a_module_needs_example_inputs(convolutional: Any) -> None:
    with pytest.raises(TypeError, match=r"example_inputs, a tuple of the arguments of a torch.nn.Module, is required"):
        jitlite.convert(convolutional)
    with pytest.raises(ConversionError, match=r"torch\.onnx cannot export the model"):
        jitlite.convert(convolutional, example_inputs=(np.zeros((1, 3, 16, 16), np.float32),))


def test_what_torch_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(b"no archive")
    assert f"'{path}': PyTorch cannot export the model: " in fail("convert", path, "-o", tmp_path / "out.tflite")
