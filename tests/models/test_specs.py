"""A model is data: its options, its parameters and their shapes say all that an engine needs."""

import dataclasses

import numpy as np
import pytest
import torch
from cases import CASES, DENSE, MIXED
from hypothesis import given, settings
from strategies import wirings

import wormnet
from wormnet import models
from wormnet.errors import ArgumentError, WiringError
from wormnet.models import Model
from wormnet.models.spec import connections, shape_of
from wormnet.wiring import CHEMICAL, CURRENT, GAP, Wiring


def reads_own_state(model):
    return any(getattr(update, "own_state", False) for update in model.updates())


@pytest.mark.parametrize("case", CASES)
def test_a_model_is_remade_from_its_name_and_options(case):
    model = CASES[case][1]
    assert models.named(model.name, **model.options) == model
    assert hash(models.named(model.name, **model.options)) == hash(model)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.fixed_polarity = True


def test_every_model_is_listed_under_its_name():
    assert {name: model.name for name, model in models.MODELS.items()} == {name: name for name in models.MODELS}
    assert set(models.MODELS.values()) >= {getattr(models, name) for name in ("LTC", "CfC", "CTRNN")}
    with pytest.raises(ArgumentError, match="unknown model 'lct'; did you mean 'ltc'"):
        models.named("lct")
    with pytest.raises(TypeError, match="abstract"):
        Model()


@pytest.mark.parametrize("case", CASES)
def test_parameters_are_named_once_and_explained(case):
    wiring, model, _ = CASES[case]
    specs = model.params(wiring)
    assert len({spec.name for spec in specs}) == len({spec.stored_as for spec in specs}) == len(specs)
    assert all(spec.unit and spec.meaning for spec in specs)
    for spec in specs:
        shape = shape_of(spec, wiring, len(connections(wiring, own=reads_own_state(model)).pre))
        low, high = (np.broadcast_to(bound, shape) for bound in spec.start)
        assert (low <= high).all()


@settings(max_examples=50)
@given(wirings())
def test_connections_are_each_ordered_pair_once_with_its_chemical_synapse_first(wiring):
    links = connections(wiring, own=False)
    pairs = list(zip(links.post.tolist(), links.pre.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    expected = set()
    for pre, post, kind in zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist(), strict=True):
        expected.add((post - wiring.n_inputs, pre))
        if kind == GAP and pre >= wiring.n_inputs:
            expected.add((pre - wiring.n_inputs, post))
    assert set(pairs) == expected
    for (post, pre), s in zip(pairs, links.synapse.tolist(), strict=True):
        there, back = (wiring.pre[s], wiring.post[s]), (wiring.post[s], wiring.pre[s])
        ends = (pre, post + wiring.n_inputs)
        assert ends == there or (wiring.kind[s] == GAP and ends == back)
        same = (wiring.pre == pre) & (wiring.post == post + wiring.n_inputs) & (wiring.kind == CHEMICAL)
        assert not same.any() or wiring.kind[s] == CHEMICAL
    own = connections(wiring, own=True)
    assert {(n, n + wiring.n_inputs) for n in range(wiring.n_neurons)} <= set(
        zip(own.post.tolist(), own.pre.tolist(), strict=True)
    )


def test_parameters_of_a_kind_of_synapse_exist_only_where_there_is_one():
    bare = Wiring(2, 3, pre=[0], post=[2])
    assert {"gap_conductance", "current"} & {spec.name for spec in models.LTC().params(bare)} == set()
    assert {"gap_conductance", "current"} <= {spec.name for spec in models.LTC().params(MIXED)}


def test_a_backbone_is_refused_where_it_would_join_what_the_wiring_does_not():
    model = models.CfC(backbone_layers=1)
    model.check(DENSE)
    with pytest.raises(WiringError, match="this one lacks 1 of them"):
        model.check(DENSE.lesion(synapses=[2]))
    with pytest.raises(WiringError, match="this one updates its neurons in several layers"):
        model.check(Wiring(**{**DENSE.to_dict(), "layers": [0, 0, 1, 1, 1]}))


@pytest.mark.parametrize(
    ("model", "name"),
    [("ltc", "conductance"), ("ltc", "gap_conductance"), ("ltc", "current"), ("ctrnn", "weight"), ("cfc", "g_weight")],
)
def test_a_synapse_starts_as_strong_as_its_count_says_beside_others_of_its_kind(model, name):
    wiring = MIXED if model == "ltc" else MIXED.lesion(synapses=np.flatnonzero(MIXED.kind != CHEMICAL))
    counted, plain = wiring, Wiring(**{**wiring.to_dict(), "count": 1.0, "sign": np.abs(wiring.sign).tolist()})
    started = []
    for one in (counted, plain):
        torch.manual_seed(0)
        started.append(wormnet.Recurrent(one, model, dtype=torch.float64).values()[name].abs().detach().numpy())
    kind = {"gap_conductance": GAP, "current": CURRENT}.get(name, CHEMICAL)
    count = wiring.count[wiring.of_kind(kind)]
    expected = count / count.mean()
    if model == "cfc":
        links = connections(wiring, own=True)
        expected = np.where(links.synapse < 0, 1.0, np.append(wiring.count, 0.0)[links.synapse] / count.mean())
    assert len(set(count)) > 1
    np.testing.assert_allclose(started[0] / started[1], expected, rtol=1e-9)
