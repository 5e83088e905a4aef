"""Teams of threads: the same results for every number of threads, whatever the threads do."""

import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from jitlite.interpreter import Interpreter, sharing
from jitlite.interpreter import interpreter as interpreter_module
from jitlite.interpreter.codegen.immediate import call_kernel
from jitlite.interpreter.kernels.team_blocks import ASLEEP, BED, BUSY, DONE, ELAPSED, HELPED, KEPT, LINE, MOST_TEAMS, POOL, TRIED, WORKERS
from jitlite.interpreter.sharing import Sharing, TableRun, parts_for_time, pays_afar
from jitlite.interpreter.team import Team, TeamPool, _acquire_lock, _address, _allocate_lock, _free_lock, team_pool
from jitlite.schemas.errors import ExecutionError
from jitlite.schemas.ops.activation import TANH
from jitlite.schemas.ops.comparison import LESS
from jitlite.schemas.ops.control import IF, WHILE
from jitlite.schemas.ops.elementwise import ADD, MUL
from jitlite.schemas.ops.gather import GATHER
from jitlite.schemas.tables import AddOptions, GatherOptions, IfOptions, LessOptions, MulOptions, TensorType, WhileOptions
from tests.interpreter.models import GraphBuilder, content, new_model

release_lock = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(("PyThread_release_lock", ctypes.pythonapi))


def eventually(condition, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.002)
    return False


@pytest.fixture
def cut_all(monkeypatch):
    """Makes interpreters cut every step into as many parts as they have threads, on teams of that size."""
    pools = {}

    def cut(num_threads: int) -> Sharing:
        pool = pools.setdefault(num_threads, TeamPool(num_threads)) if num_threads > 1 else None
        return Sharing(lambda n_bytes: num_threads, num_threads, pool)

    monkeypatch.setattr(interpreter_module, "sharing", cut)


def chain_model(length: int, size: int) -> bytes:
    """Adds 1 and doubles, `length` times over."""
    model = new_model()
    g = GraphBuilder(model)
    a = g.input((size,))
    for _ in range(length):
        a = g.op(ADD, [a, g.constant(np.ones(1))], [g.tensor((size,))], AddOptions())
        a = g.op(MUL, [a, g.constant(np.full(1, -0.5))], [g.tensor((size,))], MulOptions())
    g.finish(a)
    return content(model)


def chain_result(x: np.ndarray, length: int) -> np.ndarray:
    for _ in range(length):
        x = (x + np.float32(1)) * np.float32(-0.5)
    return x


def opened(model: bytes, threads: int) -> Interpreter:
    interpreter = Interpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def result(interpreter: Interpreter, *values: np.ndarray) -> np.ndarray:
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_steps_that_depend_on_each_other_never_overlap(cut_all, threads):
    interpreter, rng = opened(chain_model(20, 67), threads), np.random.default_rng(threads)
    for _ in range(500):
        x = rng.uniform(-1, 1, 67).astype(np.float32)
        np.testing.assert_array_equal(result(interpreter, x), chain_result(x, 20))


@pytest.mark.parametrize("name", ["t0552_pretrainedresnet", "t0401_pretrainedresnet_quant", "t0553_vww_96_int8", "t0620_hey_jarvis_v0_1"])
def test_results_do_not_depend_on_the_number_of_threads(corpus, cut_all, name):
    content = (corpus / "models" / f"{name}.tflite").read_bytes()
    found = []
    for threads in (1, 2, 3):
        interpreter, rng = opened(content, threads), np.random.default_rng(0)
        details = interpreter.get_input_details()
        for _ in range(3):
            values = [(rng.uniform(-1, 1, detail["shape"]) * 100).astype(detail["dtype"]) for detail in details]
            found.append(result(interpreter, *values).tobytes())
    assert found[:3] == found[3:6] == found[6:]


