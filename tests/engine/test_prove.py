"""A model that does not fit together is one clear error when a layer is built, and two that differ are never taken for
one another."""

import math
import warnings
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

import wormnet
from wormnet.errors import ArgumentError, BackendError, WiringError, WormnetError
from wormnet.models import SOLVERS, Edge, Model, ParamSpec, State, Sum, Update, elementary

WIRING = wormnet.dense(2, 3)


def weighted(u, weight):
    return u * weight


def d_weighted(u, weight, by_total):
    return by_total * weight, by_total * u


def tiring(v, f, total, strength, shift):
    return total - strength * f + shift, 1.0, v, 1.0


def d_tiring(v, f, strength, shift, by_drive_v, by_pull_v, by_drive_f, by_pull_f):
    return by_drive_f, -(by_drive_v * strength), by_drive_v, -(by_drive_v * f), by_drive_v


UPDATE = Update(
    edges=(Edge("connection", ("weight",), ("total",), weighted, d_weighted),),
    sums=(Sum("total", start="bias"),),
    node=tiring,
    d_node=d_tiring,
    coefficients=("strength", "shift"),
    solver=SOLVERS["semi_implicit"],
    capacitances=("rise", "tire"),
    unfolds=2,
)
STATES = (State("v", "1", "activity"), State("f", "1", "fatigue"))
NEURON = {"bias": (0.1, 0.2), "strength": (1.0, 2.0), "shift": (-1.0, 0.0), "rise": (0.5, 1.0), "tire": (2.0, 3.0)}


@dataclass(frozen=True)
class Tiring(Model):
    """Of which the others are made."""

    name: ClassVar[str] = "tiring of a test"
    states: ClassVar[tuple[State, ...]] = STATES

    def params(self, wiring):
        specs = [
            ParamSpec(name, "neuron", start, "1", "of a test", "positive" if name in ("rise", "tire") else None)
            for name, start in NEURON.items()
        ]
        return (*specs, ParamSpec("weight", "connection", (-1.0, 1.0), "1", "of a test"))

    def updates(self):
        return (UPDATE,)


def variant(states=STATES, name="tiring of a test", params=None, check=None, **changes):
    """A class of the same name, as a notebook's cell makes one when it runs again."""
    own = {"updates": lambda self: (replace(UPDATE, **changes),), "states": states, "name": name}
    if params is not None:
        own["params"] = lambda self, wiring: params(Tiring.params(self, wiring))
    return dataclass(frozen=True)(type("Tiring", (Tiring,), own))()


def outputs(model, backend="reference"):
    torch.manual_seed(0)
    rnn = wormnet.Recurrent(WIRING, model, backend=backend)
    y, _ = rnn(torch.ones(2, 4, 2))
    y.sum().backward()
    return y.detach(), [p.grad for p in rnn.parameters()]


