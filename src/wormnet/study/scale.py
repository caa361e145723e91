"""How a metric's numbers are read and printed: which way is better, where they end, in which unit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["POOLED", "SHARE", "Scale", "number"]


@dataclass(frozen=True)
class Scale:
    """A metric as study.json keeps it: a report can be made where the metric's own code is not.

    Args:
        name: of the metric.   better: +1 where more is better, -1 where less is.
        low, high: the least and the largest value that there is; infinite if there is none.
        unit: "%" for a share that is printed in percent, "" for a plain number.   about: what it is.
        step: the unit of a difference, where that is another.
    """

    name: str
    better: int
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    about: str = ""
    step: str = ""

    @classmethod
    def of(cls, name: str, kept: Mapping[str, Any]) -> "Scale":
        """From study.json, where null stands for a bound that is not there."""
        low, high = kept["bounds"]
        low, high = -math.inf if low is None else float(low), math.inf if high is None else float(high)
        unit = kept.get("unit", "")
        return cls(name, int(kept["better"]), low, high, unit, kept.get("about", ""), "points" if unit == "%" else unit)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest value."""
        return self.low, self.high

    @property
    def factor(self) -> float:
        """What a value is multiplied by to be printed."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def says(self) -> str:
        """The name on an axis, with the unit.

        >>> Scale("balanced_accuracy", 1, 0, 1, "%").says, Scale("mse", -1).says
        ('balanced accuracy, %', 'mse')
        """
        return self.name.replace("_", " ") + (f", {self.unit}" if self.unit else "")

    def error(self, value: float) -> float | None:
        """How far a value is from the best that there is; None where there is no best one.

        >>> round(Scale("accuracy", 1, 0, 1, "%").error(0.9), 12), Scale("mse", -1, 0).error(2.5)
        (0.1, 2.5)
        """
        best = self.high if self.better > 0 else self.low
        return abs(best - value) if math.isfinite(best) else None

    def shown(self, value: float | None, *, signed: bool = False) -> str:
        """A value as it is printed, without its unit; a difference is `signed`.

        >>> accuracy = Scale("accuracy", 1, 0, 1, "%", step="points")
        >>> accuracy.shown(0.9541), accuracy.shown(0.0214, signed=True), accuracy.shown(None)
        ('95.4', '+2.1', '?')
        """
        if value is None:
            return "?"
        form = ".1f" if self.unit == "%" else ".3g"
        plus = "+" if signed and float(format(self.factor * value, form)) > 0 else ""
        return plus + number(self.factor * value, form)

    def with_unit(self, value: float | None, *, signed: bool = False) -> str:
        """A value with its unit; a difference (`signed`) of percentages is in points.

        >>> accuracy = Scale("accuracy", 1, 0, 1, "%", step="points")
        >>> accuracy.with_unit(-0.021, signed=True), Scale("mse", -1).with_unit(2.3)
        ('\u22122.1 points', '2.3')
        """
        return f"{self.shown(value, signed=signed)} {self.step if signed else self.unit}".rstrip()


def number(value: float, form: str) -> str:
    """A number with a minus sign instead of a hyphen, and without any where it is rounded to nothing.

    >>> number(-0.04, ".1f"), number(-4.62, ".1f"), number(1234567.0, ".3g")
    ('0.0', '\u22124.6', '1.23e+06')
    """
    text = format(value, form)
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


SHARE = Scale("share of runs that learned", 1, 0.0, 1.0, "%", step="points")
POOLED = Scale("gain in percent of the error", 1, unit="%", step="%")
"""Gains over several data sets: each in percent of the two networks' mean error there, so that they can be averaged."""
