from pathlib import Path

import numpy as np
import pytest

from jitlite.tools.runners import OnnxModel, TfliteModel
from tests.tools.network import CLASSES, Files, fail, images, parsed, succeed


def expected(files: Files) -> np.ndarray:
    model = OnnxModel(files.onnx)
    return np.concatenate([model.run({"image": image[np.newaxis]})["scores"] for image in images(12)])


def test_runs_every_sample_of_a_file(files: Files, tmp_path: Path) -> None:
    found = parsed("run", files.float32, "--input", files.samples, "-o", tmp_path / "y.npz")
    assert found["samples"] == 12
    with np.load(tmp_path / "y.npz") as data:
        assert data.files == ["scores"]
        np.testing.assert_allclose(data["scores"], expected(files), rtol=1e-4, atol=1e-5)
        assert found["outputs"][0]["max"] == pytest.approx(float(data["scores"].max()))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_reads_and_writes_single_arrays(suffix: str, files: Files, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", images(3))
    succeed("run", files.float32, "--input", tmp_path / "x.npy", "-o", tmp_path / f"y{suffix}")
    if suffix == ".npy":
        assert np.load(tmp_path / "y.npy").shape == (3, CLASSES)
    else:
        with np.load(tmp_path / "y.npz") as data:
            assert data["scores"].shape == (3, CLASSES)


def test_reads_a_folder_in_the_order_of_names(files: Files, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for place, image in enumerate(images(12)):
        np.save(tmp_path / "data" / f"{place:02}.npy", image)
    succeed("run", files.float32, "--input", tmp_path / "data", "-o", tmp_path / "y.npy")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected(files), rtol=1e-4, atol=1e-5)


def test_quantized_inputs_take_real_numbers(files: Files, tmp_path: Path) -> None:
    succeed("run", files.int8, "--input", files.samples, "-o", tmp_path / "y.npy", "--dequantize")
    found = np.load(tmp_path / "y.npy")
    assert found.dtype == np.float32
    assert np.abs(found - expected(files)).max() < 0.1 * np.abs(expected(files)).max()


def test_quantized_inputs_take_raw_integers(files: Files, tmp_path: Path) -> None:
    port = TfliteModel(files.int8).inputs[0]
    raw = port.to_raw(images(12))
    assert raw.dtype == np.int8
    np.savez(tmp_path / "raw.npz", image=raw)
    succeed("run", files.int8, "--input", tmp_path / "raw.npz", "-o", tmp_path / "a.npy")
    succeed("run", files.int8, "--input", files.samples, "-o", tmp_path / "b.npy")
    assert np.load(tmp_path / "a.npy").dtype == np.int8
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))


def test_random_inputs_depend_on_the_seed_alone(files: Files, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        succeed("run", files.float32, "--random", "--seed", seed, "-o", tmp_path / f"{name}.npy")
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0


def test_random_inputs_keep_to_the_range(files: Files) -> None:
    found = parsed("run", files.float32, "--random", "--range", 2, 3)["inputs"][0]
    assert 2 <= found["min"] < found["max"] <= 3


def test_prints_shapes_and_ranges(files: Files) -> None:
    text = succeed("run", files.float32, "--random").stdout
    assert "[1, 3, 8, 8]" in text
    assert f"[1, {CLASSES}]" in text


def test_runs_a_signature(files: Files) -> None:
    assert parsed("run", files.float32, "--random", "--signature", "serving_default")["outputs"][0]["name"] == "scores"
    assert "serving_default" in fail("run", files.float32, "--random", "--signature", "other")


@pytest.mark.parametrize(
    "arguments", [(), ("--random", "--input", "x.npz"), ("--random", "-o", "y.txt"), ("--random", "--range", "3", "2")]
)
def test_contradictory_options_are_wrong_usage(arguments: tuple[str, ...], files: Files) -> None:
    fail("run", files.float32, *arguments, code=2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"picture": images(1)}, "image"),
        ({"image": images(1), "mask": images(1)}, "mask"),
        ({"image": images(1).astype(np.int32)}, "int32"),
        ({"image": np.zeros((2, 3, 8, 9), np.float32)}, "[2, 3, 8, 9]"),
        ({"image": np.full((1, 3, 8, 8), np.nan, np.float32)}, "finite"),
        ({"image": np.zeros((0, 3, 8, 8), np.float32)}, "sample"),
        ({"image": np.array([{}])}, "pickle"),
    ],
    ids=["unknown name", "one too many", "wrong dtype", "wrong shape", "not finite", "no samples", "objects"],
)
def test_arrays_that_do_not_fit_are_refused(arrays: dict[str, np.ndarray], message: str, files: Files, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    assert message in fail("run", files.float32, "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_missing_data_are_named(files: Files, tmp_path: Path) -> None:
    assert "nothing.npz" in fail("run", files.float32, "--input", tmp_path / "nothing.npz")


def test_data_of_another_format_are_refused(files: Files, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_text("text")
    assert "x.npz" in fail("run", files.float32, "--input", tmp_path / "x.npz")


def test_onnx_models_are_for_convert(files: Files) -> None:
    assert "jitlite convert" in fail("run", files.onnx, "--random")


def test_existing_output_is_left_alone(files: Files, tmp_path: Path) -> None:
    (tmp_path / "y.npz").write_text("precious")
    assert "--force" in fail("run", files.float32, "--random", "-o", tmp_path / "y.npz")
    assert (tmp_path / "y.npz").read_text() == "precious"
    succeed("run", files.float32, "--random", "-o", tmp_path / "y.npz", "--force")
