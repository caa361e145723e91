"""A conductance of exactly 0 is an absent synapse: set, kept, trained around, pruned; averages of weights load."""

import copy

import numpy as np
import pytest
import torch
from tolerances import close
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.nn.utils import prune

import wormnet
from wormnet.errors import ArgumentError
from wormnet.nn.constraints import LEAST, SHIFT
from wormnet.wiring import GAP, Units, Wiring, read_bnn

WIRING = Wiring(2, ["A", "B", "C"], pre=[0, 1, 2, 2, 3, 2, 3], post=[2, 3, 3, 4, 4, 3, 4], kind=[0, 0, 0, 0, 0, 1, 1])


LAYERED = WIRING.replace(layers=[0, 1, 2])
"""so that a CfC's output sees the newest sample"""


def make(backend="auto", **options):
    torch.manual_seed(0)
    rnn = wormnet.LTC(WIRING, backend=backend, **options)
    conductance, gap = (rnn.values()[name].detach().clone() for name in ("conductance", "gap_conductance"))
    conductance[2] = gap[1] = 0.0
    rnn.set_values(conductance=conductance, gap_conductance=gap)
    return rnn


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_zero_is_set_and_read_back_and_is_as_no_synapse():
    rnn, x = make(), draw(3, 5, 2)
    assert rnn.values()["conductance"][2] == rnn.values()["gap_conductance"][1] == 0
    cut = rnn.on(WIRING.lesion(synapses=[2, 6]))
    close(rnn(x)[0], cut(x)[0], backend=rnn.backend.name)


def test_zero_is_the_same_on_every_engine_and_has_no_gradient():
    found = {}
    for backend in ("cpu", "reference"):
        rnn = make(backend)
        y, _ = rnn(draw(3, 5, 2))
        y.square().sum().backward()
        grads = rnn.conductance_raw.grad, rnn.gap_conductance_raw.grad
        assert grads[0][2] == grads[1][1] == 0
        assert (torch.cat(grads) != 0).sum() == 5
        found[backend] = y.detach(), *grads
    for one, other in zip(found["cpu"], found["reference"], strict=True):
        close(one, other, backend="cpu", gradient=True)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("optimiser", [torch.optim.Adam, torch.optim.AdamW])
def test_what_is_absent_stays_absent_while_it_is_trained(optimiser, decay):
    rnn = make()
    steps = optimiser(rnn.parameters(), lr=0.05, weight_decay=decay)
    before = rnn.values()["conductance"].detach().clone()
    for _ in range(5):
        steps.zero_grad()
        rnn(draw(3, 5, 2))[0].square().sum().backward()
        steps.step()
    after = rnn.values()["conductance"].detach()
    assert after[2] == rnn.values()["gap_conductance"][1] == 0
    assert (after[[0, 1, 3, 4]] != before[[0, 1, 3, 4]]).all()


def test_pruning_by_torch_takes_conductances_away():
    rnn = wormnet.LTC(WIRING)
    prune.random_unstructured(rnn, "conductance_raw", amount=1.0)
    assert rnn.values()["conductance"].sum() == 0


def test_weight_decay_pulls_towards_the_least_conductance_of_the_start():
    rnn = wormnet.LTC(WIRING, dtype=torch.float64)
    assert rnn._table.specs["conductance"].start[0] == LEAST == pytest.approx(np.log1p(np.exp(SHIFT)))
    for start in (0.05, 3.0, 1e-5):
        rnn.set_values(conductance=start)
        steps = torch.optim.AdamW([rnn.conductance_raw], lr=0.1, weight_decay=1.0)
        distance = abs(np.log(start / LEAST))
        for _ in range(60):
            rnn.conductance_raw.grad = torch.zeros_like(rnn.conductance_raw)
            steps.step()
            now = rnn.values()["conductance"][0].item()
            assert abs(np.log(now / LEAST)) < distance
            distance = abs(np.log(now / LEAST))
        assert now == pytest.approx(LEAST, rel=0.05)


def test_the_least_conductance_itself_is_not_absent_in_half_precision_either():
    rnn = wormnet.LTC(WIRING)
    rnn.set_values(conductance=LEAST)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        values = copy.deepcopy(rnn).to(dtype).values()["conductance"]
        assert torch.allclose(values.float(), torch.tensor(LEAST), rtol=0.02)


def test_a_published_circuit_with_zeros_becomes_a_layer(tmp_path):
    circuit = wormnet.wiring.tap.tw_pure()
    values = {name: np.array(value) for name, value in circuit.values.items()}
    values["conductance"][:3] = 0.0
    values["gap_conductance"][0] = 0.0
    wormnet.wiring.write_bnn(type(circuit)(circuit.wiring, values, circuit.held), tmp_path / "zero.bnn")
    names = circuit.wiring.cells
    c = read_bnn(tmp_path / "zero.bnn", names=names, inputs=circuit.wiring.inputs, outputs=circuit.wiring.outputs)
    rnn = wormnet.LTC(c.wiring, backend="reference", input_map=None, output_map=None)
    rnn.set_values(**Units().to_model(c.values))
    for name in ("conductance", "gap_conductance"):
        zero = torch.tensor(values[name] == 0)
        assert zero.any()
        assert torch.equal(rnn.values()[name] == 0, zero)


# -- wormnet.prune -----------------------------------------------------------------------------------------------------