def control_model() -> bytes:
    """Doubles or triples 40 numbers ten times."""
    model = new_model()
    g, test, body, then, other = (GraphBuilder(model) for _ in range(5))
    flag, count, total = g.input((1,), TensorType.BOOL), g.input((1,), TensorType.INT32), g.input((40,))
    outputs = [g.tensor((1,), TensorType.BOOL), g.tensor((1,), TensorType.INT32), g.tensor((40,))]
    g.op(WHILE, [flag, count, total], outputs, WhileOptions(cond_subgraph_index=1, body_subgraph_index=2))
    g.finish(outputs[2])
    _, i, _ = test.input((1,), TensorType.BOOL), test.input((1,), TensorType.INT32), test.input((40,))
    test.finish(test.op(LESS, [i, test.constant([10], np.int32)], [test.tensor((1,), TensorType.BOOL)], LessOptions()))
    f, i, t = body.input((1,), TensorType.BOOL), body.input((1,), TensorType.INT32), body.input((40,))
    next_i = body.op(ADD, [i, body.constant([1], np.int32)], [body.tensor((1,), TensorType.INT32)], AddOptions())
    chosen = body.op(IF, [f, t], [body.tensor((40,))], IfOptions(then_subgraph_index=3, else_subgraph_index=4))
    body.finish(f, next_i, chosen)
    for branch, factor in ((then, 2.0), (other, 3.0)):
        x = branch.input((40,))
        branch.finish(branch.op(MUL, [x, branch.constant([factor])], [branch.tensor((40,))], MulOptions()))
    return content(model)


def test_loops_and_branches_share_their_steps(cut_all):
    interpreter, x = opened(control_model(), 3), np.arange(40, dtype=np.float32)
    for _ in range(50):
        for flag, factor in ((True, 2.0**10), (False, 3.0**10)):
            found = result(interpreter, np.array([flag]), np.array([0], np.int32), x)
            np.testing.assert_array_equal(found, x * np.float32(factor))


def gather_model() -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    x = g.op(ADD, [g.input((8,)), g.constant([1.0])], [g.tensor((8,))], AddOptions())
    g.finish(g.op(GATHER, [x, g.input((12,), TensorType.INT32)], [g.tensor((12,))], GatherOptions()))
    return content(model)


@pytest.mark.parametrize("place", range(0, 12, 3))
def test_a_failure_in_any_part_stops_the_run_and_is_named(cut_all, place):
    interpreter, x = opened(gather_model(), 4), np.arange(8, dtype=np.float32)
    good, bad = np.arange(12, dtype=np.int32) % 8, np.zeros(12, np.int32)
    bad[place] = 8
    for _ in range(50):
        with pytest.raises(ExecutionError, match=r"operator 1 \(GATHER\)"):
            result(interpreter, x, bad)
        np.testing.assert_array_equal(result(interpreter, x, good), (x + 1)[good])


def test_several_interpreters_run_at_once_in_python_threads(cut_all):
    model, failures = chain_model(10, 50), []

    def work(seed: int) -> None:
        interpreter, rng = opened(model, 2), np.random.default_rng(seed)
        for _ in range(200):
            x = rng.uniform(-1, 1, 50).astype(np.float32)
            if not np.array_equal(result(interpreter, x), chain_result(x, 10)):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_interpreters_that_take_turns_use_the_same_threads(cut_all):
    first, second = opened(chain_model(2, 40), 2), opened(chain_model(3, 40), 2)
    x = np.ones(40, np.float32)
    result(first, x)
    count = threading.active_count()
    for _ in range(5):
        np.testing.assert_array_equal(result(second, x), chain_result(x, 3))
        np.testing.assert_array_equal(result(first, x), chain_result(x, 2))
    assert threading.active_count() == count


def tanh_model(size: int) -> bytes:
    model = new_model()
    g = GraphBuilder(model)
    g.finish(g.op(TANH, [g.input((size,))], [g.tensor((size,))]))
    return content(model)


def opened_with(plan: Sharing, model: bytes) -> Interpreter:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter_module, "sharing", lambda num_threads: plan)
        return opened(model, 2)


def table_of(interpreter: Interpreter) -> TableRun:
    return interpreter._main.program._first.runner.segments[0].table


