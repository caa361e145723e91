"""What a layer says of itself is what it computes with."""

import pytest
import torch
from cases import CASES, MIXED, N, build

import wormnet
from wormnet.errors import ArgumentError, WiringError
from wormnet.wiring import CHEMICAL, GAP, KINDS, Wiring


def rows_by_loop(wiring, neuron):
    """(sender, kind) of everything that a neuron receives, from the arrays by hand; a gap junction from either end."""
    cell, found = wiring.cells.index(neuron), []
    for pre, post, kind in zip(wiring.pre.tolist(), wiring.post.tolist(), wiring.kind.tolist(), strict=True):
        if post == cell:
            found.append((wiring.cells[pre], KINDS[kind]))
        elif kind == GAP and pre == cell:
            found.append((wiring.cells[post], KINDS[kind]))
    return sorted(found)


@pytest.mark.parametrize("case", CASES)
def test_the_parameters_of_a_neuron_are_those_in_values(case):
    rnn = build(case)
    with torch.no_grad():
        for i, p in enumerate(rnn.parameters()):
            p.add_(torch.arange(p.numel()).reshape(p.shape) * 1e-2 + i)  # every number another
    values, wiring = {name: value.detach() for name, value in rnn.values().items()}, rnn.wiring
    for i, neuron in enumerate(wiring.neurons):
        found = rnn.parameters_of(neuron)
        for name, spec in rnn._table.specs.items():
            if spec.over == "neuron":
                assert found[name] == values[name][i].item()
            elif spec.over == "output":
                if neuron in wiring.outputs:
                    assert found[name] == values[name][wiring.outputs.index(neuron)].item()
                else:
                    assert name not in found
            elif isinstance(spec.over, tuple):
                assert (name in found) == (spec.over[0] == "neuron")
                assert name not in found or found[name] == values[name][i].tolist()


def test_each_synapse_of_an_ltc_is_told_with_its_numbers():
    rnn = build("ltc")
    values = {name: value.detach() for name, value in rnn.values().items()}
    for neuron in MIXED.neurons:
        rows = rnn.parameters_of(neuron)["receives"]
        assert sorted((row["pre"], row["kind"]) for row in rows) == rows_by_loop(MIXED, neuron)
        for row in rows:
            ends = {MIXED.cell(row["pre"]), MIXED.cell(neuron)}
            (synapse,) = (
                s
                for s in range(MIXED.n_synapses)
                if KINDS[MIXED.kind[s]] == row["kind"]
                and {int(MIXED.pre[s]), int(MIXED.post[s])} == ends
                and (MIXED.kind[s] == GAP or MIXED.cells[MIXED.pre[s]] == row["pre"])
            )
            place = int((MIXED.kind[:synapse] == MIXED.kind[synapse]).sum())
            names = {
                "chemical": ("conductance", "slope", "midpoint", "reversal"),
                "gap": ("gap_conductance",),
                "current": ("current",),
            }[row["kind"]]
            assert {name: row[name] for name in names} == {name: values[name][place].item() for name in names}
            assert (row["sign"], row["count"]) == (MIXED.sign[synapse], MIXED.count[synapse])
            assert set(row) == {"pre", "kind", "sign", "count", *names}


@pytest.mark.parametrize("case", ["cfc", "ctrnn"])
def test_each_pair_of_joined_cells_is_told_once_and_moves_its_receiver(case):
    rnn = build(case)
    for neuron in MIXED.neurons:
        rows = rnn.parameters_of(neuron)["receives"]
        senders = [row["pre"] for row in rows]
        expected = {pre for pre, _ in rows_by_loop(MIXED, neuron)} | ({neuron} if case == "cfc" else set())
        assert sorted(senders) == sorted(expected)
        name = "g_weight" if case == "cfc" else "weight"
        for row in rows:
            place = (rnn.values()[name] == row[name]).nonzero().flatten().tolist()
            assert len(place) == 1
            assert MIXED.cells[rnn._table.links.pre[place[0]]] == row["pre"]
            assert MIXED.neurons[rnn._table.links.post[place[0]]] == neuron


