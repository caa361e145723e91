"""What the classifier and the regressor share: cases in, one answer for each."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from aeon.base import BaseCollectionEstimator
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from wormnet.data import Sequences
from wormnet.data.missing import FILLS
from wormnet.errors import ArgumentError, ShapeError, shown, unknown
from wormnet.estimators.cases import (
    Fill,
    from_collection,
    from_columns,
    in_time,
    in_windows,
    is_complete,
    labels_in,
    told,
)
from wormnet.estimators.settings import count, plain
from wormnet.estimators.tables import Columns, is_table
from wormnet.estimators.trained import Trained, held_out
from wormnet.study.checks import is_real

__all__ = ["CollectionEstimator"]


@dataclass(init=False, eq=False, repr=False)
class CollectionEstimator(Trained, BaseCollectionEstimator):
    """An estimator of a collection of sequences, in front of one of aeon's base classes."""

    time_unit: float | None = None
    missing: Fill = None
    indicators: bool = True
    series: str | None = None
    time: str | None = None
    label: Any = None
    inputs: Any = None
    variable: str | None = None
    value: str | None = None
    per: str = "sequence"
    window: int = 100

    _kept = (*Trained._kept, "n_features_in_", "feature_names_in_", "_of_columns", "_timed", "_first_dt", "_dated")
    _tags: ClassVar[dict[str, Any]] = {
        "X_inner_type": ["np-list", "numpy3D"],
        "capability:multivariate": True,
        "capability:unequal_length": True,
    }

    def __post_init__(self):
        super().__init__()
        # scikit-learn: before fit nothing is public but the arguments.
        for name in ("classes_", "n_classes_", "metadata_"):
            vars(self).pop(name, None)

    def get_tags(self) -> dict[str, Any]:
        """The tags of aeon. Missing values are a capability where `missing` says what stands for them."""
        return super().get_tags() | {"capability:missing_values": self.missing is not None}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing is not None
        return tags

    # -- what is given -------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Any:
        """Train on cases.

        Args:
            X: (cases, channels, time), (cases, time) of one channel, a list of (channels, time_i) arrays, any other
                collection of aeon's, or `wormnet.data.Sequences`.
            y: (cases,) targets; None where X holds them.

        Raises: ArgumentError or ShapeError for what does not fit.
        """
        return super().fit(X, y)  # pyright: ignore[reportAttributeAccessIssue]

    def score(self, X: Any, y: Any = None, **options: Any) -> float:
        """How good the answers are: accuracy of classes, R2 of numbers, or what `metric=` names (of scikit-learn)."""
        self._check_is_fitted()
        cases = self._preprocess_collection(X, store_metadata=False)
        values = self._checked_y(X, y, cases)
        return super().score(cases, values[cases.targets], **options)  # pyright: ignore[reportAttributeAccessIssue]

    def _fit_setup(self, X: Any, y: Any) -> tuple[Sequences, NDArray[Any]]:
        self.reset()
        self._check_arguments()
        if y is None and self._is_table(X):
            columns = self._columns()
            columns.prove(X, *columns.labels)
        cases = self._preprocess_collection(X)
        return cases, self._checked_y(X, y, cases)

    def _check_arguments(self) -> None:
        unit = plain(self.time_unit)
        if unit is not None and not (is_real(unit) and unit > 0):
            raise ArgumentError(f"time_unit is {shown(unit)}; it takes a number > 0, or None for the median dt.")
        if self.missing is not None and self.missing not in FILLS:
            raise ArgumentError(unknown("missing", self.missing, [None, *FILLS]))
        count("window", self.window, 2)
        self._columns()

    def _columns(self) -> Columns:
        """Which column of a table plays which part."""
        return Columns(**{one.name: getattr(self, one.name) for one in fields(Columns)})

    def _is_table(self, X: Any) -> bool:
        if not is_table(X) or self._columns().any:
            return is_table(X)
        if isinstance(X, Mapping):
            raise ArgumentError("X is a table; say which column plays which part: series=, time=, label= and inputs=.")
        return False  # a DataFrame with a row for each case and a column for each time

    def _preprocess_collection(self, X: Any, store_metadata: bool = True) -> Sequences:
        cases = self._cases(X, first=store_metadata)
        if not cases.mask.any(1).all():
            raise ArgumentError(f"case {int((~cases.mask.any(1)).argmax())} of X has no sample; leave it out.")
        if not store_metadata:
            self._check_alike(X, cases)
        return cases

    def _cases(self, X: Any, *, first: bool) -> Sequences:
        """X as Sequences, whose y is the row that each answer has."""
        if self._is_table(X):
            return self._from_table(X, first=first)
        cases = from_collection(X, self.missing, self.indicators)
        if cases is None:
            return self._from_columns(X, first=first)
        if first:
            self.n_features_in_ = cases.n_inputs // self._per_channel(X)
        return cases

    def _from_table(self, X: Any, *, first: bool) -> Sequences:
        columns = self._columns()
        if not first and not hasattr(self, "feature_names_in_"):
            raise ArgumentError(f"X is a table; this {type(self).__name__} was fitted on what has no names.")
        names = columns.found_inputs(X) if first else list(self.feature_names_in_)
        dated = columns.dated(X)
        if not first and dated != getattr(self, "_dated", dated):
            there, here = ("dates", "numbers") if self._dated else ("numbers", "dates")
            raise ArgumentError(
                f"column {columns.time!r} holds {here}; this {type(self).__name__} was fitted on {there}, and a time "
                "of another unit would be taken for theirs."
            )
        cases, first_dt = columns.cases(X, names, None if first else self._first_dt)
        if first:
            self._first_dt, self._dated = first_dt, dated
            self.feature_names_in_, self.n_features_in_ = np.array(names, object), len(names)
        return cases

    def _from_columns(self, X: Any, *, first: bool) -> Sequences:
        """(cases, time), by the rules of scikit-learn."""
        options: dict[str, Any] = {"dtype": [np.float64, np.float32]}
        options["ensure_all_finite"] = "allow-nan" if self.missing is not None else True
        if first:
            self._of_columns = True
        if getattr(self, "_of_columns", False):
            x = validate_data(self, X, reset=first, **options)
        else:
            x = check_array(X, input_name="X", estimator=self, **options)
        return from_columns(np.asarray(x), self.missing, self.indicators)

    def _per_channel(self, X: Any) -> int:
        """Inputs that are made of each channel of X; Sequences bring theirs along."""
        return 3 if self.missing is not None and self.indicators and not is_complete(X) else 1

    def _check_shape(self, X: Sequences) -> None:
        """Done before, where X still is as it was given."""

    def _check_alike(self, X: Any, cases: Sequences) -> None:
        """That cases are such as those of fit."""
        shape, name = self.predictor_.shape, type(self).__name__
        if cases.n_inputs != shape.channels:
            each = self._per_channel(X)
            raise ShapeError(
                f"X has {cases.n_inputs // each} channels; this {name} was fitted on {shape.channels // each}."
            )
        if (cases.dt is not None) != self._timed:
            there, here = ("with", "without") if self._timed else ("without", "with")
            raise ArgumentError(
                f"X comes {here} dt (the time between samples); this {name} was fitted on cases {there}, and a time of "
                "another unit would be taken for theirs."
            )

    def _checked_y(self, X: Any, y: Any, cases: Sequences) -> NDArray[Any]:
        """(cases,) or (cases, outputs) targets, by the row of the answer."""
        if self._is_table(X):
            y = self._columns().targets(X, y)
        elif y is None and isinstance(X, Sequences):
            y = labels_in(X)
        if y is None:
            there = ", or say in label= which column holds it" if self._is_table(X) else ""
            raise ArgumentError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None: pass it"
                f"{there}."
            )
        found = self._check_y(y)  # pyright: ignore[reportAttributeAccessIssue]
        if len(found) != cases.targets.size:
            raise ShapeError(
                f"X and y are of different length: X has {cases.targets.size} cases, y {len(found)} targets."
            )
        return found

    # -- what is done with it ------------------------------------------------------------------------------------------

    def _fit_to(
        self,
        cases: Sequences,
        y: NDArray[Any],
        *,
        balanced: bool = False,
    ) -> None:
        """Train on cases and their targets, classes as numbers from 0 on or (cases, outputs) floats."""
        seed, self._timed = self._seed(), cases.dt is not None
        train, valid = self._parted(told(cases, y[cases.y]), y, seed)
        self._train(train, valid, seed, time_unit=plain(self.time_unit), balanced=balanced)

    def _parted(self, cases: Sequences, y: NDArray[Any], seed: int) -> tuple[Sequences, Sequences]:
        """What is trained on, and what is held out: whole cases, or the end of the only one."""
        share = plain(self.validation)
        if cases.per == "step" and len(cases) == 1 and share and cases.mask.sum() > 1:
            train, valid = in_time(cases, share)
            return in_windows(train, plain(self.window)), valid
        strata = np.zeros(len(cases), np.int64) if cases.per == "step" else y if y.ndim == 1 else y[:, 0]
        held = held_out(strata, share, seed)
        train = cases.take(~held)
        # Where none can be held out, the best epoch is that which knows its own cases best.
        valid = cases.take(held) if held.any() else train
        return in_windows(train, plain(self.window)) if cases.per == "step" else train, valid
