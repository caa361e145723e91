"""Each hand-written derivative against autograd, and each formula against numbers worked out by hand."""

import inspect

import pytest
import torch

from wormnet.models import formulas

DERIVED = {
    "d_gate_argument": (formulas.gate_argument, ("u", "slope", "midpoint")),
    "d_sigmoid": (torch.sigmoid, ("z",)),
    "d_tanh": (torch.tanh, ("z",)),
    "d_explicit_euler": (formulas.explicit_euler, ("v", "capacitance", "drive", "pull", "h")),
    "d_semi_implicit": (formulas.semi_implicit, ("v", "capacitance", "drive", "pull", "h")),
    "d_exponential_euler": (formulas.exponential_euler, ("v", "rest", "decay")),
    "d_mix": (formulas.mix, ("first", "second", "gate")),
    "d_gated": (formulas.gated, ("first", "second", "gate")),
    "d_decayed": (formulas.decayed, ("rest", "g", "decay")),
}
ARITHMETIC_ALONE = {
    "affine": (formulas.affine, (2.0, 3.0, 0.5), 4.0),
    "velocity": (formulas.velocity, (2.0, 4.0, 3.0, 0.5), 0.5),
    "rk4_sum": (formulas.rk4_sum, (1.0, 1.0, 2.0, 3.0, 4.0, 0.6), 1.0 + 0.1 * 15.0),
    "gate_argument": (formulas.gate_argument, (2.0, 3.0, 0.5), 4.5),
    "explicit_euler": (formulas.explicit_euler, (2.0, 4.0, 3.0, 0.5, 0.2), 2.1),
    "semi_implicit": (formulas.semi_implicit, (2.0, 4.0, 3.0, 0.5, 0.2), 8.6 / 4.1),
    "exponential_euler": (formulas.exponential_euler, (2.0, 1.0, 0.25), 1.25),
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
    known = given | {"y": value, "new": value}
    if name == "d_semi_implicit":
        known["inverse"] = 1 / (given["capacitance"] + given["h"] * given["pull"])
    found = function(*(known[parameter] for parameter in inspect.signature(function).parameters))
    return value, found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("name", DERIVED)
def test_a_derivative_is_that_of_autograd(name):
    values = inputs(DERIVED[name][1])
    value, found = derivatives(name, values)
    expected = torch.autograd.grad(value.sum(), values)
    if name == "d_semi_implicit":
        # Its docstring gives the order v, capacitance, drive, pull, h.
        assert len(found) == 5
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(
            torch.as_tensor(one, dtype=other.dtype).detach().expand(50), other, rtol=1e-12, atol=1e-13
        )


@pytest.mark.parametrize("name", ARITHMETIC_ALONE)
def test_a_formula_gives_the_number_worked_out_by_hand(name):
    formula, given, expected = ARITHMETIC_ALONE[name]
    assert formula(*given) == pytest.approx(expected, rel=1e-15)


def test_every_formula_and_every_derivative_has_its_test():
    named = set(formulas.__all__)
    functions = {name for name, value in vars(formulas).items() if inspect.isfunction(value)}
    assert named == functions
    assert set(DERIVED) == {name for name in named if name.startswith("d_")}
    assert set(ARITHMETIC_ALONE) == {name for name in named if not name.startswith("d_")}


def test_formulas_are_arithmetic_alone():
    import ast

    allowed = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Tuple, ast.operator, ast.unaryop, ast.expr_context)
    for node in ast.walk(ast.parse(inspect.getsource(formulas))):
        if isinstance(node, ast.FunctionDef):
            for line in node.body[1:]:
                assert isinstance(line, (ast.Return, ast.Assign)), node.name
                for part in ast.walk(line.value):
                    assert isinstance(part, allowed), f"{node.name} holds {ast.dump(part)}"
