"""LSH_PROJECTION and SKIP_GRAM against LiteRT's kernels."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter as LiteRT
from hypothesis import given, settings
from hypothesis import strategies as st

from jitlite.interpreter import Interpreter
from jitlite.interpreter.binding import features
from jitlite.schemas.errors import ExecutionError, InvalidModelError
from jitlite.schemas.ops.features import LSH_PROJECTION, SKIP_GRAM
from jitlite.schemas.ops.reshape import SHAPE
from jitlite.schemas.ops.spec import Call, infer
from jitlite.schemas.tables import LSHProjectionOptions, LSHProjectionType, ShapeOptions, SkipGramOptions, TensorType
from jitlite.schemas.write import write_model
from tests.interpreter.models import GraphBuilder, content, new_model
from tests.ops.oracle import build, check, operand, result, run

T = TensorType
SPARSE, DENSE = LSHProjectionType.SPARSE, LSHProjectionType.DENSE


@pytest.mark.parametrize("kind", [SPARSE, DENSE])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("type", [T.INT32, T.FLOAT32, T.INT8, T.INT64, T.BOOL])
def test_projection_of_each_type(type, weighted, kind):
    inputs = [operand(T.FLOAT32, (5, 4)), operand(type, (7, 3)), *([operand(T.FLOAT32, (7,))] if weighted else [])]
    check(LSH_PROJECTION, LSHProjectionOptions(type=kind), inputs, [result(T.INT32)])


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 8, 11, 12, 13, 16, 27, 28, 29, 40, 59, 60, 61, 62, 100, 123, 124, 125, 126, 300])
def test_projection_of_rows_of_each_length(length):
    """Four bytes of the seed come in front of each row; the hash has a formula of its own for each range of lengths."""
    inputs = [operand(T.FLOAT32, (8, 5)), operand(T.UINT8, (3, length))]
    check(LSH_PROJECTION, LSHProjectionOptions(type=DENSE), inputs, [result(T.INT32)], seed=length)


@pytest.mark.parametrize("bits", [1, 8, 31, 32])
def test_bits_of_a_hash(bits):
    inputs = [operand(T.FLOAT32, (3, bits)), operand(T.INT32, (4,))]
    check(LSH_PROJECTION, LSHProjectionOptions(type=SPARSE), inputs, [result(T.INT32)])


def test_projection_of_strings():
    """The reference hashes the bytes of the string table, cut into as many equal rows as there are strings."""
    inputs = [operand(T.FLOAT32, (6, 4)), operand(T.STRING, (5,), value=[b"a", b"", b"three words here", b"x", b"y"])]
    check(LSH_PROJECTION, LSHProjectionOptions(type=DENSE), inputs, [result(T.INT32)])


@pytest.mark.parametrize(
    ("operands", "kind", "message"),
    [
        ([operand(T.FLOAT32, (3,)), operand(T.INT32, (4,))], DENSE, "rank 2"),
        ([operand(T.FLOAT32, (3, 33)), operand(T.INT32, (4,))], DENSE, "at most 32 bits"),
        ([operand(T.FLOAT32, (3, 3)), operand(T.INT32, ())], DENSE, "rank 1"),
        ([operand(T.FLOAT32, (3, 3)), operand(T.INT32, (0, 2))], DENSE, "at least one row"),
        ([operand(T.FLOAT32, (3, 3)), operand(T.INT2, (4, 2))], DENSE, "whole bytes is required, found INT2"),
        ([operand(T.FLOAT32, (3, 3)), operand(T.INT32, (4,)), operand(T.FLOAT32, (3,))], DENSE, r"shape \(4,\)"),
        ([operand(T.INT32, (3, 3)), operand(T.INT32, (4,))], DENSE, "type FLOAT32"),
        ([operand(T.FLOAT32, (3, 3)), operand(T.INT32, (4,))], LSHProjectionType.UNKNOWN, "SPARSE or DENSE"),
    ],
)
def test_broken_projections(operands, kind, message):
    inputs = tuple(item.info(index) for index, item in enumerate(operands))
    with pytest.raises(InvalidModelError, match=message):
        infer(Call(LSH_PROJECTION, LSHProjectionOptions(type=kind), inputs))


SENTENCES = [
    "The quick\t brown fox\n jumps over\n the lazy dog!",
    "Hi",
    "Two words",
    "",
    " leading and  double  spaces ",
    "a b c d e",
    "ä ö ü \xa0 €",
    "   ",
]


def grams(sentence, size, skip, takes_all):
    options = SkipGramOptions(ngram_size=size, max_skip_size=skip, include_all_ngrams=takes_all)
    feeds = [np.array([sentence.encode()], np.object_)]
    return check(SKIP_GRAM, options, [operand(T.STRING, (1,))], [result(T.STRING, shape=(0,))], feeds=feeds)


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize(
    ("size", "skip", "takes_all"), [(1, 0, False), (2, 0, False), (2, 1, True), (3, 2, True), (3, 5, False), (20, 1, True)]
)
def test_skip_gram(sentence, size, skip, takes_all):
    grams(sentence, size, skip, takes_all)


@settings(max_examples=60, deadline=None)
@given(text=st.text("ab \n", max_size=16), size=st.integers(-1, 4), skip=st.integers(-1, 4), takes_all=st.booleans())
def test_skip_gram_of_any_text(text, size, skip, takes_all):
    grams(text, size, skip, takes_all)


@pytest.mark.parametrize(("name", "size"), [("MOST_GRAMS", 8), ("_MOST_STEPS", 99)])
def test_groups_without_end_are_refused(name, size, monkeypatch):
    monkeypatch.setattr(features, name, 100)
    options = SkipGramOptions(ngram_size=size, max_skip_size=100, include_all_ngrams=True)
    model = write_model(build(SKIP_GRAM, options, [operand(T.STRING, (1,))], [result(T.STRING, shape=(0,))]))
    with pytest.raises(ExecutionError, match="groups of words"):
        run(model, [np.array([b"w " * 100], np.object_)])


def test_operators_behind_groups_of_words_know_how_many_there_are():
    model = new_model()
    g = GraphBuilder(model)
    sentence = g.input((1,), T.STRING)
    groups = g.op(SKIP_GRAM, [sentence], [g.tensor((1,), T.STRING)], SkipGramOptions(ngram_size=2))
    g.finish(g.op(SHAPE, [groups], [g.tensor((1,), T.INT32)], ShapeOptions(out_type=T.INT32)))
    interpreters = [made(model_content=content(model)) for made in (Interpreter, LiteRT)]
    for text, count in ((b"a b c d", 3), (b"a b", 1), (b"a", 0)):
        for interpreter in interpreters:
            interpreter.allocate_tensors()
            interpreter.set_tensor(sentence, np.array([text]))
            interpreter.invoke()
            assert interpreter.get_tensor(g.graph.outputs[0]).tolist() == [count]
