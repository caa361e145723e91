import warnings

import networkx as nx
import numpy as np
import pytest
import torch

import wormnet
from wormnet.errors import BlindOutputWarning
from wormnet.models import CTRNN, LTC
from wormnet.nn import Recurrent
from wormnet.study.network import Shape, build, named, wiring_of
from wormnet.study.networks.ablation import BASES, FACTORS, Ablated, cell_name, levels_of
from wormnet.wiring import GAP, Wiring, reachable, to_networkx

SHAPE = Shape(12, 9, steps=26)
CELLS = [("conductance", "liquid"), ("conductance", "fixed"), ("additive", "liquid"), ("additive", "fixed")]


def layer(wiring, model, **options) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(wiring, model, backend="reference", dtype=torch.float64, **options)


def mixed() -> Wiring:
    """Chemical synapses, gap junctions and currents."""
    return (
        wormnet.random(inputs=2, neurons=5, sparsity=0.4, seed=1)
        .add("n0", "n3", kind=GAP)
        .add("n1", "n2", kind=GAP)
        .drive({"current": ["n0", "n4"]}, sign=0)
    )


def test_conductance_and_liquid_is_ltc_bit_for_bit():
    wiring = wormnet.auto_ncp(inputs=5, neurons=19, outputs=2)
    ours, ltc = (layer(wiring, model, time_constants=(0.1, 20)) for model in (Ablated(), LTC()))
    x, dt = torch.randn(3, 7, 5, dtype=torch.float64), torch.rand(3, 7, dtype=torch.float64) + 0.1
    assert torch.equal(ours(x, dt=dt)[0], ltc(x, dt=dt)[0])
    for a, b in zip(*(torch.autograd.grad(rnn(x, dt=dt)[0].sum(), list(rnn.parameters())) for rnn in (ours, ltc))):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("synapses", "tau"), CELLS)
def test_a_step_is_that_of_the_equation_written_out(synapses, tau):
    wiring = mixed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BlindOutputWarning)  # one step, and neurons two synapses away
        rnn = layer(wiring, Ablated(synapses, tau, unfolds=1))
    v, x, h = torch.randn(5, dtype=torch.float64), torch.randn(3, dtype=torch.float64), 0.3
    p = {name: value.detach().numpy() for name, value in rnn.values().items()}
    u = np.concatenate([(x.numpy() * p["input_scale"] + p["input_shift"]), v.numpy()])
    new = []
    for i in range(5):
        leak, c = p["leak"][i], p["capacitance"][i]
        driven, opened = leak * p["v_leak"][i], leak
        apart = gaps = 0.0
        for kind, places in enumerate(wiring.of_kind(kind) for kind in range(3)):
            for s, place in enumerate(places):
                pre, post = wiring.pre[place], wiring.post[place] - 3
                if kind == 0 and post == i:
                    gate = p["conductance"][s] / (1 + np.exp(-p["slope"][s] * (u[pre] - p["midpoint"][s])))
                    driven, opened = driven + gate * p["reversal"][s], opened + gate
                if kind == GAP and i in (pre - 3, post):
                    other = pre if post == i else wiring.post[place]
                    apart, gaps = apart + p["gap_conductance"][s] * u[other], gaps + p["gap_conductance"][s]
                if kind == 2 and post == i:
                    apart += p["current"][s] * u[pre]
        target = driven / (opened if synapses == "conductance" else leak)
        rate = opened if tau == "liquid" else leak
        # c v' = rate (target - v) + the junctions and currents; v taken implicitly
        new.append((c * float(v[i]) + h * (rate * target + apart)) / (c + h * (rate + gaps)))
    found = rnn(x[None], v, dt=torch.full((1,), h, dtype=torch.float64))[1]
    torch.testing.assert_close(found, torch.tensor(new))


@pytest.mark.parametrize(("synapses", "tau"), CELLS)
def test_a_cell_starts_where_the_ltc_starts(synapses, tau):
    """Effective time constants and the scale of the target do not depend on the cell, in the mean over draws."""
    shape = Shape(12, 9, steps=26)
    ltc, cell = "ncp(published)", cell_name("ncp", {"synapses": synapses, "tau": tau, "start": "published"})
    medians, drives = [], []
    for name in (ltc, cell):
        taus, targets = [], []
        for seed in range(10):
            torch.manual_seed(seed)
            rnn = build(name, shape, seed).core
            p = {key: value.detach() for key, value in rnn.values().items()}
            taus.append(p["capacitance"] / rnn.model.open_conductance(p, rnn.wiring))
            synapse = rnn.wiring.csr(0)
            half = torch.zeros(rnn.wiring.n_neurons).index_add_(
                0,
                torch.from_numpy(synapse.post),
                (0.5 * p["conductance"] * p["reversal"])[torch.from_numpy(synapse.synapse)],
            )
            bare = p["leak"] + 0.5 * torch.zeros_like(half).index_add_(
                0, torch.from_numpy(synapse.post), p["conductance"][torch.from_numpy(synapse.synapse)]
            )
            targets.append(half / (bare if synapses == "conductance" or name == ltc else p["leak"]))
        medians.append(float(torch.cat(taus).median()))
        drives.append(float(torch.cat(targets).std()))
    # An additive neuron with a liquid time constant has its conductances twice in it: once frozen, once open.
    low = 0.4 if (synapses, tau) == ("additive", "liquid") else 0.8
    assert low < medians[1] / medians[0] < 1.25
    assert 0.8 < drives[1] / drives[0] < 1.25


