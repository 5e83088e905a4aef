from pathlib import Path

import numpy as np
import onnx
import pytest

from jitlite.tools.forms import pair_layers
from tests.tools.network import Files, fail, images, network, parsed, succeed


def test_onnx_against_tflite(files: Files) -> None:
    found = parsed("compare", files.onnx, files.float32, "--random", "--tolerance", "1e-4")
    assert found["samples"] == 8
    assert found["outputs"]["scores"]["relative"] < 1e-5
    assert found["outputs"]["scores"]["agreement"] == 1.0


def test_either_side_may_be_either_format(files: Files) -> None:
    for first in (files.onnx, files.float32):
        for second in (files.onnx, files.float32):
            found = parsed("compare", first, second, "--input", files.samples)
            assert found["samples"] == 12
            assert found["outputs"]["scores"]["relative"] < 1e-5


def test_a_model_equals_itself(files: Files) -> None:
    found = parsed("compare", files.int8, files.int8, "--random", "--layers", "--tolerance", "0")
    assert found["outputs"]["scores"]["max_abs"] == 0
    assert found["outputs"]["scores"]["sqnr_db"] is None
    assert len(found["layers"]) >= 3
    assert "exact" in succeed("compare", files.int8, files.int8, "--random").stdout


def test_quantized_values_are_compared_as_real_numbers(files: Files) -> None:
    found = parsed("compare", files.float32, files.int8, "--input", files.samples)["outputs"]["scores"]
    assert 20 < found["sqnr_db"] < 80
    assert found["cosine"] > 0.99
    assert parsed("compare", files.int8, files.float32, "--input", files.samples)["outputs"]["scores"]["sqnr_db"] > 20


def test_random_inputs_are_what_a_quantized_input_can_represent(files: Files) -> None:
    """The network was calibrated on images in [0, 1]; values in [-1, 1] would be cut off."""
    natural = parsed("compare", files.float32, files.int8, "--random", "--samples", 50)["outputs"]["scores"]
    wider = parsed("compare", files.float32, files.int8, "--random", "--samples", 50, "--range", -1, 1)["outputs"]["scores"]
    assert natural["sqnr_db"] > wider["sqnr_db"] + 5


@pytest.mark.parametrize("second", ["float32", "int8"])
def test_layers_in_the_order_of_the_reference(second: str, files: Files) -> None:
    found = parsed("compare", files.onnx, getattr(files, second), "--input", files.samples, "--layers")
    assert [layer["name"] for layer in found["layers"]] == ["positive", "scores"]
    assert found["layers"][0]["shape"] == [1, 16, 4, 4]
    assert all(layer["sqnr_db"] is None or layer["sqnr_db"] > 20 for layer in found["layers"])


def test_layers_show_where_the_error_starts(files: Files, tmp_path: Path) -> None:
    """The dense layer's weights are damaged: what comes before agrees, what comes after does not."""
    damaged = network()
    weights = next(item for item in damaged.graph.initializer if item.name == "weights")
    weights.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(weights), "weights"))
    onnx.save(damaged, tmp_path / "damaged.onnx")
    found = parsed("compare", tmp_path / "damaged.onnx", files.float32, "--random", "--layers")
    sqnr = {layer["name"]: layer["sqnr_db"] for layer in found["layers"]}
    assert sqnr["positive"] is None or sqnr["positive"] > 100
    assert sqnr["scores"] < 10
    text = succeed("compare", tmp_path / "damaged.onnx", files.float32, "--random", "--layers").stdout
    assert "drop of SQNR from one layer to the next is at 'scores'" in text


def test_beyond_the_tolerance_the_exit_code_is_1(files: Files) -> None:
    arguments = ("compare", files.float32, files.int8, "--input", files.samples)
    succeed(*arguments)
    with pytest.raises(AssertionError) as result:
        succeed(*arguments, "--tolerance", "1e-6")
    assert "differences of at most 1e-06" in str(result.value)


def test_uses_no_more_samples_than_asked(files: Files) -> None:
    assert parsed("compare", files.float32, files.float32, "--input", files.samples, "--samples", 5)["samples"] == 5
    assert parsed("compare", files.float32, files.float32, "--random", "--samples", 3)["samples"] == 3


def test_channels_last_and_channels_first_inputs(files: Files, tmp_path: Path) -> None:
    last = tmp_path / "nhwc.tflite"
    succeed("convert", files.onnx, "-o", last, "--nhwc-inputs")
    assert parsed("compare", files.onnx, last, "--random")["outputs"]["scores"]["relative"] < 1e-5
    np.savez(tmp_path / "x.npz", image=np.ascontiguousarray(images(2).transpose(0, 2, 3, 1)))
    assert parsed("compare", last, files.onnx, "--input", tmp_path / "x.npz")["outputs"]["scores"]["relative"] < 1e-5


def test_models_that_do_not_fit_each_other_are_refused(files: Files, tmp_path: Path) -> None:
    other = network()
    other.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 16
    other.graph.initializer[2].CopyFrom(onnx.numpy_helper.from_array(np.zeros((5, 512), np.float32), "weights"))
    onnx.save(other, tmp_path / "other.onnx")
    assert "shapes that fit each other" in fail("compare", files.float32, tmp_path / "other.onnx", "--random")


@pytest.mark.parametrize("arguments", [(), ("--random", "--input", "x.npz"), ("--random", "--tolerance", "-1")])
def test_contradictory_options_are_wrong_usage(arguments: tuple[str, ...], files: Files) -> None:
    fail("compare", files.float32, files.int8, *arguments, code=2)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a", "b"], ["b", "c"], {"b": "b"}),
        (["a"], ["a;nhwc"], {"a": "a;nhwc"}),
        (["a"], ["a;nhwc", "a"], {"a": "a"}),
        (["a;nwc"], ["a;perm021_int8"], {"a;nwc": "a;perm021_int8"}),
        (["a"], ["a;pad", "a;pad;nhwc"], {}),
        (["a", "a;nhwc"], ["a"], {"a": "a"}),
        (["x_float32"], ["x"], {"x_float32": "x"}),
    ],
)
def test_forms_of_one_tensor_belong_together(first: list[str], second: list[str], expected: dict[str, str]) -> None:
    assert pair_layers(first, second) == expected
