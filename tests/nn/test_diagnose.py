"""The numbers of a diagnosis against what can be known otherwise, and its words against the numbers."""

import math

import numpy as np
import pytest
import torch

import wormnet
from wormnet.errors import ArgumentError, BlindOutputWarning
from wormnet.nn.diagnose import WORDS, _findings
from wormnet.wiring import CHEMICAL, GAP, Wiring

LOW, HIGH = 0.5, 20.0
NCP = wormnet.auto_ncp(inputs=4, neurons=12, outputs=2)


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def effective(rnn):
    """(neurons,) capacitance / (leak + half of the chemical conductances + gap junctions), synapse by synapse."""
    values, w = {name: value.detach().double().numpy() for name, value in rnn.values().items()}, rnn.wiring
    pull, places = values["leak"].copy(), {CHEMICAL: 0, GAP: 0}
    for pre, post, kind in zip(w.pre.tolist(), w.post.tolist(), w.kind.tolist(), strict=True):
        if kind not in places:
            continue
        one = values["conductance" if kind == CHEMICAL else "gap_conductance"][places[kind]]
        places[kind] += 1
        pull[post - w.n_inputs] += one / 2 if kind == CHEMICAL else one
        if kind == GAP and pre >= w.n_inputs:
            pull[pre - w.n_inputs] += one
    return values["capacitance"] / pull


@pytest.mark.parametrize(
    "wiring",
    [NCP, wormnet.dense(4, 64, 2), wormnet.connectome("cook2019").drive({"touch": ["ALM"]})],
    ids=["ncp", "dense", "cook2019"],
)
def test_time_constants_lie_between_the_bounds_whatever_the_fan_in(wiring):
    torch.manual_seed(0)
    with torch.no_grad():
        rnn = wormnet.LTC(wiring.read_out(*wiring.neurons[-1:]) if wiring.n_neurons < 100 else wiring.read_out("AVA"),
                          time_constants=(LOW, HIGH), backend="reference", unfolds=12)  # fmt: skip
    found = effective(rnn)
    assert (found > LOW * 0.999).all()
    assert (found < HIGH * 1.001).all()
    # Spread log-uniformly: the mean of the logarithms is that of the bounds.
    spread = math.log(HIGH / LOW)
    assert abs(np.log(found).mean() - math.log(LOW * HIGH) / 2) < 4 * spread / math.sqrt(12 * len(found))
    with torch.no_grad():
        rnn.set_values(slope=0.0)  # every gate is half open, whatever is sent
    told = wormnet.diagnose(rnn, draw(2, 4, wiring.n_inputs))
    expected = np.quantile(found, (0.1, 0.5, 0.9), method="nearest")
    np.testing.assert_allclose(told.time_constants, expected, rtol=1e-4)
    assert told.gates is None


def test_a_neuron_forgets_at_its_time_constant():
    rnn = wormnet.LTC(Wiring(1, 1, pre=[0], post=[1]), time_constants=(3.0, 3.0), time_unit=0.1,
                      solver="exponential_euler", unfolds=1, backend="reference", dtype=torch.float64)  # fmt: skip
    with torch.no_grad():
        rnn.set_values(slope=0.0)
    x = torch.zeros(1, 1, 1, dtype=torch.float64)
    low, high = (rnn(x, torch.full((1, 1), v, dtype=torch.float64), 0.25)[1].item() for v in (0.0, 1.0))
    assert high - low == pytest.approx(math.exp(-0.25 / 0.3))
    assert wormnet.diagnose(rnn, x, dt=0.25).time_constants == pytest.approx((0.3, 0.3, 0.3))


def test_gates_are_told_by_where_their_senders_are():
    rnn = wormnet.LTC(Wiring(3, 1, pre=[0, 1, 2], post=[3, 3, 3]), backend="reference", input_map=None)
    for scale in (1.0, 40.0):  # potentials of the order of 1, and of tens of mV
        rnn.set_values(midpoint=torch.tensor([-1.0, 1.0, 0.5]) * scale, slope=8.0 / scale)
        x = (torch.tensor([2.0, -2.0, 0.5]) * scale).expand(1, 3, 3)
        told = wormnet.diagnose(rnn, x)
        assert told.gates == pytest.approx({"linear": 1 / 3, "shut": 1 / 3, "open": 1 / 3})
        # The range of a sigmoid that is a fifth as steep as at its middle, by hand: s(1-s) = .05.
        edge = math.log((1 + math.sqrt(0.8)) / (1 - math.sqrt(0.8))) / 8
        for factor, linear in ((0.99, 1.0), (1.01, 0.0)):
            told = wormnet.diagnose(rnn, (torch.tensor([-1.0, 1.0, 0.5]) + factor * edge)[None, None] * scale)
            assert told.gates == pytest.approx({"linear": linear, "shut": 0.0, "open": 1 - linear})


