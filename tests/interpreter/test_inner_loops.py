"""The inner loops of matrix products on Arm processors: what multiplies there, and that registers suffice."""

import pytest

from benchmarks.inner_loops import assembly_of, inner_loops, widest
from jitlite.interpreter.codegen.target import Target

pytestmark = pytest.mark.slow

FLOATS, BYTES = "product_f32", "product_q8"


@pytest.fixture(scope="module", params=["cortex-a72", "cortex-a76"])
def compiled(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    return request.param, assembly_of((FLOATS, BYTES), Target("aarch64-unknown-linux-gnu", request.param))


def test_inner_loops_of_products(compiled: tuple[str, dict[str, str]]) -> None:
    processor, assembly = compiled
    floats, bytes_ = widest(assembly[FLOATS]), widest(assembly[BYTES])
    assert floats.multiplies == ("fmla",) * 24, "6 rows of 4 registers"
    assert sum(".s[0]" in line for line in floats.lines) == 24, "numbers are multiplied where they are, as elements"
    if processor == "cortex-a76":
        assert bytes_.multiplies == ("sdot",) * 64, "4 rows of 4 registers, 4 levels"
        assert all(sum(f".4b[{i}]" in line for line in bytes_.lines) == 16 for i in range(4))
    else:
        assert sorted(bytes_.multiplies) == ["smull"] * 8 + ["smull2"] * 8, "2 rows of 8 halves of registers"
    for family, text in assembly.items():
        for loop in inner_loops(text):
            assert not (loop.multiplies and loop.stack_accesses), (family, *loop.lines)