def test_every_other_level_has_a_word_of_its_own():
    words = [word for levels in FACTORS.values() for word in levels]
    assert len(set(words)) == len(words)
    assert {factor for factors in BASES.values() for factor in factors} == set(FACTORS)


def test_names_and_levels_are_each_others_opposite():
    for base, factors in BASES.items():
        for factor in factors:
            name = cell_name(base, {factor: FACTORS[factor][1]})
            assert levels_of(name) == (base, {f: FACTORS[f][f == factor] for f in factors})
    for other in (
        "ncp(fixed,additive)",
        "ncp(additive,additive)",
        "ncp()",
        "ncp(no-gaps)",
        "worm(fixed)",
        "ncp(liquid)",
    ):
        assert levels_of(other) is None


def neurons(wiring: Wiring) -> nx.DiGraph:
    """The graph of the neurons."""
    graph = to_networkx(wiring)
    return nx.DiGraph(graph.subgraph(wiring.neurons))


@pytest.mark.parametrize("seed", range(3))
def test_sparse_circuits_have_the_neurons_and_synapses_of_the_policy(seed):
    policy = wiring_of("ncp(worm)", SHAPE, seed)
    for name in ("ncp(acyclic)", "ncp(flat)", "ncp(flat,acyclic)", "ncp(excitatory)"):
        other = wiring_of(name, SHAPE, seed)
        assert (other.n_neurons, other.n_synapses) == (policy.n_neurons, policy.n_synapses)
        assert reachable(other).all()


@pytest.mark.parametrize("density", ["", "dense,"])
@pytest.mark.parametrize("hierarchy", ["", "flat,"])
def test_without_recurrence_there_is_no_cycle_and_with_it_there_is(density, hierarchy):
    without = neurons(wiring_of(f"ncp({density}{hierarchy}acyclic)", SHAPE))
    assert nx.is_directed_acyclic_graph(without)
    levels = f"{density}{hierarchy}".rstrip(",") or "worm"
    assert not nx.is_directed_acyclic_graph(neurons(wiring_of(f"ncp({levels})", SHAPE)))


def test_layers_stand_in_a_row_unless_flat():
    for name in ("ncp(worm)", "ncp(dense)", "ncp(acyclic)", "ncp(dense,acyclic)"):
        wiring = wiring_of(name, SHAPE)
        layer_of = np.concatenate([np.full(12, -1), wiring.layers])
        steps = layer_of[wiring.post] - layer_of[wiring.pre]
        assert set(steps) <= {0, 1}
        assert (0 in steps) == ("acyclic" not in name)
    flat = wiring_of("ncp(flat)", SHAPE)
    assert np.any(flat.post[flat.pre < 12] >= 12 + 25)


@pytest.mark.parametrize("name", ["ncp(dense)", "ncp(dense,flat)", "ncp(dense,acyclic)", "ncp(dense,flat,acyclic)"])
def test_dense_circuits_have_about_the_parameters_of_the_sparse_ones(name):
    sparse, dense = (build(one, SHAPE).size()["parameters"] for one in ("ncp(worm)", name))
    assert dense == pytest.approx(sparse, rel=0.07)


def test_signs_are_one_half_each_or_all_excite_and_stay_so():
    both, one = (build(name, SHAPE).core for name in ("ncp(worm)", "ncp(excitatory)"))
    assert 0.3 < np.mean(both.wiring.sign > 0) < 0.7
    assert np.all(one.wiring.sign == 1)
    assert both.model.fixed_polarity
    assert one.model.fixed_polarity


def test_the_connectome_loses_its_gap_junctions_alone():
    whole, without = (wiring_of(f"cook2019({one})", SHAPE) for one in ("worm", "no-gaps"))
    assert len(whole.of_kind(GAP)) == 1091
    assert len(without.of_kind(GAP)) == 0
    assert without.n_synapses == whole.n_synapses - 1091


def test_the_families_say_which_cell_is_the_worm():
    assert named("ncp(worm)").family == "worm"
    assert named("ncp(fixed)").family == "null"
    assert "fixed instead of liquid" in named("ncp(fixed)").about


@pytest.mark.parametrize("options", [{"synapses": "aditive"}, {"tau": "solid"}, {"unfolds": 0}])
def test_other_levels_are_refused(options):
    with pytest.raises(wormnet.errors.ArgumentError):
        Ablated(**options)


def test_additive_and_fixed_moves_as_a_ctrnn_does_on_one_synapse():
    """tau v' = -v + bias + w sigma(...): the same equation with the same sigmoid, solved by hand."""
    wiring = Wiring(1, 1, pre=[0], post=[1], sign=1)
    rnn = layer(wiring, Ablated("additive", "fixed", unfolds=1))
    rnn.set_values(leak=2.0, capacitance=3.0, v_leak=0.5, conductance=4.0, reversal=1.0, slope=1.0, midpoint=0.0)
    x = torch.tensor([[0.7]], dtype=torch.float64)
    expected = (1.5 * 0.2 + 0.1 * (0.5 + 2.0 * torch.sigmoid(x[0]))) / (1.5 + 0.1)  # tau = 3 / 2, w = 4 / 2
    found = rnn(x, torch.tensor([0.2], dtype=torch.float64), dt=torch.tensor([0.1], dtype=torch.float64))[1]
    torch.testing.assert_close(found, expected)
    assert CTRNN.name != Ablated.name
