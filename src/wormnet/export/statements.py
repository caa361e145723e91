"""Expressions as statements of a language that is written like C."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from wormnet.export.expressions import Term, Traced

__all__ = ["C_DOUBLE", "C_FLOAT", "JAVASCRIPT", "Notation"]

SIGN = {"add": ("+", 1), "subtract": ("-", 1), "multiply": ("*", 2), "divide": ("/", 2)}
"""Operators, and how strongly they bind."""


def _single(value: float) -> str:
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0", exp_digits=1)
    return f"{_short(text)}f"


def _double(value: float) -> str:
    return _short(repr(float(value)))


def _short(text: str) -> str:
    """A number without an exponent where that is as short; with a point, so that no division is one of integers."""
    plain = np.format_float_positional(float(text), trim="0")
    value = text if len(text) < len(plain) or float(plain) != float(text) else plain
    return value if any(one in value for one in ".e") else f"{value}.0"


@dataclass(frozen=True)
class Notation:
    """How a language writes numbers, declarations and functions.

    Attributes:
        declare: a new name for a value, for example "const float {} = {};".
        number: a number as it stands in the source.
        functions: exp, tanh, sigmoid, absolute with {} for their argument.
    """

    declare: str
    number: Callable[[float], str]
    functions: dict[str, str] = field(hash=False)

    def statements(
        self, function: Traced, arguments: Sequence[str], prefix: str, named: Sequence[bool] = ()
    ) -> tuple[list[str], list[str]]:
        """(lines, expressions of the results).

        What is needed more than once gets a name that begins with prefix, and so do the results that are to be `named`,
        since they become arguments of another expression.
        """
        uses, lines = function.uses, []
        texts: dict[int, tuple[str, int]] = {}
        for term in function.order:
            text = self._text(term, arguments, texts)
            if term.of and uses[id(term)] > 1:
                name = f"{prefix}{len(lines)}"
                lines.append(self.declare.format(name, text[0]))
                text = name, 9
            texts[id(term)] = text
        results = []
        for k, one in enumerate(function.results):
            text, strength = texts[id(one)]
            if named and named[k] and strength < 9:
                text = f"{prefix}r{k}"
                lines.append(self.declare.format(text, texts[id(one)][0]))
            results.append(text)
        return lines, results

    def _text(self, term: Term, arguments: Sequence[str], texts: dict[int, tuple[str, int]]) -> tuple[str, int]:
        """An expression, and how strongly its outermost operator binds."""
        if term.op == "argument":
            return arguments[int(term.value)], 9
        if term.op == "constant":
            return self.number(term.value), 9 if math.copysign(1.0, term.value) > 0 else 3

        def within(one: Term, least: int) -> str:
            text, strength = texts[id(one)]
            return text if strength >= least else f"({text})"

        if term.op in SIGN:
            sign, strength = SIGN[term.op]
            # Never regrouped: a + (b + c) keeps its parentheses, so that it rounds as the layer does.
            return f"{within(term.of[0], strength)} {sign} {within(term.of[1], strength + 1)}", strength
        if term.op == "negative":
            return f"-{within(term.of[0], 4)}", 3
        if term.op == "where_less":
            a, b, then, otherwise = (within(one, 2) for one in term.of)
            return f"({a} < {b} ? {then} : {otherwise})", 9
        return self.functions[term.op].format(texts[id(term.of[0])][0]), 9


C_FLOAT = Notation(
    "const float {} = {};",
    _single,
    {"exp": "expf({})", "tanh": "tanhf({})", "sigmoid": "sigmoid({})", "absolute": "fabsf({})"},
)
C_DOUBLE = Notation(
    "const double {} = {};",
    _double,
    {"exp": "exp({})", "tanh": "tanh({})", "sigmoid": "sigmoid({})", "absolute": "fabs({})"},
)
JAVASCRIPT = Notation(
    "const {} = {};",
    _double,
    {"exp": "Math.exp({})", "tanh": "Math.tanh({})", "sigmoid": "sigmoid({})", "absolute": "Math.abs({})"},
)