def test_neurons_without_an_input_are_still_and_gradients_are_those_of_the_layer():
    wiring = Wiring(1, ["A", "B", "C"], pre=[0, 1], post=[1, 2], outputs=["A", "B"])
    torch.manual_seed(0)
    rnn = wormnet.CTRNN(wiring, backend="reference", dtype=torch.float64)
    x, lengths = draw(3, 12, 1).double(), torch.tensor([12, 7, 0])
    told = wormnet.diagnose(rnn, x, dt=0.5, lengths=lengths)
    assert told.still == ("C",)
    assert told.lags == (0, 1, 2, 5, 10)
    assert (told.dt, told.length) == (0.5, pytest.approx((6.0 + 3.5) / 2))
    # With as many probes as neurons the norms would be exact; with four random ones they are near.
    jacobian = torch.autograd.functional.jacobian(lambda x: rnn(x, dt=0.5, lengths=lengths)[1][:2], x)
    norms = [
        [jacobian[i, :, i, n - 1 - lag].norm().item() for i, n in enumerate((12, 7)) if n > lag] for lag in told.lags
    ]
    exact = [math.sqrt(np.mean(np.square(row))) for row in norms]
    np.testing.assert_allclose(np.log(told.gradient), np.log(exact), atol=1.0)
    again = wormnet.diagnose(rnn, x, dt=0.5, lengths=lengths)
    assert again == told
    assert rnn.training
    assert all(p.grad is None for p in rnn.parameters())


def test_outputs_that_cannot_see_the_newest_sample_are_named_and_warned_of():
    chain = Wiring(1, ["A", "B", "C"], pre=[0, 1, 2], post=[1, 2, 3], outputs=["A", "C"])
    with pytest.warns(BlindOutputWarning, match=r"1 of 2 outputs \(C\) cannot see the newest sample"):
        rnn = wormnet.LTC(chain, unfolds=2, backend="reference")
    told = wormnet.diagnose(rnn, draw(2, 5, 1))
    assert told.blind == ("C",)
    assert "C" in str(told)
    assert any("50% of the outputs cannot see the newest sample" in one for one in told.findings)
    x = draw(1, 1, 1).requires_grad_()
    assert torch.autograd.grad(rnn(x)[0][0, 0, 1], x)[0].item() == 0
    assert wormnet.diagnose(wormnet.LTC(chain, unfolds=3, backend="reference"), draw(2, 5, 1)).blind == ()


def test_memory_in_front_and_models_without_equation_are_told_of_too():
    for rnn in (
        wormnet.MixedMemory(NCP, "ltc", unfolds=3, backend="reference"),
        wormnet.CfC(wormnet.dense(4, 5), backbone_layers=1, backend="reference"),
        wormnet.CfC(NCP, backend="reference", batch_first=False),
    ):
        told = wormnet.diagnose(rnn, draw(3, 6, 4))
        assert (told.time_constants is None) == (rnn.model.name == "cfc")
        assert (told.gates is None) == (rnn.model.name == "cfc")
        assert all(norm > 0 for norm in told.gradient)
        assert str(told).count("\n") >= 2


def test_the_words_follow_the_numbers():
    for name, way, limit, words in WORDS:
        past = limit + 1e-6 if way == ">" else limit - 1e-6
        assert _findings({name: past}) == (words.format(past),)
        assert _findings({name: limit}) == ()
    assert _findings({}) == ()


def test_what_cannot_be_diagnosed_is_told():
    with pytest.raises(ArgumentError, match="diagnose takes a recurrent layer of wormnet, not Linear"):
        wormnet.diagnose(torch.nn.Linear(1, 1), draw(1, 1))
    with pytest.raises(ArgumentError, match="the batch holds no sample to look at"):
        wormnet.diagnose(wormnet.LTC(NCP, backend="reference"), draw(0, 3, 4))


def imitation_loss(dt, time_unit):
    """Cross entropy after learning to say, at 50 Hz, which way a linear controller would push."""
    torch.manual_seed(0)
    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=12, outputs=1), time_unit=time_unit)
    optimiser = torch.optim.Adam(rnn.parameters(), lr=0.02)
    x = draw(32, 16, 4)
    y = (x @ torch.tensor([0.5, 0.8, 2.0, 1.2]) > 0).float()
    for _ in range(120):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(4 * rnn(x, dt=dt)[0][..., 0], y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item()


def test_samples_at_50_hz_are_learned_from_where_the_unit_of_time_is_theirs():
    assert imitation_loss(0.02, 0.02) < 0.4
    assert imitation_loss(0.02, 1.0) > 0.55
