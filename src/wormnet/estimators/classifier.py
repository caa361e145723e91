"""WormClassifier: sequences in, classes out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from aeon.classification import BaseClassifier
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from wormnet.data import Sequences
from wormnet.data.missing import is_missing
from wormnet.errors import ArgumentError, shown
from wormnet.estimators.collection import CollectionEstimator

__all__ = ["WormClassifier"]


@dataclass(eq=False, repr=False)
class WormClassifier(CollectionEstimator, BaseClassifier):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Tell the class of a sequence, by a network built like the worm's.

        scores = W y(last sample) + b        p = softmax(scores)

    where y are the neurons of `network`, and W, b a linear read-out. The network sees each channel with mean 0 and
    deviation 1 over the training cases, and, where the time between samples varies, dt and log dt besides.

    The default is no winner. Over four folds of japanese_vowels it was right in 94.7 % of the test cases, an LSTM of
    its size in 95.3 and a GRU in 96.1 %, which is too close to tell; on the digits in 82.2 %, these in 91.1 and 91.8;
    and logistic regression beats all three (docs/results/default_study.md). Compare before you choose:
    `WormClassifier("lstm")` is one word.

    Args:
        network: a name of `wormnet.study`, perhaps with a size or a null ("gru-64", "ncp-cfc/rewire"), a
            `wormnet.study.Network`, a Wiring (LTC neurons on it), a function (shape, seed) -> module, or "module:name"
            for one of these. "ncp-ltc-repaired", the default: 32 LTC neurons on a neural circuit policy, all of them
            read. A name without a size gives about as many parameters.
        epochs: passes over the training cases, at most.   batch: cases in a step.
        learning_rate, weight_decay: of Adam.
        patience: stop after so many epochs without a better one on the cases held out; 0: never. The best is kept.
        validation: share of the cases that is held out for this, of every class alike, 0 to .5; 0: the best epoch is
            the one that did best on the training cases.
        accelerator: "cpu", "gpu" or "auto".
        verbose: 1 shows a progress bar where stderr is a terminal.
        random_state: seed of start, wiring and order; None: another one each time. The global generators stay as they
            are.
        time_unit: how much of dt is one unit of time for the neurons; None: the median dt of the training cases. Where
            time stamps are dates, dt is in seconds.
        missing, indicators: what stands for NaN, and whether the network is told where; as in `wormnet.data.Sequences`.
        series, time, label, inputs: the columns of a table with a row per sample: whose it is, when it was taken, the
            class (not needed where y is given), and what to learn from (None: all others). The first sample of a
            sequence comes the usual interval after its start. Answers stand in the order in which series first occur.
        variable, value: the columns of a table with a row per measured value: what was measured, and how much.
        per: "sequence", one class for each; or "step", one for each sample, in tables and in Sequences: then there
            is an answer for each row of the table.
        window: with per="step", training runs on windows of so many steps.
        balanced: whether each class weighs the same, however rare it is, in the loss and in the choice of the epoch.

    After fit: `classes_`; `rnn_`, the trained layer; `predictor_`, the torch module around it; `history_`, losses and
    scores of each epoch; `n_features_in_`, and, of named columns, `feature_names_in_`.

    Raises (fit, predict, score): ArgumentError or ShapeError, which are ValueErrors, for what does not fit; DataError
        for a table with gaps in its keys or labels; FloatingPointError if training diverges.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 1, 20)).cumsum(2)  # 60 random walks of one channel
    >>> y = np.where(x[:, 0, -1] > 0, "up", "down")
    >>> model = WormClassifier("gru-8", epochs=30).fit(x, y)
    >>> model.score(x, y) > 0.9, model.predict_proba(x).shape
    (True, (60, 2))
    """

    balanced: bool = False

    _kept = (*CollectionEstimator._kept, "classes_", "n_classes_")

    def _check_y(self, y: Any, *given: Any, **options: Any) -> NDArray[Any]:
        labels = column_or_1d(y, warn=True)
        missing = [i for i, one in enumerate(labels) if is_missing(one)]
        if labels.dtype.kind == "O" and missing:
            raise ArgumentError(f"y[{missing[0]}] is missing; every case takes a class: leave those without one out.")
        assert_all_finite(labels, input_name="y", estimator_name=type(self).__name__)
        check_classification_targets(labels)
        return labels

    def _fit(self, X: Sequences, y: NDArray[Any]) -> "WormClassifier":  # pyright: ignore[reportIncompatibleMethodOverride]
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        if self.n_classes_ < 2:
            raise ArgumentError(f"y holds one class, {shown(self.classes_[0])}; a classifier takes two or more.")
        self._fit_to(X, codes, balanced=bool(self.balanced))
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores (logits): (cases, classes), or, of two classes, (cases,) that of the second minus the first."""
        self._check_is_fitted()
        scores = self._answers(self._preprocess_collection(X, store_metadata=False))
        return scores if self.n_classes_ > 2 else scores[:, 1] - scores[:, 0]

    def _predict(self, X: Sequences) -> NDArray[Any]:
        return self.classes_[self._answers(X).argmax(1)]

    def _predict_proba(self, X: Sequences) -> NDArray[np.float64]:
        return softmax(self._answers(X), axis=1)

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> Any:
        """Settings of aeon's checks: a network that compiles nothing, and few epochs."""
        return {"network": "gru-4", "epochs": 2, "missing": "forward"}
