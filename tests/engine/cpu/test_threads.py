"""Threads, processes and the disk: the same bits everywhere, and no crash."""

import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import wormnet
from wormnet.engine.cpu import threads as pool
from wormnet.engine.cpu.compiled import inlined
from wormnet.engine.cpu.team import team_kernel
from wormnet.models import CTRNN, LTC, CfC

WIRING = wormnet.auto_ncp(inputs=4, neurons=8, outputs=2)
MODELS = [LTC(unfolds=3), CTRNN(unfolds=3), CfC()]
each_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def results(model, batch=70, seed=0):
    """Outputs and gradients of one call."""
    torch.manual_seed(seed)
    rnn = wormnet.Recurrent(WIRING, model, backend="cpu")
    x = torch.randn(batch, 9, 4, requires_grad=True)
    y, last = rnn(x, dt=torch.rand(batch, 9) + 0.1)
    y.square().sum().backward()
    return [y.detach(), last.detach(), x.grad, *(p.grad for p in rnn.parameters())]


def assert_same_bits(one, other):
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@each_model
def test_bits_do_not_depend_on_the_number_of_threads(model, threads):
    threads(1)
    expected = results(model, 600)
    for n in (2, 3, 8):
        threads(n)
        assert_same_bits(results(model, 600), expected)


@each_model
def test_without_openmp_threads_of_our_own_compute_the_same_bits(model, threads, monkeypatch):
    threads(1)
    expected = results(model, 600)
    monkeypatch.setattr(pool, "_openmp", None)
    threads(3)
    assert_same_bits(results(model, 600), expected)


@inlined
def note(arrays, numbers, task, worker):
    """Write down who did a task, how often, and with what."""
    done, by = arrays
    done[task] += numbers[0]
    by[task] = worker


@pytest.fixture(scope="module")
def noting():
    return team_kernel("test_note", note, ("int64", "f"), 1, "f").address


@pytest.mark.parametrize("openmp", [True, False])
def test_every_task_is_done_once_by_no_more_workers_than_there_may_be(openmp, threads, noting, monkeypatch):
    if openmp and pool._openmp is None:
        pytest.skip("torch has no OpenMP here")
    if not openmp:
        monkeypatch.setattr(pool, "_openmp", None)
    for n_threads, n_workers in ((3, 3), (1, 3), (8, 2), (2, 1)):  # set_num_threads may come in between
        threads(n_threads)
        done, by = torch.zeros(5000, dtype=torch.int64), torch.full((5000,), -1.0)
        pool.run_team(noting, pool.words_of(5000, n_workers, [done, by], [7]), n_workers)
        assert done.unique().tolist() == [7]
        assert set(by.unique().tolist()) <= set(range(n_workers))


def test_a_call_without_tasks_and_arrays_that_are_absent_do_nothing(noting):
    pool.run_team(noting, pool.words_of(0, 1, [None, None], [7]), 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_process_forked_before_the_import_computes_after_its_parent_has_used_openmp():
    _run("""
import os, torch
torch.set_num_threads(2)
torch.ones(2**22).add(1).sum()
child = os.fork()
if not child:
    import wormnet
    wormnet.CTRNN(wormnet.dense(2, 3), backend="cpu")(torch.ones(64, 2, 2))
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
""")


def _stress(seconds, n_threads=8):
    """Many Python threads enter at once, each with a call of its own size; the first wrong bit ends it."""
    jobs = [(model, batch) for model in MODELS for batch in (1, 17, 70)]
    expected = [results(*job) for job in jobs]
    end, errors = time.monotonic() + seconds, []
    # The parameters come from torch's global generator, so drawing and calling are two steps.
    calls = []
    for model, batch in jobs:
        torch.manual_seed(0)
        rnn = wormnet.Recurrent(WIRING, model, backend="cpu")
        calls.append((rnn, torch.randn(batch, 9, 4), torch.rand(batch, 9) + 0.1))

    def work(first):
        k = first
        try:
            while time.monotonic() < end and not errors:
                (rnn, x, dt), right = calls[k % len(calls)], expected[k % len(calls)]
                x = x.clone().requires_grad_()
                y, last = rnn(x, dt=dt)
                g = torch.autograd.grad(y.square().sum(), [x, *rnn.parameters()])
                assert_same_bits([y.detach(), last.detach(), *g], right)
                k += 1
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]