def test_workers_sleep_when_idle_and_wake_for_work():
    pool, team = TeamPool(3), Team(3)
    pool.add(team)
    assert eventually(lambda: team.memory[ASLEEP] == 2)
    interpreter = opened_with(Sharing(lambda n_bytes: 6, 6, pool), tanh_model(1 << 22))
    run, done = table_of(interpreter)._run, int(team.memory[DONE])

    def someone_helped() -> bool:
        run[HELPED] = 1  # wakes them every time, however busy the machine is with other things
        interpreter.invoke()
        return int(team.memory[DONE]) > done

    assert eventually(someone_helped)
    assert eventually(lambda: team.memory[ASLEEP] == 2)


def test_sleepers_are_woken_ever_more_rarely_while_nobody_helps():
    memory, lock = np.zeros(WORKERS + LINE, np.int64), np.array([_allocate_lock()], np.int64)
    call_kernel(
        "team", "assemble", team=memory, locks=lock, workers=1, pass_on=0, sleep=0, wake=_address(ctypes.pythonapi.PyThread_release_lock)
    )
    pool = TeamPool(2)
    pool.add(SimpleNamespace(memory=memory))
    interpreter = opened_with(Sharing(lambda n_bytes: 2, 2, pool), tanh_model(8))
    run = table_of(interpreter)._run

    def wakes(runs: int) -> list[int]:
        found = []
        for number in range(runs):
            assert _acquire_lock(int(lock[0]), 0)
            memory[ASLEEP] = memory[WORKERS + BED] = 1
            interpreter.invoke()
            if memory[WORKERS + BED] == 0:
                found.append(number)
            else:
                release_lock(int(lock[0]))
        return found

    assert wakes(31) == [0, 2, 6, 14, 30]
    run[HELPED] = 1
    assert wakes(40) == [31, 32, 34, 38]
    _free_lock(int(lock[0]))


def test_a_run_waits_for_no_team():
    pool, x = TeamPool(2), np.ones(40, np.float32)
    interpreter = opened_with(Sharing(lambda n_bytes: 2, 2, pool), chain_model(1, 40))
    for count in (1, 2, 3):
        result(interpreter, x)
        assert len(pool.teams) == count
        pool.teams[-1].memory[BUSY] = 1
    busy = pool.teams[0]
    pool._block[1:], pool._block[0] = busy.address, MOST_TEAMS
    before = threading.active_count()
    np.testing.assert_array_equal(result(interpreter, x), chain_result(x, 1))
    assert threading.active_count() == before


def test_workers_leave_when_no_interpreter_needs_them():
    pool = TeamPool(3)
    interpreter = opened_with(Sharing(lambda n_bytes: 3, 3, pool), chain_model(1, 40))
    result(interpreter, np.zeros(40, np.float32))
    workers = pool.teams[0].workers
    assert all(worker.is_alive() for worker in workers)
    del pool, interpreter
    gc.collect()
    assert eventually(lambda: not any(worker.is_alive() for worker in workers))


SCRIPT = """
import os, sys, threading, time, warnings
import numpy as np
from jitlite.interpreter import interpreter as interpreter_module
from jitlite.interpreter.kernels.team_blocks import ASLEEP, BED, BUSY, DONE, HELPED, LINE, MOST_TEAMS, POOL, WORKERS
from jitlite.interpreter.sharing import Sharing
from jitlite.interpreter.team import TeamPool, team_pool
from tests.interpreter.test_threads import chain_model, chain_result, opened, result
import jitlite.interpreter.team as team_module
team_module.usable_processors = lambda: 2
interpreter_module.sharing = lambda threads: Sharing(lambda n_bytes: threads, threads, team_pool(threads))
interpreter, x = opened(chain_model(5, 64), 2), np.ones(64, np.float32)
def check():
    for _ in range(20):
        assert np.array_equal(result(interpreter, x), chain_result(x, 5))
check()
"""