def test_the_weakest_synapses_go_and_the_rest_computes_as_if_they_were_zero():
    rnn = make("reference")
    values = {name: value.detach().clone() for name, value in rnn.values().items()}
    values["conductance"] = torch.tensor([0.5, 0.4, 0.0, 0.01, 0.3])
    values["gap_conductance"] = torch.tensor([0.02, 0.6])
    rnn.set_values(**values)
    small = wormnet.prune(rnn, 3)
    assert type(small) is wormnet.LTC
    assert small.wiring == WIRING.lesion(synapses=[2, 3, 4])
    rnn.set_values(conductance=[0.5, 0.4, 0.0, 0.0, 0.3], gap_conductance=[0.0, 0.6])
    close(small(draw(3, 5, 2))[0], rnn(draw(3, 5, 2))[0])
    assert wormnet.prune(rnn, 0).wiring == small.wiring
    assert wormnet.prune(rnn, 1).wiring == small.wiring
    assert wormnet.prune(rnn, 4 / 7).wiring == WIRING.lesion(synapses=[2, 3, 4, 5])
    assert wormnet.prune(rnn, 1.0).wiring.n_synapses == 0
    assert rnn.wiring == WIRING


@pytest.mark.parametrize(("name", "weight"), [("CTRNN", "weight"), ("CfC", "g_weight")])
def test_models_of_connections_lose_those_of_least_weight(name, weight):
    torch.manual_seed(0)
    rnn = getattr(wormnet, name)(LAYERED, backend="reference")
    links, strength = rnn._table.links, {}
    total = sum(v.detach().abs() for k, v in rnn.values().items() if k in (weight, "h_weight"))
    for pre, post, one in zip(links.pre.tolist(), (links.post + 2).tolist(), total.tolist(), strict=True):
        strength[pre, post] = one

    def of(synapse):
        pre, post = int(WIRING.pre[synapse]), int(WIRING.post[synapse])
        ways = [(pre, post), (post, pre)] if WIRING.kind[synapse] == GAP else [(pre, post)]
        return max(strength[way] for way in ways)

    n = WIRING.n_synapses
    gone = sorted(range(n), key=of)[:3]
    small = wormnet.prune(rnn, 3)
    assert small.wiring == LAYERED.lesion(synapses=gone)
    assert small.parameters_of("C")["receives"][0][weight] in [
        row[weight] for row in rnn.parameters_of("C")["receives"]
    ]


def test_a_cfc_whose_gate_still_acts_through_a_connection_keeps_it():
    rnn = wormnet.CfC(LAYERED, backend="reference")
    with torch.no_grad():
        for name in ("g_weight", "h_weight"):
            getattr(rnn, name).zero_()
    x = draw(2, 4, 2)
    same = wormnet.prune(rnn, 0)
    assert same.wiring == LAYERED
    assert torch.equal(same(x)[0], rnn(x)[0])


def test_what_cannot_be_pruned_is_told():
    rnn = make("reference")
    for wrong in (1.5, -0.1, -1, 8, True, "half", float("nan"), None):
        with pytest.raises(ArgumentError, match=r"it takes a share, 0.0 to 1.0, or a whole number of synapses, 0 to 7"):
            wormnet.prune(rnn, wrong)
    with pytest.raises(ArgumentError, match="prune takes a recurrent layer of wormnet, not Linear"):
        wormnet.prune(torch.nn.Linear(1, 1), 0.5)
    backbone = wormnet.CfC(wormnet.dense(2, 3), backbone_layers=1, backend="reference")
    with pytest.raises(ArgumentError, match="has no parameters of single synapses"):
        wormnet.prune(backbone, 0.5)


# -- arithmetic over state_dicts ---------------------------------------------------------------------------------------


def test_averages_of_weights_are_weights():
    a, b = make("reference"), wormnet.LTC(WIRING, backend="reference")
    x = draw(2, 4, 2)
    federated = {name: (a.state_dict()[name] + value) / 2 for name, value in b.state_dict().items()}
    mean = copy.deepcopy(a)
    mean.load_state_dict(federated)
    expected = [(p + q) / 2 for p, q in zip(a.parameters(), b.parameters(), strict=True)]
    assert all(torch.equal(p, q) for p, q in zip(mean.parameters(), expected, strict=True))
    average = torch.optim.swa_utils.AveragedModel(torch.nn.ModuleList([a]), use_buffers=True)
    average.update_parameters(torch.nn.ModuleList([a]))
    average.update_parameters(torch.nn.ModuleList([b]))
    assert torch.allclose(average.module[0](x)[0], mean(x)[0])
    ema = {name: 0.9 * value + 0.1 * b.state_dict()[name] for name, value in a.state_dict().items()}
    mean.load_state_dict(ema)
    multi = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    ema_model = torch.optim.swa_utils.AveragedModel(a, multi_avg_fn=multi)
    ema_model.update_parameters(a)
    ema_model.update_parameters(b)
    assert torch.allclose(ema_model(x)[0], mean(x)[0])


def test_a_layer_inside_a_module_is_halved_and_its_state_is_had():
    whole = torch.nn.Sequential(torch.nn.Linear(2, 2), make("reference"))
    found = get_model_state_dict(whole)
    assert set(found) == {name for name, _ in whole.named_parameters()}
    whole.load_state_dict(found)
    half = copy.deepcopy(whole).half()
    assert all(p.dtype == torch.float16 for p in half.parameters())
    assert half[1].values()["conductance"][2] == 0
    halved = {name: value.half() for name, value in whole.state_dict().items()}
    half.load_state_dict(halved)
