"""Steps of pooling operators."""

from jitlite.interpreter.binding.panels import bounds, is_float, is_int8, limits
from jitlite.interpreter.binding.registry import Bound, binds, kernels, no_kernel
from jitlite.interpreter.binding.windows import sliding
from jitlite.schemas.ops.pool import AVERAGE_POOL_2D, L2_POOL_2D, MAX_POOL_2D
from jitlite.schemas.ops.spec import Call

K = kernels("pool")


def _pool(call: Call, name: str) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    sizes = sliding(x.shape, y.shape, (o.filter_height, o.filter_width), o).sizes()
    if is_float(x, y):
        return K.step(f"{name}_f32", x=x, y=y, sizes=sizes, **bounds(o.fused_activation_function))
    if is_int8(x, y):
        _, low, high = limits(y, o.fused_activation_function).tolist()
        return K.step(f"{name}_s8", x=x, y=y, sizes=sizes, low=low, high=high)
    raise no_kernel(call, "FLOAT32 and INT8")


@binds(AVERAGE_POOL_2D)
def average_pool_2d(call: Call) -> Bound:
    return _pool(call, "average_pool_2d")


@binds(MAX_POOL_2D)
def max_pool_2d(call: Call) -> Bound:
    return _pool(call, "max_pool_2d")


@binds(L2_POOL_2D)
def l2_pool_2d(call: Call) -> Bound:
    x, y, o = call.input(0), call.outputs[0], call.options
    sizes = sliding(x.shape, y.shape, (o.filter_height, o.filter_width), o).sizes()
    return K.step("l2_pool_2d_f32", x=x, y=y, sizes=sizes, **bounds(o.fused_activation_function))
