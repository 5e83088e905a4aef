import numpy as np
import pytest

from jitlite.quantization import load_feeds
from jitlite.schemas.errors import CalibrationError
from jitlite.schemas.tables import BuiltinOperator, CastOptions, Model, SignatureDef, TensorMap, TensorType
from tests.quantization.models import ModelBuilder

IMAGE = (1, 4, 4, 3)


def model_with(*inputs, signature=()) -> Model:
    """A model whose inputs are (name, shape, type[, shape signature]); its operators do not matter."""
    build = ModelBuilder()
    for name, shape, kind, *free in inputs:
        build.input(name, shape, kind, **({"shape_signature": list(free[0])} if free else {}))
    out = build.op(BuiltinOperator.CAST, [0], [build.tensor("out", inputs[0][1])], CastOptions())
    model = build.done(*out)
    if signature:
        entries = [TensorMap(name=name, tensor_index=index) for index, name in enumerate(signature)]
        model.signature_defs = [SignatureDef(signature_key="main", inputs=entries)]
    return model


def image_model() -> Model:
    return model_with(("image", IMAGE, TensorType.FLOAT32), signature=("x",))


def pair_model() -> Model:
    return model_with(("image", IMAGE, TensorType.FLOAT32), ("mask", (1, 4), TensorType.BOOL))


def images(*shape) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def shapes(feeds):
    return [{name: value.shape for name, value in feed.items()} for feed in feeds]


@pytest.mark.parametrize("name", ["image", "x"])
def test_npz_arrays_are_split_into_samples_under_either_name(tmp_path, name):
    data = images(5, 4, 4, 3)
    np.savez(tmp_path / "data.npz", **{name: data})
    feeds = load_feeds(tmp_path / "data.npz", image_model())
    assert shapes(feeds) == [{"image": IMAGE}] * 5
    np.testing.assert_array_equal(np.concatenate([feed["image"] for feed in feeds]), data)


def test_feeds_can_be_read_again(tmp_path):
    np.save(tmp_path / "data.npy", images(3, 4, 4, 3))
    feeds = load_feeds(tmp_path / "data.npy", image_model())
    assert len(list(feeds)) == len(list(feeds)) == 3


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    np.save(tmp_path / "b.npy", np.full((2, 4, 4, 3), 2, np.float32))
    np.savez(tmp_path / "a.npz", image=np.full((1, 4, 4, 3), 1, np.float32))
    (tmp_path / "notes.txt").write_text("not data")
    feeds = load_feeds(str(tmp_path), image_model())
    assert [feed["image"].max() for feed in feeds] == [1, 2, 2]


@pytest.mark.parametrize(
    ("shape", "free", "given", "count", "sample"),
    [
        ((1, 4), None, (3, 4), 3, (1, 4)),
        ((1, 4), None, (1, 4), 1, (1, 4)),
        ((1, 4), None, (4,), 1, (1, 4)),
        ((1, 4), None, (3, 1, 4), 3, (1, 4)),
        ((1, 4), (-1, 4), (3, 4), 3, (1, 4)),
        ((1, 1, 4), (1, -1, 4), (3, 7, 4), 3, (1, 7, 4)),
        ((2, 4), None, (3, 2, 4), 3, (2, 4)),
        ((2, 4), None, (2, 4), 1, (2, 4)),
        ((16,), None, (16,), 1, (16,)),
        ((16,), None, (3, 16), 3, (16,)),
        ((1,), (-1,), (16,), 1, (16,)),
        ((1,), None, (16,), 16, (1,)),
        ((), None, (5,), 5, ()),
        ((), None, (), 1, ()),
    ],
)
def test_arrays_become_samples_of_batch_one(shape, free, given, count, sample):
    entry = ("x", shape, TensorType.FLOAT32) if free is None else ("x", shape, TensorType.FLOAT32, free)
    feeds = list(load_feeds([images(*given)], model_with(entry)))
    assert shapes(feeds) == [{"x": sample}] * count


@pytest.mark.parametrize(
    "item",
    [
        {"image": images(*IMAGE), "mask": np.zeros((1, 4), bool)},
        [images(*IMAGE), np.zeros((1, 4), bool)],
        (images(4, 4, 3), [True, False, True, False]),
    ],
)
def test_iterables_yield_mappings_or_sequences(item):
    assert shapes(load_feeds(iter([item]), pair_model())) == [{"image": IMAGE, "mask": (1, 4)}]


def test_plain_lists_are_arrays_of_a_model_with_one_input():
    feeds = list(load_feeds([[1.0, 2.0], [3.0, 4.0]], model_with(("x", (1, 2), TensorType.FLOAT32))))
    assert [feed["x"].tolist() for feed in feeds] == [[[1.0, 2.0]], [[3.0, 4.0]]]


@pytest.mark.parametrize(
    ("dtype", "kind", "expected"),
    [
        ("float64", TensorType.FLOAT32, "float32"),
        ("float16", TensorType.FLOAT32, "float32"),
        ("int64", TensorType.INT32, "int32"),
        ("uint8", TensorType.INT64, "int64"),
        ("bool", TensorType.BOOL, "bool"),
    ],
)
def test_values_take_the_inputs_dtype(dtype, kind, expected):
    (feed,) = load_feeds([np.ones((1, 2), dtype)], model_with(("x", (1, 2), kind)))
    assert feed["x"].dtype == expected