def test_an_unknown_neuron_is_told_with_near_names():
    rnn = wormnet.LTC(Wiring(["touch"], ["AVAL", "AVAR"], pre=[0], post=[1]))
    with pytest.raises(WiringError, match=r"unknown neuron 'AVA'; did you mean 'AVA[LR]' or 'AVA[LR]'"):
        rnn.parameters_of("AVA")
    with pytest.raises(WiringError, match="unknown neuron 'touch'"):
        rnn.parameters_of("touch")


@pytest.mark.parametrize("case", CASES)
def test_a_description_counts_what_is_there(case):
    rnn = build(case)
    told = rnn.describe()
    assert (
        told.n_parameters == sum(p.numel() for p in rnn.parameters()) == sum(row["numbers"] for row in told.parameters)
    )
    assert [row["neuron"] for row in told.neurons] == list(rnn.wiring.neurons)
    assert [row["neuron"] for row in told.neurons if row["output"] == "yes"] == [
        name for name in rnn.wiring.neurons if name in rnn.wiring.outputs
    ]
    for row in told.neurons:
        assert row["receives"] == len(rows_by_loop(rnn.wiring, row["neuron"]))
    sent = sum(row["sends"] for row in told.neurons)
    cells = rnn.wiring.n_inputs
    both = int((rnn.wiring.kind[rnn.wiring.pre >= cells] == GAP).sum())
    assert sent == int((rnn.wiring.pre >= cells).sum()) + both
    assert len(told.synapses) == rnn.wiring.n_synapses
    text = str(told)
    assert all(name in text for name in (*rnn.wiring.neurons, *(row["parameter"] for row in told.parameters)))
    next(rnn.parameters()).requires_grad_(False)
    assert rnn.describe().n_parameters == told.n_parameters - next(rnn.parameters()).numel()


def test_printing_shows_forty_neurons_and_says_how_many_more():
    assert "... and 2 more neurons" in str(wormnet.CTRNN(Wiring(1, 42)).describe())
    assert "more neurons" not in str(wormnet.CTRNN(Wiring(1, 40)).describe())


@pytest.mark.parametrize("wrong", [0.0, -1.0, -1e-30, float("inf"), float("nan")])
def test_a_value_outside_of_its_range_is_refused_and_nothing_is_set(wrong):
    rnn = wormnet.LTC(MIXED, fixed_polarity=True, dtype=torch.float64)
    before = {name: p.clone() for name, p in rnn.named_parameters()}
    may_be_zero = () if wrong == 0 else ("conductance", "gap_conductance")
    for name in ("capacitance", "leak", *may_be_zero):
        values = rnn.values()[name].detach().clone()
        values[-1] = wrong
        with pytest.raises(ArgumentError, match=f"{name} holds {wrong:g}; it takes "):
            rnn.set_values(v_leak=0.7, **{name: values})
    assert all(torch.equal(before[name], p) for name, p in rnn.named_parameters())
    sign = MIXED.sign[MIXED.of_kind(CHEMICAL)]
    values = torch.tensor([float(s or 1) for s in sign])
    rnn.set_values(reversal=values)
    with pytest.raises(ArgumentError, match=r"reversal holds .*; it takes values with the sign of their synapse"):
        rnn.set_values(reversal=-values)
    # Where the sign is to be learned, any will do.
    free = torch.where(torch.tensor(sign) == 0, -values, values)
    rnn.set_values(reversal=free)
    torch.testing.assert_close(rnn.values()["reversal"], free.double())


@pytest.mark.parametrize("magnitude", [1e-12, 1e-6, 1.0, 30.0, 1e6])
def test_values_of_any_size_are_set_to_their_last_digits(magnitude):
    for dtype, digits in ((torch.float32, 1e-5), (torch.float64, 1e-8)):
        rnn = wormnet.LTC(MIXED, dtype=dtype)
        rnn.set_values(leak=magnitude)
        torch.testing.assert_close(rnn.values()["leak"], torch.full((N,), magnitude, dtype=dtype), rtol=digits, atol=0)
