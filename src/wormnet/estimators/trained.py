"""What all estimators do: train a network by `wormnet.study.fit`, keep it, and ask it."""

import os
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.data import Dataset, Sequences
from wormnet.estimators.settings import Settings, network_of, plain, seed_of
from wormnet.nn import Recurrent
from wormnet.study import metrics
from wormnet.study.checks import is_real
from wormnet.study.network import Predictor, build
from wormnet.study.prepared import View, prepare

if TYPE_CHECKING:
    from wormnet.study.fit import History

__all__ = ["Trained", "held_out"]


class Trained(Settings):
    """An estimator that trains one network.

    After fit: `predictor_` (torch module: sequences as they are prepared -> scores), `rnn_` (its recurrent layer, of
    wormnet), `core_` (the same, of whatever kind), `history_` (losses and scores, epoch by epoch).
    """

    _kept: tuple[str, ...] = ("_drawn",)
    """Attributes that a file holds beside the network."""

    predictor_: Predictor
    history_: "History"
    _view: View

    @property
    def is_fitted(self) -> bool:
        """Whether there is a network to ask."""
        return self.__dict__.get("_is_fitted", False)

    @is_fitted.setter
    def is_fitted(self, value: bool) -> None:
        # aeon sets it in the constructor, where scikit-learn takes nothing public but the arguments.
        self._is_fitted = value

    @property
    def core_(self) -> nn.Module:
        """The trained core: (x, state, dt, lengths) -> (y, state)."""
        core = self.predictor_.core
        return getattr(core, "core", core) if not isinstance(core, Recurrent) else core

    @property
    def rnn_(self) -> Recurrent:
        """The trained layer, if it is one of wormnet."""
        core = self.core_
        if not isinstance(core, Recurrent):
            raise AttributeError(f"network {self.network!r} is no layer of wormnet; see core_.")
        return core

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained estimator into one safetensors file: arguments, network, scaling, weights; no pickle.

        Raises: NotFittedError before fit; ArgumentError for what is no path, or an argument that no file can hold;
            DataError if the file cannot be written.
        """
        from wormnet.estimators import files

        self._check_is_fitted()
        files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], network: Any = None) -> Any:
        """Read what `save` wrote; its answers are the same bits. Nothing in the file is executed.

        Args: network: the estimator's own, where that is code (a Network, a function, "module:name").
        Raises: ArgumentError for what is no path; DataError for a file that holds no such estimator, or one of code
            that was not given.
        """
        from wormnet.estimators import files

        return files.load(cls, path, network)

    def _train(
        self,
        train: Sequences,
        valid: Sequences,
        seed: int,
        *,
        time_unit: float | None = None,
        score: Sequence[str | metrics.Metric] = (),
        class_weights: Sequence[float] | bool = False,
    ) -> None:
        """Train on cases, and keep the epoch that did best on those that are held out."""
        from wormnet.study import fit

        training = self._training(class_weights=class_weights is True)
        network = network_of(self.network, self.neurons)
        chosen = metrics.all_of(tuple(score) or metrics.usual(train.task), train.task)
        data = prepare(Dataset("cases", train, valid, valid), 0, chosen, residual=False)
        if time_unit is not None:
            data = replace(data, shape=replace(data.shape, time_unit=time_unit))
        weights = None if isinstance(class_weights, bool) else class_weights
        with torch.random.fork_rng(), _Bar(bool(plain(self.verbose)), training.epochs) as after_epoch:
            torch.manual_seed(seed)
            predictor = build(network, data.shape, seed)
            self.history_ = fit.fit(
                predictor, data, training, seed, self.accelerator, class_weights=weights, after_epoch=after_epoch
            )
        self.predictor_, self._view, self._drawn = predictor.eval(), data.view, seed

    def _answers(self, cases: Sequences) -> NDArray[np.float64]:
        """(targets, outputs) scores of raw cases, whose y tells the row that each answer has."""
        from wormnet.study import fit

        network, part = _in_double(self.predictor_), self._view.told(self._view.scaled(cases))
        found = np.empty((cases.targets.size, network.shape.n_outputs))
        with torch.no_grad():
            for batch in fit.Batches(lambda _: part, fit.EVALUATE):
                scores, rows = fit.targets(network, batch._replace(x=batch.x.double()))
                found[rows.numpy()] = scores.numpy()
        return found

    def _seed(self) -> int:
        return seed_of(self.random_state)


class _Cast(nn.Module):
    """A core that computes in its own precision, between numbers in double precision."""

    def __init__(self, core: nn.Module):
        super().__init__()
        self.core = core if any(isinstance(part, Recurrent) for part in core.modules()) else deepcopy(core).double()

    def forward(self, x: Tensor, state: Any, dt: Tensor | None, lengths: Tensor | None) -> tuple[Tensor, Any]:
        """As the core."""
        dtype = next((p.dtype for p in self.core.parameters()), x.dtype)
        y, state = self.core(x.to(dtype), state, None if dt is None else dt.to(dtype), lengths)
        return y.double(), state


def _in_double(network: Predictor) -> Predictor:
    """A network whose answer to a case is the same whatever other cases it is asked with.

    torch rounds a product of matrices differently for each number of rows, visibly in single precision; wormnet's
    layers do not.
    """
    twin = deepcopy(network, {id(network.core): _Cast(network.core)})
    for part in (twin.read_out, twin.skip):
        if part is not None:
            part.double()
    return twin


class _Bar:
    """A progress bar over the epochs, where a person watches."""

    def __init__(self, asked: bool, epochs: int):
        from wormnet.study.runner import Bar

        self.bar = Bar(asked and sys.stderr.isatty())
        self.epochs = epochs

    def __enter__(self) -> Any:
        self.bar.progress.__enter__()
        self.bar.start("training", self.epochs)
        return lambda history: self.bar.tick()

    def __exit__(self, *error: Any) -> None:
        self.bar.progress.__exit__(*error)


def held_out(targets: NDArray[Any], share: Any, seed: int) -> NDArray[np.bool_]:
    """Which cases are held out: of every class, or of every range of the target, about the same share.

    A case that is the only one of its class stays with those that are trained on. Cases in the order of their targets
    are taken at equal distances, those of one target in random order.

    >>> held = held_out(np.array(["a"] * 10 + ["b"] * 5 + ["c"]), 0.2, seed=0)
    >>> int(held[:10].sum()), int(held[10:15].sum()), bool(held[15])
    (2, 1, False)
    """
    held = np.zeros(len(targets), bool)
    share = plain(share)
    if not is_real(share) or share <= 0:
        return held
    rng = np.random.default_rng([seed, 23])
    order = rng.permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    if targets.dtype.kind != "f":
        _, code, count = np.unique(targets, return_inverse=True, return_counts=True)
        order = order[count[code[order]] > 1]
    taken = np.floor((np.arange(len(order) + 1) + rng.random()) * share)
    held[order[np.diff(taken) > 0]] = True
    return held
