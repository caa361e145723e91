"""Training one network on one data set, by Lightning. Its import takes seconds, so it is done where it is used."""

import copy
import logging
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as lightning
import torch
from numpy.typing import NDArray
from pytorch_lightning.plugins.environments import LightningEnvironment  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor, nn

from wormnet.data import Sequences
from wormnet.study.metrics import Metric
from wormnet.study.network import Predictor
from wormnet.study.plan import Training
from wormnet.study.prepared import Prepared, share_of

__all__ = [
    "Batch",
    "Batches",
    "History",
    "batch_of",
    "fit",
    "loss_of",
    "optimiser_of",
    "predictions",
    "scores_of",
    "set_view",
    "targets",
]

EVALUATE = 256
"""Sequences at once where nothing is trained."""


class Batch(NamedTuple):
    """Sequences as tensors, cut behind the longest of them."""

    x: Tensor
    y: Tensor
    dt: Tensor | None
    lengths: Tensor | None
    share: float = 1.0
    """With several devices: the weight of this one's part of a batch, its targets times devices over all targets."""


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
    """Batches of a part, in an order that follows from the seed and the epoch alone; in the part's order without.

    Args:
        part_of: (epoch) -> the part; that of epoch 0 tells how many sequences each epoch has.
        size: sequences in a batch.   seed: None for the order of the part.

    Where torch.distributed runs, each process gets its share of each batch.
    """

    def __init__(self, part_of: Callable[[int], Sequences], size: int, seed: int | None = None):
        self.part_of, self.size, self.epoch = part_of, size, 0
        self.first: Sequences | None = part_of(0)
        self.n = len(self.first)
        self.rng = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        return math.ceil(self.n / self.size)

    def __iter__(self) -> Iterator[Batch]:
        # Drawn with the first batch: Lightning also asks for iterators that it does not use.
        part = self.first if self.epoch == 0 and self.first is not None else self.part_of(self.epoch)
        self.epoch += 1
        order = np.arange(len(part))
        if self.rng is not None:
            order = self.rng.permutation(len(part))
            # As many in each epoch: Lightning counts on it.
            order = np.resize(order, self.n)
        for start in range(0, self.n, self.size):
            yield _mine(part, order[start : start + self.size], sharded=self.rng is not None)


def _mine(part: Sequences, rows: NDArray[np.int64], *, sharded: bool) -> Batch:
    if not (sharded and torch.distributed.is_available() and torch.distributed.is_initialized()):
        return batch_of(part, rows)
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    # A process without a sequence would keep the others waiting for its gradient.
    mine = rows[rank::world] if len(rows) > rank else rows[:1]
    weight = np.ones(len(part)) if part.per == "sequence" or part.lengths is None else part.lengths
    share = weight[mine].sum() * world / weight[rows].sum() if len(rows) > rank else 0.0
    return batch_of(part, mine)._replace(share=float(share))


def targets(network: Predictor, batch: Batch) -> tuple[Tensor, Tensor]:
    """What the network says and what is true, one row per target; padding is left out."""
    scores, y = network(batch.x, batch.dt, batch.lengths), batch.y
    if network.shape.per == "step":
        steps = torch.arange(y.shape[1], device=y.device)
        valid = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
        valid = valid if batch.lengths is None else steps < batch.lengths[:, None]
        scores, y = scores[valid], y[valid]
    return scores, y


