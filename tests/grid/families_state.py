"""Control flow, lists of tensors, variables, tables and random numbers."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.grid.table import Feed, Graph, family, grid


@family("cond", grid(dtype=["float32", "int32", "string"], pred=[False, True], shape=[(1,), (2, 3), (None, 2)]), take=10)
def _cond(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed(p.shape, p.dtype), Feed(p.shape, p.dtype), Feed((1,), "bool", value=lambda run: [p.pred ^ bool(run)])]
    return Graph(lambda x, y, c: tf.cond(tf.reshape(c, ()), lambda: tf.identity(x), lambda: tf.identity(y)), feeds)


@family("cond_computing", grid(shape=[(3,), (None, 2)], mode=["float", "dynamic"]), take=4)
def _cond_computing(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.relu(x) * 2.0, lambda: x - 1.0), [Feed(p.shape)])


@family("switch_case", grid(branch=[0, 1, 2, 7], shape=[(3,)]), take=4)
def _switch(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed((), "int32", value=p.branch), Feed(p.shape)]
    return Graph(lambda i, x: tf.switch_case(i, [lambda: x + 1.0, lambda: x * 2.0, lambda: -x]), feeds)


@family("while", grid(count=[1, 5, 42], shape=[(), (2, 3), (None,)], dtype=["float32", "int32"]), take=10)
def _while(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any, n: Any) -> Any:
        return tf.while_loop(lambda i, y: i < n, lambda i, y: (i + 1, y + tf.cast(i, y.dtype)), (tf.constant(0), x))[1]

    return Graph(function, [Feed(p.shape, p.dtype), Feed((), "int32", value=p.count)])


@family("while_growing", grid(count=[1, 4], dtype=["float32", "int32", "string"]), take=5)
def _while_growing(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        shapes = [tf.TensorShape([]), tf.TensorShape([None])]
        return tf.while_loop(lambda i, y: i < p.count, lambda i, y: (i + 1, tf.concat([y, x], 0)), (tf.constant(0), x), shapes)[1]

    return Graph(function, [Feed((2,), p.dtype)])


@family("while_nested", grid(shape=[(3,)], count=[2, 3]), take=2)
def _while_nested(tf: Any, p: SimpleNamespace) -> Graph:
    def inner(y: Any) -> Any:
        return tf.while_loop(lambda j, z: j < 2, lambda j, z: (j + 1, z * 1.5), (tf.constant(0), y))[1]

    return Graph(lambda x: tf.while_loop(lambda i, y: i < p.count, lambda i, y: (i + 1, inner(y)), (tf.constant(0), x))[1], [Feed(p.shape)])


@family("control_dep", grid(shape=[(3, 2)], dtype=["float32"]), take=1)
def _control_dep(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        with tf.control_dependencies([tf.abs(x)]):
            return tf.add(x, 1.0)

    return Graph(function, [Feed(p.shape, p.dtype)])


def _lists() -> Any:
    from tensorflow.python.ops import list_ops

    return list_ops


ELEMENTS = {"dtype": ["float32", "int32"], "count": [4, 5], "shape": [(), (5,), (3, 3)]}


@family("tensor_list_get_item", grid(**ELEMENTS, index=[0, 1, 3]), take=6)
def _list_get(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        return _lists().tensor_list_get_item(_lists().tensor_list_from_tensor(x, p.shape), p.index, p.dtype, p.shape)

    return Graph(function, [Feed((p.count, *p.shape), p.dtype)])


@family("tensor_list_set_item", grid(**ELEMENTS, index=[0, 1, 3], in_place=[True, False]), take=10)
def _list_set(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any, y: Any) -> Any:
        items = _lists().tensor_list_set_item(_lists().tensor_list_from_tensor(x, p.shape), p.index, y)
        return _lists().tensor_list_stack(items, p.dtype, p.count)

    flags = {"_experimental_enable_dynamic_update_slice": p.in_place}
    return Graph(function, [Feed((p.count, *p.shape), p.dtype), Feed(p.shape, p.dtype)], flags=flags)


@family("tensor_list_length", grid(**ELEMENTS), take=3)
def _list_length(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: _lists().tensor_list_length(_lists().tensor_list_from_tensor(x, p.shape)), [Feed((p.count, *p.shape), p.dtype)])


@family("tensor_list_resize", grid(**ELEMENTS, size=[1, 3, 5, 7]), take=6)
def _list_resize(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        return _lists().tensor_list_stack(_lists().tensor_list_resize(_lists().tensor_list_from_tensor(x, p.shape), p.size), p.dtype)

    return Graph(function, [Feed((p.count, *p.shape), p.dtype)])


@family("tensor_list_concat", grid(dtype=["float32", "int32"], count=[4, 6], shape=[(5,), (3, 3)]), take=4)
def _list_concat(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(
        lambda x: _lists().tensor_list_concat(_lists().tensor_list_from_tensor(x, p.shape), p.dtype, p.shape),
        [Feed((p.count, *p.shape), p.dtype)],
    )


@family("tensor_list_dynamic_shape", grid(**ELEMENTS), take=6)
def _list_loop(tf: Any, p: SimpleNamespace) -> Graph:
    def function(item: Any) -> Any:
        start = _lists().tensor_list_reserve(element_shape=None, num_elements=p.count, element_dtype=p.dtype)
        step = lambda i, items: (i + 1, _lists().tensor_list_set_item(items, i, item + item + tf.constant(1, p.dtype)))  # noqa: E731
        _, items = tf.while_loop(lambda i, _: i < p.count, step, (tf.constant(0), start))
        return _lists().tensor_list_stack(items, p.dtype, num_elements=p.count)

    return Graph(function, [Feed(p.shape, p.dtype)])


@family("tensor_array", grid(dtype=["float32"], count=[3, 6], shape=[(2,), (2, 2)]), take=4)
def _tensor_array(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any) -> Any:
        array = tf.TensorArray(p.dtype, p.count, element_shape=p.shape)
        for index in range(p.count):
            array = array.write(index, x * float(index))
        return array.stack()

    return Graph(function, [Feed(p.shape, p.dtype)])


@family("variable", grid(dtype=["float32", "int32", "int64"], shape=[(), (3,), (2, 3)], kind=["add", "assign", "read_before"]), take=12)
def _variable(tf: Any, p: SimpleNamespace) -> Graph:
    owner = tf.Module()
    owner.value = tf.Variable(np.full(p.shape, 3), dtype=p.dtype)

    def function(x: Any) -> Any:
        before = owner.value.read_value()
        if p.kind == "add":
            owner.value.assign_add(x)
        else:
            owner.value.assign(x)
        return (before + 0, owner.value.read_value()) if p.kind == "read_before" else owner.value.read_value()

    return Graph(function, [Feed(p.shape, p.dtype)], owner, keeps_state=True)


_TABLES = [("string", "int64", ["A", "B", "grid"], [4, 5, 6], -1), ("int64", "string", [1, 2, 3], ["4", "5", "6"], "-1")]


@family("static_hashtable", grid(table=_TABLES, shape=[(), (3,), (1,), (10,), (2, 2)], kind=["lookup", "size"]), take=16)
def _hashtable(tf: Any, p: SimpleNamespace) -> Graph:
    key, value, keys, values, default = p.table
    owner = tf.Module()
    start = tf.lookup.KeyValueTensorInitializer(tf.constant(keys, key), tf.constant(values, value))
    owner.table = tf.lookup.StaticHashTable(start, default)
    feed = Feed(p.shape, key, 0, 4)
    if p.kind == "size":
        return Graph(lambda x: (owner.table.size(), owner.table.lookup(x)), [feed], owner, keeps_state=True)
    return Graph(lambda x: owner.table.lookup(x), [feed], owner, keeps_state=True)


SEEDS = [(1234, 0), (0, 5678), (1234, 5678), (1, 1)]


@family("random_uniform", grid(shape=[[10], [2, 3, 4], [1]], seeds=SEEDS), take=10)
def _random_uniform(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed((len(p.shape),), "int32", value=p.shape)]
    return Graph(lambda s: tf.raw_ops.RandomUniform(shape=s, dtype=tf.float32, seed=p.seeds[0], seed2=p.seeds[1]), feeds)


@family("random_standard_normal", grid(shape=[[10], [2, 3, 4], [7]], seeds=SEEDS), take=10)
def _random_normal(tf: Any, p: SimpleNamespace) -> Graph:
    feeds = [Feed((len(p.shape),), "int32", value=p.shape)]
    return Graph(lambda s: tf.raw_ops.RandomStandardNormal(shape=s, dtype=tf.float32, seed=p.seeds[0], seed2=p.seeds[1]), feeds)


@family("multinomial", grid(shape=[(1, 2), (2, 5), (4, 3)], dtype=["int64", "int32"], seeds=SEEDS, count=[10, 37]), take=10)
def _multinomial(tf: Any, p: SimpleNamespace) -> Graph:
    def function(x: Any, n: Any) -> Any:
        return tf.raw_ops.Multinomial(logits=x, num_samples=n, seed=p.seeds[0], seed2=p.seeds[1], output_dtype=getattr(tf, p.dtype))

    return Graph(function, [Feed(p.shape, low=-2, high=-1), Feed((), "int32", value=p.count)])


@family(
    "bucketize",
    grid(dtype=["float32", "int32", "int64", "float64"], shape=[(5,), (2, 3), (None,)], boundaries=[[0.0, 10.0, 100.0], [-5.0]]),
    take=8,
)
def _bucketize(tf: Any, p: SimpleNamespace) -> Graph:
    return Graph(lambda x: tf.raw_ops.Bucketize(input=x, boundaries=p.boundaries), [Feed(p.shape, p.dtype, -20, 120)])
