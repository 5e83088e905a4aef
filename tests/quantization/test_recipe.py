import dataclasses

import pytest

from jitlite.quantization.recipe import Recipe, is_selected
from jitlite.schemas.errors import UnsupportedError


@pytest.mark.parametrize(
    ("alias", "scheme"),
    [
        ("int8", "int8"),
        ("static_wi8_ai8", "int8"),
        ("dynamic_wi8_afp32", "dynamic"),
        ("dynamic_range", "dynamic"),
        ("float16", "float16"),
        ("fp16", "float16"),
    ],
)
def test_schemes_have_aliases(alias, scheme):
    assert Recipe(alias).scheme == scheme


@pytest.mark.parametrize("name", ["static_wi8_ai16", "dynamic_wi4_afp32", "weight_only_wi8_afp32"])
def test_schemes_of_other_tools_are_unsupported(name):
    with pytest.raises(UnsupportedError, match=f"scheme '{name}': jitlite quantizes with int8, dynamic, float16"):
        Recipe(name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scheme": "int7"}, "scheme: one of int8, .* is required, found 'int7'"),
        ({"io_type": "int16"}, "io_type: one of int8, uint8, float32 is required, found 'int16'"),
        ({"output_type": "int16"}, "output_type: one of int8, uint8, float32 is required, found 'int16'"),
        ({"observer": "kl"}, "observer: one of minmax, moving_average, percentile is required, found 'kl'"),
        ({"momentum": 1.0}, r"momentum: a number in \[0, 1\) is required, found 1.0"),
        ({"percentile": 50.0}, r"percentile: a number in \(50, 100\] is required, found 50.0"),
        ({"percentile": 101.0}, "percentile: .* found 101.0"),
        ({"min_weight_elements": -1}, "min_weight_elements: a count of at least 0 is required, found -1"),
        ({"float_nodes": ("(",)}, r"float_nodes: a regular expression is required, found '\('"),
    ],
)
def test_bad_values_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**fields)


@pytest.mark.parametrize("selectors", ["CONV_2D", 3, (1.5,), (True,), {1}])
def test_selectors_are_a_tuple_of_indices_and_expressions(selectors):
    with pytest.raises(TypeError, match=r"float_tensors: .* required, found"):
        Recipe(float_tensors=selectors)


def test_lists_of_selectors_become_tuples():
    assert Recipe(float_nodes=[1, "a.*"]).float_nodes == (1, "a.*")


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().scheme = "dynamic"


@pytest.mark.parametrize(
    ("selectors", "selected"),
    [((), False), ((3,), True), ((4,), False), (("CONV_2D",), True), (("CONV",), False), (("head/.*",), True), (("ead/out",), False)],
)
def test_selection_matches_indices_and_whole_names(selectors, selected):
    assert is_selected(selectors, 3, ("CONV_2D", "head/out")) is selected