def loss_of(network: Predictor, scores: Tensor, y: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy for classes; for numbers the mean squared error, 1 where all that is known is the mean."""
    if not y.is_floating_point():
        return nn.functional.cross_entropy(scores, y, weights)
    return nn.functional.mse_loss(scores, y) / network.scale.square().mean()  # pyright: ignore[reportCallIssue]


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


def rate_at(training: Training, step: int, steps: int) -> float:
    """The learning rate of a step, over that of the plan: a linear rise, then half a cosine down to 0, or constant.

    >>> [round(rate_at(Training(warm_up=0.2), step, 10), 2) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.04]
    """
    rise = round(training.warm_up * steps)
    if step < rise:
        return (step + 1) / rise
    if training.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(steps - rise, 1)))


def predictions(network: Predictor, part: Sequences) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """What a network says of a part as it sees it, and what is true: (targets, outputs), (targets,) or the same."""
    network.eval()
    found = []
    with torch.no_grad():
        for batch in Batches(lambda _: part, EVALUATE):
            found.append(targets(network, batch))
    scores, y = (torch.cat(parts).cpu() for parts in zip(*found))
    return scores.double().numpy(), y.numpy()


def scores_of(network: Predictor, part: Sequences, metrics: Sequence[Metric]) -> dict[str, float | None]:
    """The metrics of a part as the network sees it; None where one is not defined."""
    said, y = predictions(network, part)
    found = {metric.name: metric(said, y) for metric in metrics}
    return {name: value if math.isfinite(value) else None for name, value in found.items()}


@dataclass
class History:
    """What training did, epoch by epoch; `best` is the epoch that was kept, from 0."""

    loss: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_score: list[float | None] = field(default_factory=list)
    best: int = 0
    seconds: list[float] = field(default_factory=list)
    """Since training began, validation included."""


class Fit(lightning.LightningModule):
    """The training loop's view of a network."""

    def __init__(
        self,
        network: Predictor,
        data: Prepared,
        training: Training,
        steps: int,
        weights: Tensor | None,
        after_epoch: Callable[[History], None] | None = None,
    ):
        super().__init__()
        self.after_epoch = after_epoch
        self.network, self.training_plan, self.steps = network, training, steps
        self.metric, self.recordings = data.metrics[0], data.recordings
        self.register_buffer("class_weights", weights)
        self.per_sequence = data.valid.mask.sum(1) if data.shape.per == "step" else np.ones(len(data.valid), int)
        self.history, self.began = History(), time.perf_counter()
        self.best_state = copy.deepcopy(network.state_dict())
        self.best_rank = (-math.inf, -math.inf)
        self.epoch_loss: list[Tensor] = []
        self.valid: list[tuple[Tensor, Tensor]] = []

    def configure_optimizers(self) -> Any:
        optimiser = optimiser_of(self.network, self.training_plan)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: rate_at(self.training_plan, step, self.steps)
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, scores: Tensor, y: Tensor) -> Tensor:
        return loss_of(self.network, scores, y, self.class_weights)  # pyright: ignore[reportArgumentType]

    def training_step(self, batch: Batch, number: int) -> Tensor:
        loss = self._loss(*targets(self.network, batch))
        _check_finite(float(loss), f"the loss in epoch {self.current_epoch}, step {number}")
        self.epoch_loss.append(loss.detach())
        return loss * batch.share

    def validation_step(self, batch: Batch, number: int) -> None:
        self.valid.append(targets(self.network, batch))

    def on_validation_epoch_end(self) -> None:
        history = self.history
        scores, y = (torch.cat(parts) for parts in zip(*self.valid))
        history.loss.append(float(torch.stack(self.epoch_loss).mean()))
        history.valid_loss.append(float(self._loss(scores, y)))
        history.seconds.append(time.perf_counter() - self.began)
        _check_finite(history.valid_loss[-1], f"the validation loss after epoch {self.current_epoch}")
        value = self._score(scores.double().cpu().numpy(), y.cpu().numpy())
        history.valid_score.append(value if math.isfinite(value) else None)
        # Of epochs with the same score the one with the smaller loss: on few sequences many have the same accuracy.
        rank = (self.metric.better * value if math.isfinite(value) else -math.inf, -history.valid_loss[-1])
        if rank > self.best_rank:
            self.best_rank, history.best = rank, len(history.loss) - 1
            self.best_state = copy.deepcopy(self.network.state_dict())
        patience = self.training_plan.patience
        if patience and len(history.loss) - 1 - history.best >= patience:
            self.trainer.should_stop = True
        self.epoch_loss.clear()
        self.valid.clear()
        if self.after_epoch is not None:
            self.after_epoch(history)

    def _score(self, scores: NDArray[np.float64], y: NDArray[Any]) -> float:
        """THE score of the validation part: of all of it, or the median of its recordings' scores."""
        if self.recordings is None:
            return self.metric(scores, y)
        of = np.repeat(np.asarray(self.recordings), self.per_sequence)
        return float(np.median([self.metric(scores[of == one], y[of == one]) for one in np.unique(of)]))


