"""Makes the models of the grid: `python -m tests.grid.generate FOLDER [FAMILY ...]`, with TensorFlow.

For each case FOLDER gets FAMILY/NNN.tflite and FAMILY/NNN.npz (arrays `R_I`: input I of run R); `cases.jsonl` lists them, with those that
TensorFlow does not convert and why.
"""

import json
import re
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tests.grid.children import Answer, Child, serve
from tests.grid.table import FAMILIES, N_RUNS, Feed, Graph, cases, load_families, parameters, random_array

LIMIT_S = 120.0
N_REPRESENTATIVE = 6
QUANTIZED_TYPES = {3: "uint8", 7: "int16", 9: "int8"}
"""The schema's numbers of the types that quantized inputs have."""


def _specs(tf: Any, feeds: list[Feed]) -> list[Any]:
    return [tf.TensorSpec(feed.shape, getattr(tf, feed.dtype), name=f"x{number}") for number, feed in enumerate(feeds)]


def _configure(tf: Any, converter: Any, mode: str, graph: Graph, seed: int) -> None:
    """Sets what the conversion mode says."""
    if mode == "stablehlo":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_STABLEHLO_OPS]
    elif mode.startswith("sparse"):
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    if mode in ("float", "stablehlo", "sparse"):
        return
    converter.optimizations = [*converter.optimizations, tf.lite.Optimize.DEFAULT]
    if mode.endswith("_tensor"):
        converter._experimental_disable_per_channel = True
    if mode.endswith("_old"):
        converter.experimental_new_quantizer = converter.experimental_new_dynamic_range_quantizer = False
    if "dynamic" in mode:
        return
    if mode.endswith("_b32"):
        converter._experimental_full_integer_quantization_bias_type = tf.int32
    if mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
        return

    def representative() -> Any:
        rng = np.random.default_rng(seed)
        for number in range(N_REPRESENTATIVE):
            yield {f"x{place}": feed.array(rng, number % N_RUNS) for place, feed in enumerate(graph.feeds)}

    converter.representative_dataset = representative
    if mode.startswith("int16x8"):
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
    if mode == "int16x8_io":
        converter.inference_input_type = converter.inference_output_type = tf.int16
    elif mode.endswith("_io"):
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, mode.removesuffix("_io"))


def _quantized_as_before(tf: Any, function: Any, graph: Graph) -> bytes:
    """The UINT8 model TensorFlow 1's converter makes from ranges alone."""
    definition = function.graph.as_graph_def()
    with tf.Graph().as_default() as plain:
        tf.import_graph_def(definition, name="")
        inputs = [plain.get_tensor_by_name(tensor.name) for tensor in function.inputs]
        outputs = [plain.get_tensor_by_name(tensor.name) for tensor in function.outputs]
        with tf.compat.v1.Session(graph=plain) as session:
            converter = tf.compat.v1.lite.TFLiteConverter.from_session(session, inputs, outputs)
            converter.inference_type = tf.uint8
            steps = [255 / (feed.high - feed.low) for feed in graph.feeds]
            stats = [(float(round(-feed.low * step)), step) for feed, step in zip(graph.feeds, steps)]
            converter.quantized_input_stats = {tensor.op.name: stat for tensor, stat in zip(inputs, stats)}
            most = max(max(abs(feed.low), abs(feed.high)) for feed in graph.feeds)
            converter.default_ranges_stats = (-most, most)
            return bytes(converter.convert())


def converted(tf: Any, graph: Graph, mode: str, has_custom: bool, seed: int) -> bytes:
    """The model of a graph; TensorFlow's errors pass through."""
    owner = graph.owner if graph.owner is not None else tf.Module()
    function = tf.function(graph.function, input_signature=_specs(tf, graph.feeds)).get_concrete_function()
    if graph.owner is not None and not graph.keeps_state:
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        function = convert_variables_to_constants_v2(function, lower_control_flow=False)
    if mode == "uint8":
        return _quantized_as_before(tf, function, graph)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], owner)
    for name, value in graph.flags.items():
        setattr(converter, name, value)
    converter.allow_custom_ops = has_custom
    converter.experimental_enable_resource_variables = graph.keeps_state
    _configure(tf, converter, mode, graph, seed)
    return bytes(converter.convert())


def _model_inputs(content: bytes) -> list[tuple[str, int]]:
    """Names and types of the model's inputs."""
    from tensorflow.lite.python import schema_py_generated as schema

    graph = schema.Model.GetRootAs(content).Subgraphs(0)
    tensors = [graph.Tensors(int(index)) for index in graph.InputsAsNumpy()] if graph.InputsLength() else []
    return [(tensor.Name().decode(), tensor.Type()) for tensor in tensors]


def input_arrays(content: bytes, graph: Graph, seed: int) -> dict[str, Any]:
    """Arrays for every input of every run, in the model's own order and types."""
    rng = np.random.default_rng(seed + 1)
    arrays = {}
    for run in range(N_RUNS):
        drawn = [feed.array(rng, run) for feed in graph.feeds]
        for position, (name, type) in enumerate(_model_inputs(content)):
            found = re.search(r"x(\d+)(:\d+)?$", name)
            number = int(found.group(1)) if found else position
            value = drawn[number]
            if graph.feeds[number].dtype == "float32" and type in QUANTIZED_TYPES:
                edges = np.iinfo(QUANTIZED_TYPES[type])
                value = random_array(rng, QUANTIZED_TYPES[type], value.shape, edges.min, edges.max)
            arrays[f"{run}_{position}"] = value
    return arrays


def _answer(question: Answer) -> Answer:
    import tensorflow as tf

    known = FAMILIES[question["family"]]
    row = parameters(known, question["number"])
    seed = zlib.crc32(question["name"].encode())
    np.random.seed(seed % 2**32)
    tf.random.set_seed(seed % 2**31)
    graph = known.build(tf, row)
    content = converted(tf, graph, row.mode, known.has_custom, seed)
    path = Path(question["folder"]) / question["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path.with_suffix(".npz"), **input_arrays(content, graph, seed))
    path.with_suffix(".tflite").write_bytes(content)
    return {"status": "made"}


def generate(folder: Path, only: list[str]) -> list[Answer]:
    """Makes the cases of the named families (all by default) and lists them in `cases.jsonl`, replacing what it said of them."""
    folder.mkdir(parents=True, exist_ok=True)
    listing = folder / "cases.jsonl"
    kept = [json.loads(line) for line in listing.read_text().splitlines()] if listing.exists() else []
    kept = [entry for entry in kept if only and entry["family"] not in only]
    listing.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
    child = Child("tests.grid.generate", "--serve")
    made = []
    for case in cases(only):
        question = {"family": case.family, "number": case.number, "name": case.name, "folder": str(folder)}
        made.append({**question, "label": case.label, **child.ask(question, LIMIT_S)})
        with listing.open("a") as file:
            file.write(json.dumps(made[-1]) + "\n")
        if made[-1]["status"] != "made":
            print(f"{case.name}: no model: {case.label}: {made[-1].get('reason', '')[:160]}", flush=True)
    child.close()
    return made


def main(arguments: list[str]) -> int:
    load_families()
    if arguments[:1] == ["--serve"]:
        serve(_answer)
        return 0
    if not arguments:
        print(__doc__)
        return 2
    made = generate(Path(arguments[0]), arguments[1:])
    print(f"{sum(entry['status'] == 'made' for entry in made)} models of {len(made)} cases in {len({e['family'] for e in made})} families")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
