"""Reading and assigning variables, whose cells say where their values lie and what they are."""

from jitlite.interpreter.kernels.abi import Status, i32, i64, i64p, kernel, span, u8p
from jitlite.interpreter.kernels.cells import ADDRESS, N_BYTES, RANK, TYPE, WORDS
from jitlite.interpreter.kernels.intrinsics import advance, as_bytes, words_at
from jitlite.interpreter.kernels.runs import copy_bytes

_OK = int(Status.OK)
_NO_VALUE = int(Status.NO_VALUE)


@kernel
def assign_variable(x: u8p, cell: i64p, words: i64p, count: i64, thread: i64, threads: i64) -> None:
    """Copies `count` bytes to where the cell says; its words behind the address become `words`."""
    start, stop = span(count, thread, threads)
    copy_bytes(advance(x, start), advance(as_bytes(words_at(cell[ADDRESS])), start), stop - start)
    if thread == 0:
        for i in range(N_BYTES, WORDS):
            cell[i] = words[i]


@kernel
def read_variable(cell: i64p, y: u8p, type: i64, rank: i64, count: i64, thread: i64, threads: i64) -> i32:
    """Copies the first `count` bytes of a value of this type, and of this rank unless that is below 0."""
    if cell[N_BYTES] < count or cell[TYPE] != type or (rank >= 0 and cell[RANK] != rank):
        return _NO_VALUE
    start, stop = span(count, thread, threads)
    copy_bytes(advance(as_bytes(words_at(cell[ADDRESS])), start), advance(y, start), stop - start)
    return _OK


@kernel
def clear(flag: u8p, thread: i64, threads: i64) -> None:
    """Sets the flag to 0."""
    if thread == 0:
        flag[0] = 0