def _check_finite(loss: float, what: str) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(f"training diverged: {what} is {loss}; a smaller learning_rate, or clip, may help")


def set_view(network: Predictor, data: Prepared) -> None:
    """Tell a network how its input was standardised, and start a regression at the mean of targets or changes."""
    view = data.view
    of_time = np.array(view.time).reshape(-1, 2)
    buffers: dict[str, Any] = {"input_shift": view.mean, "input_scale": view.deviation}
    buffers |= {"time_shift": of_time[:, 0], "time_scale": of_time[:, 1]}
    if data.train.task == "regress":
        y = data.train.targets.astype(np.float64)
        if network.shape.residual:
            outputs = y.shape[1]
            newest = data.train.x[data.train.mask] if data.train.per == "step" else _last(data.train)
            y = y - (view.mean[:outputs] + view.deviation[:outputs] * newest[:, :outputs])
        spread = y.std(0)
        buffers |= {"shift": y.mean(0), "scale": np.where(spread > 0, spread, 1.0)}
    for name, values in buffers.items():
        getattr(network, name).copy_(torch.as_tensor(values))


def _last(part: Sequences) -> NDArray[np.float32]:
    lengths = np.full(len(part), part.x.shape[1]) if part.lengths is None else part.lengths
    return part.x[np.arange(len(part)), np.maximum(lengths, 1) - 1]


def _class_weights(data: Prepared, training: Training) -> Tensor | None:
    """Each class by one over its share of the train part, so that all classes weigh the same; the mean is 1."""
    if not training.class_weights or data.train.task != "classify":
        return None
    count = np.bincount(data.train.targets, minlength=data.shape.n_outputs)
    weights = np.where(count > 0, count.sum() / np.maximum(count, 1) / max(np.sum(count > 0), 1), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def fit(
    network: Predictor,
    data: Prepared,
    training: Training,
    seed: int,
    accelerator: str = "cpu",
    share: float = 1.0,
    *,
    after_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train a network and leave it, on the CPU, as it was in its best validation epoch.

    Args:
        share: of the train part that is used. A smaller one is passed over more often, so that every share takes about
            as many steps; windows and losses are then not drawn anew.
        accelerator: of Lightning; with `training.strategy` and `training.devices` a network trains on several.
        after_epoch: called after each epoch with what there is so far.

    Raises: FloatingPointError if the loss stops being a finite number.
    """
    if share < 1 or not training.redraw or data.redraw is None:
        part = data.view.told(share_of(data.train, share, seed))
        batches = Batches(lambda _: part, training.batch, seed)
    else:
        batches = Batches(data.train_of, training.batch, seed)
    valid = data.view.told(data.valid)
    set_view(network, data)
    every = max(1, round(1 / share))
    steps = training.epochs * every * len(batches)
    module = Fit(network, data, training, steps, _class_weights(data, training), after_epoch)
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=training.epochs * every,
            check_val_every_n_epoch=every,
            accelerator=accelerator,
            devices=training.devices,
            strategy=training.strategy,
            # One device is one process, also where a cluster's scheduler has started many.
            plugins=[LightningEnvironment()] if training.devices == 1 else None,
            gradient_clip_val=training.clip or None,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        handler = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, batches, Batches(lambda _: valid, EVALUATE))
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