def run_script(text: str) -> None:
    """Runs SCRIPT and `text` in a process of its own, which has to end by itself without a word on stderr."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    found = subprocess.run([sys.executable, "-c", SCRIPT + text], env=environment, capture_output=True, text=True, timeout=300)
    assert (found.returncode, found.stdout, found.stderr) == (0, "fine\n", "")


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_the_process_ends_whether_workers_spin_or_sleep(pause):
    run_script(f"time.sleep({pause}); print('fine')")


def test_the_process_ends_while_another_thread_runs():
    run_script(
        """
def work():
    while True:
        interpreter.invoke()
threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
print('fine')
"""
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_forked_process_starts_threads_of_its_own(pause):
    run_script(
        f"""
time.sleep({pause})
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    assert threading.active_count() == 1
    check()
    assert threading.active_count() == 2
    sys.stdout.flush()
    os._exit(0)
check()
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print('fine')
"""
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinities")
def test_more_threads_than_processors_get_everything_done():
    run_script(
        """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
team_module.usable_processors = lambda: 6
interpreter = opened(chain_model(5, 64), 6)
for _ in range(50):
    check()
print('fine')
"""
    )


@pytest.mark.parametrize(
    ("time_ns", "threads", "parts"),
    [(0, 2, 1), (799, 2, 1), (800, 2, 2), (799, 8, 1), (1500, 8, 3), (39_999, 2, 2), (40_000, 2, 4), (10**9, 2, 8), (10**9, 16, 64)],
)
def test_parts_follow_from_a_step_s_time(time_ns, threads, parts):
    assert parts_for_time(time_ns, threads) == parts


@pytest.mark.parametrize(("first_ns", "second_ns", "expected"), [(50_000, 100, [4, 1]), (750, 100, [1, 1])])
def test_steps_are_measured_and_cut_anew(monkeypatch, first_ns, second_ns, expected):
    """A clock by which steps take what the test says, calls 40 ns, and the first run, on cold caches, a millisecond more."""
    looks = [0]

    def clock() -> int:
        number, is_end = divmod(len(looks) - 1, 2)
        run, step = divmod(number, 2)
        spent = 40 + ([first_ns, second_ns][step] + (10**6 if run == 0 else 0) if run < 4 else 0)
        looks.append(looks[-1] + (spent if is_end else 0))
        return looks[-1]

    monkeypatch.setattr(sharing, "perf_counter_ns", clock)
    interpreter = opened_with(Sharing(lambda n_bytes: 1, 8, TeamPool(2), trials=4), chain_model(1, 64))
    run_of_table = table_of(interpreter)
    x = np.ones(64, np.float32)
    for run in range(6):
        assert run_of_table.table[:, 2].tolist() == ([1, 1] if run < 4 else expected)
        np.testing.assert_array_equal(result(interpreter, x), chain_result(x, 1))
    assert (run_of_table._run[POOL] != 0) == (expected != [1, 1])


@pytest.fixture
def chooser():
    """A table whose steps may be cut in three ways, with a clock by which a run takes what `costs` says of the way it is cut."""
    pool = TeamPool(2)
    costs, time_ns, looks, helps = [0, 0, 0], [0], [0], [True]

    @ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)
    def clock(_, words):
        looks[0] += 1
        run[HELPED] = int(helps[0])
        time_ns[0] += costs[int(run[TRIED])] if looks[0] % 2 == 0 else 0
        answer = ctypes.cast(words, ctypes.POINTER(ctypes.c_int64))
        answer[0], answer[1] = divmod(time_ns[0], 10**9)

    pool.clock = _address(clock), 1
    interpreter = opened_with(Sharing(lambda n_bytes: 1, 8, pool, trials=1), chain_model(1, 64))
    table = table_of(interpreter)
    run = table._run
    table._least_ns, table._moved = [10**6, 10**5], [0, 1 << 20]
    interpreter.invoke()
    assert [rows[:, 2].tolist() for rows in table._tables] == [[1, 1], [8, 1], [8, 8]]
    return SimpleNamespace(interpreter=interpreter, run=run, costs=costs, clock=clock, helps=helps)


@pytest.mark.parametrize(
    ("costs", "best"),
    [((100, 70, 120), 1), ((100, 120, 60), 2), ((100, 130, 140), 0), ((100, 99, 99), 0), ((100, 80, 79), 1), ((10**6, 10**5, 10**6), 1)],
)
def test_the_way_to_cut_steps_that_takes_least_time_is_kept(chooser, costs, best):
    """Costs are in microseconds."""
    chooser.costs[:] = [1000 * cost for cost in costs]
    for _ in range(2000):
        chooser.interpreter.invoke()
    assert chooser.run[KEPT] == best
    tried = []
    for _ in range(10_000):
        chooser.interpreter.invoke()
        tried.append(int(chooser.run[TRIED]))
        assert chooser.run[KEPT] == best
    assert 0 < sum(cut != best for cut in tried) < 200


def test_another_way_is_kept_when_times_change(chooser):
    x = np.ones(64, np.float32)
    for costs, best in (((100, 90, 50), 2), ((100, 150, 200), 0), ((100, 60, 200), 1)):
        chooser.costs[:] = [1000 * cost for cost in costs]
        for _ in range(16_000):
            np.testing.assert_array_equal(result(chooser.interpreter, x), chain_result(x, 1))
        assert chooser.run[KEPT] == best


def test_a_trial_waits_for_workers_for_a_while(chooser):
    """Nobody helps: a trial that shares steps lasts longer than one that does not, and ends all the same."""
    run, costs = chooser.run, [100_000, 99_000, 80_000]
    chooser.costs[:] = costs

    def longest() -> dict[int, int]:
        found: dict[int, int] = {}
        for _ in range(12_000):
            chooser.interpreter.invoke()
            if run[TRIED] != run[KEPT]:
                found[int(run[TRIED])] = max(found.get(int(run[TRIED]), 0), int(run[ELAPSED]))
        return {cut: found_ns // 1_000_000 for cut, found_ns in found.items()}

    chooser.helps[0] = False
    assert longest() == {0: 1, 1: 21, 2: 21}
    chooser.helps[0] = True
    longest()
    assert longest() == {0: 1, 1: 1}


def test_a_run_that_was_held_up_decides_nothing(chooser):
    chooser.costs[:] = 100_000, 90_000, 50_000
    for number in range(10_000):
        chooser.costs[2] = 5_000_000 if number % 40 == 0 else 50_000
        chooser.interpreter.invoke()
    assert chooser.run[KEPT] == 2


@pytest.mark.parametrize(
    ("time_ns", "n_bytes", "pays"), [(2999, 0, False), (3000, 0, True), (12_999, 80_000, False), (13_000, 80_000, True)]
)
def test_distant_threads_share_steps_that_compute_much_and_move_little(time_ns, n_bytes, pays):
    assert pays_afar(time_ns, n_bytes) is pays


def test_profiles_and_failures_of_shared_steps_while_they_are_measured():
    interpreter = opened_with(Sharing(lambda n_bytes: 2, 8, TeamPool(2), trials=4), gather_model())
    x = np.arange(8, dtype=np.float32)
    good, bad = np.arange(12, dtype=np.int32) % 8, np.full(12, 9, np.int32)
    for _ in range(6):
        with pytest.raises(ExecutionError, match=r"operator 1 \(GATHER\)"):
            result(interpreter, x, bad)
        np.testing.assert_array_equal(result(interpreter, x, good), (x + 1)[good])
        assert [(node, name) for node, name, _ in interpreter.profile()] == [(0, "ADD"), (1, "GATHER")]


def test_no_more_threads_than_processors_and_none_for_one(monkeypatch):
    monkeypatch.setattr("jitlite.interpreter.team.usable_processors", lambda: 4)
    assert team_pool(1) is None
    assert team_pool(3).threads == 3
    assert team_pool(64).threads == 4
    assert team_pool(3) is not team_pool(4)
    kept = team_pool(2)
    assert team_pool(2) is kept
