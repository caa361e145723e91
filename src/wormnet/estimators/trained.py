"""What all estimators do: train a network by `wormnet.study.fit`, keep it, and ask it."""

import os
import sys
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from aeon.base import BaseAeonEstimator
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.data import Dataset, Sequences
from wormnet.estimators.settings import Settings, network_of, plain, seed_of
from wormnet.nn import Recurrent
from wormnet.study import metrics
from wormnet.study.checks import is_real
from wormnet.study.network import Predictor, build, core_of
from wormnet.study.prepared import prepare
from wormnet.study.progress import shown_while
from wormnet.study.whole import whole

if TYPE_CHECKING:
    from wormnet.study.fit import History

__all__ = ["Trained", "held_out"]


class Trained(Settings, BaseAeonEstimator):
    """An estimator that trains one network."""

    _kept: tuple[str, ...] = ("_drawn",)
    """Attributes that a file holds beside the network."""

    predictor_: Predictor
    """The trained module: sequences as it was trained to see them, in; scores, out."""
    history_: "History"
    """Losses and scores, epoch by epoch."""

    @property
    def is_fitted(self) -> bool:
        """Whether there is a network to ask."""
        return self.__dict__.get("_is_fitted", False)

    @is_fitted.setter
    def is_fitted(self, value: bool) -> None:
        # aeon sets it in the constructor, where scikit-learn takes nothing public but the arguments.
        self._is_fitted = value

    @property
    def rnn_(self) -> nn.Module:
        """The trained layer, between standardised inputs and the read-out."""
        return core_of(self.predictor_)

    def layer(self) -> Recurrent:
        """One layer to save, export or draw: samples as recorded in, scores out, for every sample.

        Standardising is in its map of inputs, the read-out in its projection. Where the time between samples varies,
        dt and log dt in units of the layer's `time_unit` are two more inputs, the last ones. With `missing`, a mask of
        each channel and the time since it was seen come between.

        Raises: NotFittedError before fit; ArgumentError for a network of which no such layer can be made.
        """
        self._check_is_fitted()
        return whole(self.predictor_)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trained estimator into one safetensors file: arguments, network, weights; no pickle.

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
        balanced: bool = False,
    ) -> None:
        """Train on cases, and keep the epoch that did best on those that are held out."""
        from wormnet.study import fit

        training, network = self._training(balanced), network_of(self.network)
        chosen = metrics.all_of(("balanced_accuracy",) if balanced else metrics.usual(train.task), train.task)
        data = prepare(Dataset("cases", train, valid, valid), 0, chosen, residual=False, time_unit=time_unit)
        shown = bool(plain(self.verbose)) and sys.stderr.isatty()
        with torch.random.fork_rng(), shown_while(shown) as bar:
            torch.manual_seed(seed)
            bar.start("training", training.epochs)
            predictor = build(network, data.shape, seed)
            self.history_ = fit.fit(
                predictor, data, training, seed, self.accelerator, after_epoch=lambda history: bar.tick()
            )
        self.predictor_, self._drawn = predictor.eval(), seed

    def _answers(self, cases: Sequences) -> NDArray[np.float64]:
        """(targets, outputs) scores of raw cases, whose y tells the row that each answer has."""
        from wormnet.study import fit

        network = _in_double(self.predictor_)
        found = np.empty((cases.targets.size, network.shape.n_outputs))
        with torch.no_grad():
            for batch in fit.Batches(lambda _: cases, fit.EVALUATE):
                x = network.seen(batch.x.double(), batch.dt)
                scores, rows = fit.targets(network, batch._replace(x=x))
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
        _, code, counts = np.unique(targets, return_inverse=True, return_counts=True)
        order = order[counts[code[order]] > 1]
    taken = np.floor((np.arange(len(order) + 1) + rng.random()) * share)
    held[order[np.diff(taken) > 0]] = True
    return held
