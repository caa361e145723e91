"""What `check_model` lets pass, and that it names the claim that a model breaks."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

import wormnet
from wormnet import models
from wormnet.errors import ArgumentError, BackendError, WiringError
from wormnet.models import Edge, Model, ParamSpec, State, Sum, Update
from wormnet.testing import BrokenClaim, check_model
from wormnet.testing.claims import CLAIMS

CALLS = [0]
"""What a model must not look at."""


def weighted(u, weight):
    return u * weight


def d_weighted(u, weight, by_total):
    return by_total * weight, by_total * u


def leak(v, total):
    return total, 1.0


def d_leak(v, by_drive, by_pull):
    return 0.0, by_drive


def counting_leak(v, total):
    CALLS[0] += 1
    return total, 1.0 + 0.1 * CALLS[0]


def wrong_terms(v):
    return v, 1.0


def wrong_leak(v, by_drive, by_pull):
    return 0.0, 2.0 * by_drive


@dataclass(frozen=True)
class Rate(Model):
    """time_constant dv/dt = sum weight u - v, and ways to break it."""

    name: ClassVar[str] = "rate of a test"
    states: ClassVar[tuple[State, ...]] = (State("v", "1", "activity"),)

    fault: str = ""
    unfolds: int = 1

    def params(self, wiring):
        scope = "conection" if self.fault == "scope" else "connection"
        constraint: Any = "positiv" if self.fault == "constraint" else "positive"
        return (
            ParamSpec("time_constant", "neuron", (0.5, 1.0), "time", "of the leak", constraint),
            ParamSpec("weight", scope, (-0.5, 0.5), "1", "of the sender's state"),
        )

    def updates(self):
        node = counting_leak if self.fault == "global" else leak
        return (
            Update(
                edges=(Edge("connection", ("weight",), ("total",), weighted, d_weighted),),
                sums=(Sum("total", "rest" if self.fault == "coefficient" else None),),
                node=node,
                d_node=wrong_leak if self.fault == "derivative" else d_leak,
                solver=models.SOLVERS["semi_implicit"],
                capacitances=("time_constant",),
                unfolds=self.unfolds,
                terms=wrong_terms if self.fault == "terms" else None,
            ),
        )

    def coefficients(self, p):
        if self.fault == "size":
            return {**p, "weight": p["weight"][1:]}
        if self.fault == "random":
            return {**p, "weight": p["weight"] + 0.1 * torch.rand_like(p["weight"])}
        if self.fault == "detached":
            return {**p, "weight": p["weight"].detach()}
        if self.fault == "in place":
            p["weight"].data.mul_(1.1)
        return dict(p)

    def open_conductance(self, p, wiring):
        if self.fault == "conductance":
            return torch.ones(wiring.n_synapses)
        return torch.zeros(wiring.n_neurons) if self.fault == "no conductance" else super().open_conductance(p, wiring)


@dataclass(eq=False)
class Mutable(Model):
    """A rate model whose options can be set."""

    name: ClassVar[str] = "mutable rate of a test"
    states: ClassVar[tuple[State, ...]] = Rate.states

    unfolds: int = 1
    params, updates = Rate.params, Rate.updates
    fault: ClassVar[str] = ""

    def __eq__(self, other):
        return type(other) is Mutable and self.unfolds == other.unfolds

    def __hash__(self):
        return hash(self.unfolds)


def test_every_claim_has_its_words_and_they_differ():
    words = [one.__doc__ for one in CLAIMS]
    assert all(words)
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("model", [Rate(), models.LTC(unfolds=2), models.CfC(backbone_layers=1, backbone_units=4)])
def test_a_model_that_keeps_its_promises_passes_on_the_reference_engine(model):
    random = torch.get_rng_state()
    check_model(model, engines=["reference"])
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.slow
def test_a_model_passes_on_every_engine_of_this_machine():
    check_model(models.LTC(unfolds=3))
    check_model(models.LTC(unfolds=3), wormnet.auto_ncp(inputs=3, neurons=6, outputs=2), dtype=torch.float32)


BROKEN = {
    "scope": "have the sizes of the wiring: unknown scope of parameter weight 'conection'; did you mean 'connection'",
    "constraint": "have the sizes of the wiring: unknown constraint of parameter time_constant 'positiv'",
    "coefficient": "have the sizes of the wiring: unknown coefficient of rate of a test 'rest'",
    "size": r"have the sizes of the wiring: rate of a test gives the coefficient weight as \(\d+,\)",
    "conductance": r"open_conductance has shape \(15,\); on this wiring it takes \(5,\)",
    "no conductance": "open_conductance is not finite and > 0 everywhere",
    "derivative": "its derivatives are the derivatives: rate of a test: wrong_leak gives 3 as the adjoint",
    "terms": "its derivatives are the derivatives: .*: wrong_terms does not give the drives and pulls of leak",
    "global": "on the reference engine .* a call depends on nothing but what it is given.*: results differ by .*; they",
    "random": "on the reference engine .* a call depends on nothing but what it is given.*: results differ by",
    "in place": "on the reference engine .* a call depends on nothing but what it is given.*: results differ by",
    "detached": "gradients of inputs, times, states and parameters are those of finite differences: .*Jacobian",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_model_is_told_which_claim_it_breaks(fault):
    with pytest.raises(BrokenClaim, match=f"(?s)rate of a test.*{BROKEN[fault]}") as caught:
        check_model(Rate(fault), engines=["reference"])
    assert isinstance(caught.value, AssertionError)
    assert caught.value.claim in str(caught.value)
    assert caught.value.engine in (None, "reference")


def test_a_model_whose_options_can_be_set_is_no_data():
    with pytest.raises(BrokenClaim, match=r"it is data.*its option unfolds can be set after it was made"):
        check_model(Mutable(), engines=["reference"])


def test_what_is_no_model_wiring_engine_or_dtype_is_refused():
    for given, options, error, match in (
        (Rate, {}, ArgumentError, r"it takes an instance .*; make one: check_model\(Mine\(\)\)"),
        ("ltc", {}, ArgumentError, "model is 'ltc'; it takes an instance"),
        (Rate(), {"wiring": "cook2019"}, ArgumentError, "wiring is str; it takes a Wiring"),
        (Rate(), {"engines": "cpu"}, ArgumentError, r"it takes a list of names: \['cpu'\]"),
        (Rate(), {"engines": ["auto"]}, ArgumentError, "unknown engine to check 'auto'"),
        (Rate(), {"dtype": torch.bfloat16}, ArgumentError, "unknown dtype torch.bfloat16"),
    ):
        with pytest.raises(error, match=match):
            check_model(given, **options)
    with pytest.raises(WiringError, match="a backbone takes a wiring"):
        check_model(models.CfC(backbone_layers=1), wormnet.auto_ncp(inputs=2, neurons=6, outputs=1))
    if not torch.cuda.is_available():
        with pytest.raises(BackendError, match="not gpu: "):
            check_model(Rate(), engines=["gpu"])
