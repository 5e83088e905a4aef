"""Steps of pooling operators."""

from jitlite.interpreter.binding.panels import bounds, is_float, limits
from jitlite.interpreter.binding.registry import Bound, binds, kernels, no_kernel
from jitlite.interpreter.binding.windows import sliding
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, L2_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.spec import Call
from jitlite.schemas.tables import TensorType

AVERAGE, MAX = kernels("average_pool"), kernels("max_pool")

_INTEGERS = {TensorType.INT8: "s8", TensorType.UINT8: "u8", TensorType.INT16: "s16"}


def _pool(call: Call, family: kernels, name: str) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    sizes = sliding(x.shape, y.shape, (o.filter_height, o.filter_width), o).sizes()
    if is_float(x, y):
        return family.step(f"{name}_f32", x=x, y=y, sizes=sizes, **bounds(o.fused_activation_function))
    if x.type not in _INTEGERS or y.type is not x.type:
        raise no_kernel(call, "FLOAT32, INT8, UINT8 and INT16")
    _, low, high = limits(y, o.fused_activation_function).tolist()
    return family.step(f"{name}_{_INTEGERS[x.type]}", x=x, y=y, sizes=sizes, low=low, high=high)


@binds(AVERAGE_POOL_2D)
def average_pool_2d(call: Call) -> Bound:
    return _pool(call, AVERAGE, "average_pool_2d")


@binds(MAX_POOL_2D)
def max_pool_2d(call: Call) -> Bound:
    return _pool(call, MAX, "max_pool_2d")


@binds(L2_POOL_2D)
def l2_pool_2d(call: Call) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    sizes = sliding(x.shape, y.shape, (o.filter_height, o.filter_width), o).sizes()
    return AVERAGE.step("l2_pool_2d_f32", x=x, y=y, sizes=sizes, **bounds(o.fused_activation_function))