def _stress_in_child(seconds, queue):
    try:
        # Threads that a fork begins before its own first call race for the pool that torch replaces there, and with no
        # layer of ours one operator in each is enough for "Invalid thread pool!"; it is replaced here, before them.
        torch.set_num_threads(torch.get_num_threads())
        _stress(seconds, 3)
        queue.put("fine")
    except BaseException as error:
        queue.put(repr(error))


@pytest.mark.parametrize("seconds", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_many_threads_and_forked_workers_at_once_compute_the_same_bits(seconds, threads):
    threads(3)
    results(MODELS[0])  # the pool runs before the fork
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=_stress_in_child, args=(seconds / 2, queue)) for _ in range(2)]
    for child in children:
        child.start()
    _stress(seconds / 2)
    assert [queue.get(timeout=seconds + 60) for _ in children] == ["fine", "fine"]
    for child in children:
        child.join()
        assert child.exitcode == 0


class Computed(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        return torch.stack([one.sum() for one in results(MODELS[0], seed=i)[:2]])


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_data_loaders_workers_may_run_layers(start, threads):
    threads(2)
    expected = torch.stack([Computed()[i] for i in range(6)])
    loader = DataLoader(Computed(), batch_size=3, num_workers=2, multiprocessing_context=start)
    torch.testing.assert_close(torch.cat(list(loader)), expected, rtol=0, atol=0)


def _run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


CALL = """
import torch, wormnet
rnn = wormnet.CTRNN(wormnet.dense(2, 3), backend="cpu")
print(float(rnn(torch.ones(2, 2, 2))[0].isfinite().all()))
"""


@pytest.mark.slow
def test_compiled_code_is_found_on_the_disk_and_only_a_long_wait_is_announced(tmp_path):
    patient = "from wormnet.engine.cpu import compiled; compiled.PATIENCE = 0.05\n" + CALL
    first = _run(patient, NUMBA_CACHE_DIR=str(tmp_path))
    assert "compiling wormnet's forward kernel for this machine, once ..." in first.stderr
    assert list(tmp_path.rglob("*.nbc"))
    again = _run(
        "from wormnet.engine.cpu import compiled; compiled.PATIENCE = 5\n" + CALL, NUMBA_CACHE_DIR=str(tmp_path)
    )
    assert again.stdout == "1.0\n"
    assert again.stderr == ""


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_or_read_is_no_error(tmp_path):
    # A file where the directory should be: nobody can write there, not even root.
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    assert _run(CALL, NUMBA_CACHE_DIR=str(blocked / "cache")).stdout == "1.0\n"

    whole = tmp_path / "whole"
    _run(CALL, NUMBA_CACHE_DIR=str(whole))
    for file in whole.rglob("*.nb[ci]"):
        file.write_bytes(b"damaged")
    assert _run(CALL, NUMBA_CACHE_DIR=str(whole)).stdout == "1.0\n"


def _train(rank, port, queue):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    torch.manual_seed(0)
    rnn = torch.nn.parallel.DistributedDataParallel(wormnet.Recurrent(WIRING, LTC(unfolds=3), backend="cpu"))
    x = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(1))
    rnn(x[rank::2])[0].square().mean().backward()
    queue.put([p.grad.numpy() for p in rnn.parameters()])
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_of_ddp_get_the_gradient_of_the_whole_batch():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    ranks = [context.Process(target=_train, args=(rank, port, queue)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    both = [queue.get(timeout=120) for _ in ranks]
    for rank in ranks:
        rank.join(60)
        assert rank.exitcode == 0
    torch.manual_seed(0)
    rnn = wormnet.Recurrent(WIRING, LTC(unfolds=3), backend="cpu")
    x = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(1))
    rnn(x)[0].square().mean().backward()
    for got in both:
        for one, p in zip(got, rnn.parameters(), strict=True):
            torch.testing.assert_close(torch.as_tensor(one), p.grad, rtol=1e-4, atol=1e-6)