CHANGES = {
    "unfolds": {"unfolds": 5},
    "capacitances": {"capacitances": ("tire", "rise")},
    "coefficients": {"coefficients": ("shift", "strength")},
    "the start of a sum": {"sums": (Sum("total", start="shift"),), "coefficients": ("strength", "bias")},
    "the start of a state": {"states": (State("v", "1", "activity", start=0.5), STATES[1])},
    "the parameter that a state starts from": {"states": (State("v", "1", "activity", start="bias"), STATES[1])},
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_classes_of_one_name_that_declare_something_else_compute_what_each_declares(what, backend):
    before, _ = outputs(Tiring(), backend)
    found, gradients = outputs(variant(**CHANGES[what]), backend)
    alone, expected = outputs(variant(**CHANGES[what], name="another"), backend)
    assert torch.equal(found, alone)
    assert all(map(torch.equal, gradients, expected))
    assert not torch.equal(found, before)
    again, _ = outputs(Tiring(), backend)
    assert torch.equal(again, before)


def test_classes_of_one_name_keep_their_own_maps_of_inputs():
    def mapping(specs):
        return (*specs, ParamSpec("input_scale", "input", (3.0, 3.0), "1", "of a test"))

    before, _ = outputs(Tiring(), "cpu")
    found, _ = outputs(variant(params=mapping), "cpu")
    expected, _ = outputs(variant(params=mapping), "reference")
    assert not torch.allclose(found, before)
    assert torch.allclose(found, expected, atol=1e-5)
    torch.testing.assert_close(outputs(Tiring(), "cpu")[0], before)


def powered(factor):
    def scaled(u, weight, factor=factor):
        return u * weight * factor

    def d_scaled(u, weight, by_total, factor=factor):
        return by_total * weight * factor, by_total * u * factor

    return {"edges": (Edge("connection", ("weight",), ("total",), scaled, d_scaled),)}


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_functions_that_differ_in_a_default_alone_are_compiled_apart(backend):
    for factor in (1.0, 3.0):
        found, _ = outputs(variant(**powered(factor)), backend)
        expected, _ = outputs(variant(**powered(factor), name=f"times {factor}"), "reference")
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def failing(function):
    return {"edges": (replace(UPDATE.edges[0], edge=function),)}


def brings_nothing(u, weight):
    u * weight


WRONG = {
    "torch": (failing(lambda u, w: torch.tanh(u) * w), "calls torch.tanh. It takes"),
    "numpy": (failing(lambda u, w: np.tanh(u) * w), "calls numpy.tanh. It takes"),
    "math": (failing(lambda u, w: math.tanh(u) * w), "calls math.tanh. It takes"),
    "module": (failing(lambda u, w: elementary.tanh(u) * w), "calls wormnet.models.elementary.tanh. It takes"),
    "if": (failing(lambda u, w: u * w if u > 0 else 0.0), "fails with RuntimeError: Boolean value of Tensor"),
    "nothing": (failing(brings_nothing), "brings_nothing gives NoneType; it takes numbers, several as a tuple"),
    "list": (failing(lambda u, w: [u * w]), "gives list; it takes numbers, several as a tuple"),
    "no function": (failing(abs), "<built-in function abs> is no plain function."),
    "edges": ({"edges": UPDATE.edges[0]}, None),
    "no sums": ({"sums": ()}, r"sums are \(\); it takes a tuple of one Sum or more"),
    "solver": ({"solver": "euler"}, "solver is 'euler'; it takes a Solver: wormnet.models.SOLVERS"),
    "capacitances without a solver": (
        {"solver": None, "unfolds": 1},
        "capacitances are .*; an update without a solver takes none: its node gives the new states.",
    ),
    "no parameters": ({"params": lambda specs: ()}, "tiring of a test has no parameters; a layer takes a"),
    "no sub-steps": ({"unfolds": 0}, "unfolds of tiring of a test is 0; it takes a whole number of 1 or more"),
    "half a sub-step": ({"unfolds": 1.5}, "unfolds of tiring of a test is 1.5; it takes a whole number"),
    "capacitance": ({"capacitances": ("rise", "tyre")}, "has the parameter tire, and no edge, node or state takes it"),
    "start of a state": (
        {"states": (State("v", "1", "activity", start="biass"), STATES[1])},
        "unknown parameter of the neurons, where tiring of a test's v starts 'biass'; did you mean 'bias'",
    ),
    "start by synapses": (
        {"states": (State("v", "1", "activity", start="weight"), STATES[1])},
        "unknown parameter of the neurons, where tiring of a test's v starts 'weight'",
    ),
    "start of none": ({"states": (State("v", "1", "a", start=None), STATES[1])}, "v starts at None; it takes a number"),
    "one state": ({"states": STATES[0]}, "it takes a tuple of one State or more"),
    "idle": (
        {"params": lambda specs: (*specs, ParamSpec("idle", "neuron", (0.0, 1.0), "1", "of a test"))},
        "tiring of a test has the parameter idle, and no edge, node or state takes it.",
    ),
    "scope of an edge": (
        {"params": lambda specs: tuple(replace(one, over="neuron") if one.name == "weight" else one for one in specs)},
        "weight is over 'neuron', and connection edges take it; its ParamSpec takes 'connection'.",
    ),
    "scope of a node": (
        {"params": lambda specs: tuple(replace(one, over="input") if one.name == "shift" else one for one in specs)},
        "shift is over 'input', and nodes take it; its ParamSpec takes 'neuron'.",
    ),
    "negative capacitance": (
        {"params": lambda specs: tuple(
            replace(one, start=(-1.0, 1.0), constraint=None) if one.name == "rise" else one for one in specs
        )},
        "the capacitance rise may be 0 or less; its ParamSpec takes constraint='positive'.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_model_that_does_not_fit_together_is_refused_when_a_layer_is_built(what):
    changes, says = WRONG[what]
    wormnet.Recurrent(WIRING, Tiring())  # and so also after a sound model of the same name
    with pytest.raises((WormnetError, TypeError) if says is None else ArgumentError, match=says):
        wormnet.Recurrent(WIRING, variant(**changes))


def test_updates_without_a_comma_are_told():
    model = dataclass(frozen=True)(type("Tiring", (Tiring,), {"updates": lambda self: UPDATE, "name": "uncomma"}))()
    with pytest.raises(ArgumentError, match=r"updates\(\) is Update\(.*it takes a tuple of one Update or DenseUpdate"):
        wormnet.Recurrent(WIRING, model)


def test_synapses_that_a_model_has_no_edge_for_are_told():
    edge = replace(UPDATE.edges[0], over="chemical")
    chemical = variant(
        edges=(edge,),
        params=lambda specs: tuple(replace(one, over="chemical") if one.name == "weight" else one for one in specs),
    )
    mixed = wormnet.Wiring(2, 3, pre=[0, 1, 2, 3], post=[2, 3, 3, 4], kind=[0, 0, 1, 0])
    with pytest.raises(WiringError, match="has no edge over gap, and the wiring has 1 of these synapses; lesion them"):
        wormnet.Recurrent(mixed, chemical)
    wormnet.Recurrent(WIRING, chemical)


@pytest.mark.parametrize(
    ("function", "says"),
    [(lambda u, w: u * w + 0.0 * u**2, "pow"), (lambda u, w: u * w + 0.0 * u.tanh(), "attribute 'tanh'")],
)
def test_what_torch_can_do_and_the_kernels_cannot_is_told_in_one_sentence(function, says):
    rnn = wormnet.Recurrent(WIRING, variant(**failing(function)), backend="cpu")
    with pytest.raises(BackendError, match=f"a function of this model cannot be compiled: .*{says}.*It takes"):
        rnn(torch.ones(1, 2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wormnet.Recurrent(WIRING, variant(**failing(function)), backend="reference")(torch.ones(1, 2, 2))
