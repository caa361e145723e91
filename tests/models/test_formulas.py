"""Each hand-written derivative against autograd, and each formula against numbers worked out by hand."""

import inspect
import math
from fractions import Fraction

import pytest
import torch

from wormnet.models import elementary, formulas
from wormnet.models.solvers import SOLVERS

DERIVED = {
    "d_gate_argument": (formulas.gate_argument, ("u", "slope", "midpoint")),
    "d_sigmoid": (torch.sigmoid, ("z",)),
    "d_tanh": (torch.tanh, ("z",)),
    "d_relaxation": (formulas.relaxation, ("z",)),
    "d_mix": (formulas.mix, ("first", "second", "gate")),
    "d_gated": (formulas.gated, ("first", "second", "gate")),
    "d_decayed": (formulas.decayed, ("rest", "g", "decay")),
}
ARITHMETIC_ALONE = {
    "affine": (formulas.affine, (2.0, 3.0, 0.5), 4.0),
    "gate_argument": (formulas.gate_argument, (2.0, 3.0, 0.5), 4.5),
    "explicit_euler": (formulas.explicit_euler, (2.0, 4.0, 3.0, 0.5, 0.2), 2.1),
    "semi_implicit": (formulas.semi_implicit, (2.0, 4.0, 3.0, 0.5, 0.2), 8.6 / 4.1),
    "relaxation": (formulas.relaxation, (0.5,), 2.0 * (1.0 - 0.6065306597126334)),
    "sign": (formulas.sign, (-0.25,), -1.0),
    "mix": (formulas.mix, (2.0, 4.0, 0.25), 2.5),
    "gated": (formulas.gated, (2.0, 4.0, 0.25), 3.0),
    "decayed": (formulas.decayed, (2.0, 3.0, 0.25), 0.5),
}


def inputs(names):
    drawn = torch.rand(len(names), 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return [one.clone().requires_grad_() for one in drawn * 1.5 + 0.1]


def derivatives(name, values):
    """What the function under test says, with what its signature asks for beside the formula's own arguments."""
    function = getattr(formulas, name)
    formula, names = DERIVED[name]
    given = dict(zip(names, values, strict=True))
    value = formula(*values)
    known = given | {"y": value, "value": value}
    if "z" in given:
        known["decay"] = torch.exp(-given["z"])
    found = function(*(known[parameter] for parameter in inspect.signature(function).parameters))
    return value, found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", DERIVED)
def test_a_derivative_is_that_of_autograd(name):
    values = inputs(DERIVED[name][1])
    value, found = derivatives(name, values)
    expected = torch.autograd.grad(value.sum(), values)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(
            torch.as_tensor(one, dtype=other.dtype).detach().expand(50), other, rtol=1e-12, atol=1e-13
        )


@pytest.mark.parametrize("name", ARITHMETIC_ALONE)
def test_a_formula_gives_the_number_worked_out_by_hand(name):
    formula, given, expected = ARITHMETIC_ALONE[name]
    assert formula(*given) == pytest.approx(expected, rel=1e-15)


STAGES = [(name, i) for name, solver in SOLVERS.items() for i in range(len(solver.stages))]


@pytest.mark.parametrize(("solver", "i"), STAGES, ids=lambda one: str(one))
def test_a_solvers_stage_has_the_derivatives_of_autograd(solver, i):
    """In the order of its arguments: the states so far, capacitance, drive, pull; and of log h, which is h d/dh."""
    stage = SOLVERS[solver].stages[i]
    values = inputs([*(f"y{k}" for k in range(i + 1)), "capacitance", "drive", "pull", "h"])
    new, *kept = stage.advance(*values)
    assert len(kept) == stage.keeps
    by_next = torch.linspace(-1, 1, 50, dtype=torch.float64)
    *expected, by_h = torch.autograd.grad((new * by_next).sum(), values, allow_unused=True, materialize_grads=True)
    states, capacitance, h = values[: i + 1], values[i + 1], values[-1]
    found = stage.d_advance(*states, new, capacitance, *kept, h, by_next)
    for one, other in zip(found, [*expected, by_h * h], strict=True):
        torch.testing.assert_close(
            torch.as_tensor(one, dtype=other.dtype).detach().expand(50), other.detach(), rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize("sign", [1, -1])
def test_the_relaxation_is_exact_where_its_series_meets_its_quotient(sign):
    """Against the series in fractions."""
    for z in (0.0, 1e-12, 1e-3, 0.04, 0.2499999, 0.25, 0.2500001, 0.3, 0.5, 5.0):
        exact, term, x = Fraction(0), Fraction(1), Fraction(sign * z)
        for k in range(1, 60):
            exact, term = exact + term, -term * x / (k + 1)
        value = formulas.relaxation(sign * z)
        assert value == pytest.approx(float(exact), rel=1e-14)
        slope = sum(
            (Fraction((-1) ** k * k, math.factorial(k + 1)) * x ** (k - 1) for k in range(1, 60)), start=Fraction(0)
        )
        found = formulas.d_relaxation(sign * z, math.exp(-sign * z), value)
        assert found == pytest.approx(float(slope), rel=1e-13)


def test_every_formula_and_every_derivative_has_its_test():
    named = set(formulas.__all__)
    functions = {name for name, value in vars(formulas).items() if inspect.isfunction(value)}
    assert named == functions - set(elementary.NAMES)
    assert set(DERIVED) == {name for name in named if name.startswith("d_")}
    assert set(ARITHMETIC_ALONE) == {name for name in named if not name.startswith("d_")}


def test_formulas_are_arithmetic_and_elementary_functions_alone():
    import ast

    allowed = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Tuple, ast.operator, ast.unaryop, ast.expr_context)
    for node in ast.walk(ast.parse(inspect.getsource(formulas))):
        if isinstance(node, ast.FunctionDef):
            for line in node.body[1:]:
                assert isinstance(line, (ast.Return, ast.Assign)), node.name
                for part in ast.walk(line.value):
                    if isinstance(part, ast.Call):
                        assert isinstance(part.func, ast.Name)
                        assert part.func.id in elementary.NAMES, f"{node.name} calls {part.func.id}"
                        assert not part.keywords
                        continue
                    assert isinstance(part, allowed), f"{node.name} holds {ast.dump(part)}"
