"""Training one network by several processes of this machine, one for each device, that share every batch."""

import os
import signal
import socket
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed

from wormnet.study.network import Predictor
from wormnet.study.plan import Training
from wormnet.study.prepared import Prepared

__all__ = ["average", "place", "train"]


class Place(NamedTuple):
    """Which of how many processes this is."""

    rank: int
    of: int


def place() -> Place:
    """That of this process; the only one of one where no others train with it.

    >>> place()
    Place(rank=0, of=1)
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return Place(0, 1)
    return Place(distributed.get_rank(), distributed.get_world_size())


def average(value: Tensor) -> Tensor:
    """The mean over the processes that train together, the same in all of them."""
    of = place().of
    if of == 1:
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total / of


def train(
    network: Predictor, data: Prepared, training: Training, seed: int, accelerator: str, share: float
) -> tuple[Any, dict[str, Tensor]]:
    """What `fit.train` returns, by as many processes as the training has devices.

    Lightning itself would start the program again for each device, from its first line. If one process fails, the
    others, which wait for it, are ended.
    """
    from concurrent.futures import FIRST_EXCEPTION, wait

    from joblib.externals.loky import ProcessPoolExecutor

    from wormnet.study.schedule import THREADS

    of = training.devices
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pool = ProcessPoolExecutor(of, env=dict.fromkeys(THREADS, "1"))
    try:
        work = (network, data, training, seed, accelerator, share)
        going = [pool.submit(_train, Place(rank, of), port, os.getpid(), work) for rank in range(of)]
        done, _ = wait(going, return_when=FIRST_EXCEPTION)
        for one in done:
            one.result()
        return going[0].result()
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _train(here: Place, port: int, parent: int, work: tuple[Any, ...]) -> tuple[Any, dict[str, Tensor]] | None:
    from wormnet.study import fit, schedule

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    schedule.die_with(parent)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(here.rank), "NODE_RANK": "0"}
    torch.set_num_threads(1)
    found = fit.train(*work)
    return found if here.rank == 0 else None
