"""Training one network on one data set, by Lightning. Its import takes seconds, so it is done where it is used."""

import copy
import logging
import math
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from wormnet.data import Sequences
from wormnet.study import stats
from wormnet.study.networks import Network
from wormnet.study.plan import Training

__all__ = ["Batch", "Batches", "History", "batch_of", "fit", "loss_of", "optimiser_of", "score"]

EVALUATE = 256
"""Sequences at once where nothing is trained."""


class Batch(NamedTuple):
    """Sequences as tensors, cut behind the longest of them."""

    x: Tensor
    y: Tensor
    dt: Tensor | None
    lengths: Tensor | None


def batch_of(part: Sequences, rows: Any) -> Batch:
    """Some of the sequences as tensors. `rows` is what NumPy takes as an index."""
    lengths = None if part.lengths is None else torch.from_numpy(part.lengths[rows])
    longest = part.x.shape[1] if lengths is None else max(1, int(lengths.max()))
    x, y = torch.tensor(part.x[rows, :longest]), torch.tensor(part.y[rows])
    dt = None if part.dt is None else torch.tensor(part.dt[rows])
    if dt is not None:
        dt = dt[:, None] if dt.dim() == 1 else dt[:, :longest]
    return Batch(x, y[:, :longest] if part.per == "step" else y, dt, lengths)


class Batches:
    """Batches of a part, in an order that follows from the seed and the epoch alone; in the part's order without."""

    def __init__(self, part: Sequences, size: int, seed: int | None = None):
        self.part, self.size = part, size
        self.rng = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        return math.ceil(len(self.part) / self.size)

    def __iter__(self) -> Iterator[Batch]:
        # Drawn with the first batch: Lightning also asks for iterators that it does not use.
        n = len(self.part)
        order = np.arange(n) if self.rng is None else self.rng.permutation(n)
        for start in range(0, n, self.size):
            yield batch_of(self.part, order[start : start + self.size])


def targets(network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the network says and what is true, one row per target; padding is left out."""
    scores, y = network(batch.x, batch.dt, batch.lengths), batch.y
    if network.shape.per == "step":
        steps = torch.arange(y.shape[1], device=y.device)
        valid = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
        valid = valid if batch.lengths is None else steps < batch.lengths[:, None]
        scores, y = scores[valid], y[valid]
    return scores, y


def loss_of(scores: Tensor, y: Tensor) -> Tensor:
    """Cross entropy for classes, mean squared error for numbers."""
    return nn.functional.mse_loss(scores, y) if y.is_floating_point() else nn.functional.cross_entropy(scores, y)


def optimiser_of(network: nn.Module, training: Training) -> torch.optim.Optimizer:
    """A fresh optimiser as the plan names it."""
    kinds = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "sgd": torch.optim.SGD,
    }
    return kinds[training.optimiser](
        network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )


def score(network: Network, part: Sequences) -> float:
    """Accuracy (0 to 1) or mean squared error on a part."""
    meter = stats.metric(part.task, network.shape.n_outputs)
    network.eval()
    with torch.no_grad():
        for batch in Batches(part, EVALUATE):
            meter.update(*targets(network, batch))
    return float(meter.compute())


@dataclass
class History:
    """What training did, epoch by epoch; `best` is the epoch that was kept, from 0."""

    loss: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_score: list[float] = field(default_factory=list)
    best: int = 0


class Fit(lightning.LightningModule):
    """The training loop's view of a network."""

    def __init__(self, network: Network, task: str, training: Training):
        super().__init__()
        self.network, self.task, self.training_plan = network, task, training
        self.history = History()
        self.best_state = copy.deepcopy(network.state_dict())
        self.meter = stats.metric(task, network.shape.n_outputs)
        self.epoch_loss: list[Tensor] = []
        self.valid_loss: list[tuple[Tensor, int]] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimiser_of(self.network, self.training_plan)

    def training_step(self, batch: Batch, number: int) -> Tensor:
        loss = loss_of(*targets(self.network, batch))
        _check_finite(float(loss), f"the loss in epoch {self.current_epoch}, step {number}")
        self.epoch_loss.append(loss.detach())
        return loss

    def validation_step(self, batch: Batch, number: int) -> None:
        scores, y = targets(self.network, batch)
        self.meter.update(scores, y)
        self.valid_loss.append((loss_of(scores, y), len(y)))

    def on_validation_epoch_end(self) -> None:
        history, n = self.history, sum(n for _, n in self.valid_loss)
        history.loss.append(float(torch.stack(self.epoch_loss).mean()))
        history.valid_loss.append(float(sum(float(loss) * rows for loss, rows in self.valid_loss)) / n)
        _check_finite(history.valid_loss[-1], f"the validation loss after epoch {self.current_epoch}")
        history.valid_score.append(float(self.meter.compute()))
        sign = stats.better(self.task)
        # Of epochs with the same score the one with the smaller loss: on few sequences many have the same accuracy.
        ranks = [(sign * s, -loss) for s, loss in zip(history.valid_score, history.valid_loss)]
        if max(ranks) == ranks[-1] and ranks.index(ranks[-1]) == len(ranks) - 1:
            history.best = len(ranks) - 1
            self.best_state = copy.deepcopy(self.network.state_dict())
        self.meter.reset()
        self.epoch_loss.clear()
        self.valid_loss.clear()


def _check_finite(loss: float, what: str) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(f"training diverged: {what} is {loss}; a smaller learning_rate, or clip, may help")


def fit(
    network: Network, train: Sequences, valid: Sequences, training: Training, seed: int, accelerator: str = "cpu"
) -> History:
    """Train a network and leave it, on the CPU, as it was in its best validation epoch.

    Raises: FloatingPointError if the loss stops being a finite number.
    """
    if train.task == "regress":
        y = torch.tensor(train.targets)
        network.shift.copy_(y.mean(0))  # pyright: ignore[reportCallIssue]
        network.scale.copy_(torch.where(y.std(0, correction=0) > 0, y.std(0, correction=0), 1.0))  # pyright: ignore[reportCallIssue]
    module = Fit(network, train.task, training)
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=training.epochs,
            accelerator=accelerator,
            devices=1,
            gradient_clip_val=training.clip or None,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, Batches(train, training.batch, seed), Batches(valid, EVALUATE))
        except SystemExit:
            # What Lightning makes of Ctrl-C; it also leaves the signal ignored.
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None
    network.cpu()
    network.load_state_dict(module.best_state)
    return module.history


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings and no banners of the training loop."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
