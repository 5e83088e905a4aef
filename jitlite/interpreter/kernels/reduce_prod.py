"""Products of float32 and of integers. Parameters are those of `reduction`; `outputs` is the number of outputs."""

from jitlite.interpreter.kernels.abi import f32p, i32p, i64p
from jitlite.interpreter.kernels.reduction import multiply, reduction, register

for _name, _pointer in {"prod_f32": f32p, "prod_i32": i32p, "prod_i64": i64p}.items():
    register(__name__, _name, _pointer, reduction(multiply))