FAULTY_ITEMS = [
    ([], "calibration samples: at least one sample is required, found none"),
    ([{}], "one array for each of 'image' float32 .1, 4, 4, 3., 'mask' bool .1, 4. is required, found nothing"),
    ([{"image": images(*IMAGE), "masks": [True] * 4}], "is required, found image, masks"),
    ([{"image": images(*IMAGE), "mask": [True] * 4, "extra": 0}], "are required, found also extra"),
    ([images(*IMAGE)], r"2 arrays are required \('image'.*\), found 1"),
    ([[images(*IMAGE), np.zeros((1, 4), np.float32)]], "'mask' bool .1, 4. is required, found dtype float32"),
    (
        [[images(1, 5, 4, 3), np.zeros((1, 4), bool)]],
        r"shape \[samples, 4, 4, 3\] or that of one sample is required for 'image', found \[1, 5",
    ),
    ([[images(2, 4, 4, 3), np.zeros((3, 4), bool)]], "as many samples for every input are required, found 2 for 'image', 3 for 'mask'"),
    ([[np.full(IMAGE, np.inf), np.zeros((1, 4), bool)]], "finite values for 'image' .* are required, found 48"),
    ([[np.full(IMAGE, np.nan), np.zeros((1, 4), bool)]], "finite values for 'image'"),
    ([[np.full(IMAGE, 1e300), np.zeros((1, 4), bool)]], "finite values for 'image' .* too large"),
    (["image"], "arrays are required, found str"),
    ([[images(0, 4, 4, 3), np.zeros((0, 4), bool)]], "at least one sample is required, found none"),
    ([{"image": [[1.0], [1.0, 2.0]], "mask": [True] * 4}], "an array for 'image' .* is required, found"),
    ([[np.full(IMAGE, "a"), np.zeros((1, 4), bool)]], "'image' float32 .* is required, found dtype <U1"),
]


@pytest.mark.parametrize(("items", "message"), FAULTY_ITEMS)
def test_samples_that_do_not_fit_are_described(items, message):
    with pytest.raises(CalibrationError, match=message):
        list(load_feeds(items, pair_model()))


def test_integers_that_do_not_fit_are_refused():
    with pytest.raises(CalibrationError, match=r"values that fit 'x' uint8 .* are required, found 0 to 300"):
        list(load_feeds([np.int64([[0, 300]])], model_with(("x", (1, 2), TensorType.UINT8))))


def write_text(path):
    path.write_text("no array")


def write_pickle(path):
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)


def write_half(path):
    np.savez(path, image=images(4, 4, 4, 3))
    path.write_bytes(path.read_bytes()[:300])


def write_damaged(path):
    np.savez_compressed(path, image=images(4, 4, 4, 3))
    data = bytearray(path.read_bytes())
    data[200:240] = bytes(40)
    path.write_bytes(data)


def write_no_archive(path):
    path.write_bytes(b"PK\x03\x04" + bytes(50))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("data.npy", write_text),
        ("data.npy", write_pickle),
        ("data.npz", write_half),
        ("data.npz", write_damaged),
        ("data.npz", write_no_archive),
        ("data.npy", lambda path: path.write_bytes(b"")),
        ("data.npy", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00")),
    ],
)
def test_unreadable_files_are_calibration_errors(tmp_path, name, write):
    write(tmp_path / name)
    with pytest.raises(CalibrationError, match=f"{name}: a NumPy file without pickled objects is required, found"):
        list(load_feeds(tmp_path / name, image_model()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.npz", "a .npy or .npz file or a folder of them is required, found nothing there"),
        ("data.csv", "a .npy or .npz file is required, found suffix '.csv'"),
        ("empty", ".npy or .npz files are required, found none"),
    ],
)
def test_paths_are_checked_at_once(tmp_path, name, message):
    (tmp_path / "data.csv").write_text("1,2")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CalibrationError, match=message):
        load_feeds(tmp_path / name, image_model())


@pytest.mark.parametrize("source", [3, {"image": 1}, None])
def test_other_sources_are_misuse(source):
    with pytest.raises(TypeError, match="a path or an iterable of samples is required"):
        load_feeds(source, image_model())


def test_inputs_need_different_names_and_values():
    twins = model_with(("x", (1, 2), TensorType.FLOAT32), ("x", (1, 2), TensorType.FLOAT32))
    with pytest.raises(CalibrationError, match="different tensor names are required, found x, x"):
        load_feeds([], twins)
    with pytest.raises(CalibrationError, match="input 's': a numeric type or text is required, found RESOURCE"):
        load_feeds([], model_with(("s", (1,), TensorType.RESOURCE)))


@pytest.mark.parametrize("given", [np.array([["a"], ["ü"]]), np.array([[b"a"], ["ü".encode()]])])
def test_text(given):
    model = model_with(("s", (1,), TensorType.STRING))
    assert [feed["s"].tolist() for feed in load_feeds([{"s": given}], model)] == [[b"a"], ["ü".encode()]]
    with pytest.raises(CalibrationError, match="found dtype float32"):
        list(load_feeds([{"s": np.zeros((2, 1), np.float32)}], model))
    with pytest.raises(CalibrationError, match="text or bytes are required, found int"):
        list(load_feeds([{"s": np.array([[1], ["a"]], np.object_)}], model))


def test_a_tensor_name_wins_over_another_inputs_signature_name():
    model = model_with(("a", (1, 2), TensorType.FLOAT32), ("b", (1, 2), TensorType.FLOAT32), signature=("b", "c"))
    (feed,) = load_feeds([{"a": [[1.0, 1.0]], "b": [[2.0, 2.0]]}], model)
    assert {name: value.max() for name, value in feed.items()} == {"a": 1, "b": 2}


def test_one_array_under_two_names_is_refused():
    with pytest.raises(CalibrationError, match="is required, found image and x"):
        list(load_feeds([{"image": images(*IMAGE), "x": images(*IMAGE)}], image_model()))
