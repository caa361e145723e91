# ruff: noqa: E501 - one row for each error, its sentence whole
"""Every wrong argument of a call gets one sentence: what was given, what is taken, what to do."""

import re

import numpy as np
import pytest
import torch

import wormnet
from wormnet import models
from wormnet.errors import ArgumentError, ShapeError, WiringError

RNN = wormnet.LTC(wormnet.auto_ncp(inputs=3, neurons=7, outputs=2))
TURNED = wormnet.LTC(RNN.wiring, batch_first=False)
MEMORY = wormnet.MixedMemory(RNN.wiring, "ctrnn")
X = torch.zeros(4, 5, 3)
NAN, INF = float("nan"), float("inf")
PACKED = torch.nn.utils.rnn.pack_padded_sequence(X, [5, 5, 3, 1], batch_first=True)

WRONG = [
    # x
    (RNN, (torch.zeros(4, 5, 2),), {}, ShapeError, "x has shape (4, 5, 2); the layer takes (batch, time, 3) or (time, 3): its wiring has 3 inputs."),
    (RNN, (torch.zeros(5, 1),), {}, ShapeError, "x has shape (5, 1); the layer takes (batch, time, 3) or (time, 3)"),
    (RNN, (torch.zeros(3),), {}, ShapeError, "x has shape (3,); the layer takes (batch, time, 3) or (time, 3)"),
    (RNN, (torch.tensor(0.0),), {}, ShapeError, "x has shape (); the layer takes"),
    (RNN, (torch.zeros(2, 4, 5, 3),), {}, ShapeError, "x has shape (2, 4, 5, 3); the layer takes (batch, time, 3)"),
    (TURNED, (torch.zeros(5, 4, 2),), {}, ShapeError, "x has shape (5, 4, 2); the layer takes (time, batch, 3) or (time, 3)"),
    (RNN, (np.zeros((4, 5, 3), np.float32),), {}, ArgumentError, "x is ndarray; it takes a tensor (batch, time, 3)."),
    (RNN, (None,), {}, ArgumentError, "x is NoneType; it takes a tensor (batch, time, 3)."),
    (RNN, (X.double(),), {}, ArgumentError, "x holds torch.float64 and the layer torch.float32; convert one: x.to(torch.float32)."),
    (RNN, (X.long(),), {}, ArgumentError, "x holds torch.int64 and the layer torch.float32"),
    (RNN, (X.to("meta"),), {}, ArgumentError, "x is on meta and the layer on cpu; move one with .to(...)."),
    # dt
    (RNN, (X,), {"dt": 0}, ArgumentError, "dt holds 0 (sequence 0, sample 0); it is the time since the previous sample, finite and > 0. Merge samples"),
    (RNN, (X,), {"dt": -0.5}, ArgumentError, "dt holds -0.5 (sequence 0, sample 0)"),
    (RNN, (X,), {"dt": NAN}, ArgumentError, "dt holds nan"),
    (RNN, (X,), {"dt": INF}, ArgumentError, "dt holds inf"),
    (RNN, (X,), {"dt": torch.tensor([[1.0], [1.0], [0.0], [1.0]])}, ArgumentError, "dt holds 0 (sequence 2, sample 0)"),
    (RNN, (X,), {"dt": torch.eye(5)[:4]}, ArgumentError, "dt holds 0 (sequence 0, sample 1)"),
    (RNN, (X,), {"dt": "1 s"}, ArgumentError, "dt is '1 s'; it takes a number, or a tensor of numbers > 0."),
    (RNN, (X,), {"dt": [[1.0], [2.0, 3.0]]}, ArgumentError, "dt is [[1.0], [2.0, 3.0]]; it takes a number"),
    (RNN, (X,), {"dt": torch.ones(4, 5, dtype=torch.complex64)}, ArgumentError, "dt holds torch.complex64; it takes a number, or a tensor of numbers > 0."),
    (RNN, (X,), {"dt": torch.ones(5)}, ShapeError, "dt has shape (5,); it takes one number, or (batch, 1), (1, time) or (batch, time), which here is (4, 5). One axis alone could mean either: dt[:, None] is one per sequence, dt[None, :] one per sample."),
    (RNN, (X,), {"dt": torch.ones(4)}, ShapeError, "dt has shape (4,); it takes one number, or (batch, 1), (1, time) or (batch, time), which here is (4, 5)."),
    (TURNED, (X,), {"dt": torch.ones(5)}, ShapeError, "dt has shape (5,); it takes one number, or (1, batch), (time, 1) or (time, batch), which here is (4, 5). One axis alone could mean either: dt[None, :] is one per sequence, dt[:, None] one per sample."),
    (RNN, (X,), {"dt": torch.ones(7)}, ShapeError, "dt has shape (7,); it takes one number"),
    (RNN, (X,), {"dt": torch.ones(1)}, ShapeError, "dt has shape (1,); it takes one number"),
    (RNN, (X,), {"dt": torch.ones(5, 4)}, ShapeError, "dt has shape (5, 4); it takes one number"),
    (RNN, (X,), {"dt": torch.ones(5, 1)}, ShapeError, "dt has shape (5, 1); it takes one number"),
    (RNN, (X,), {"dt": torch.ones(1, 4)}, ShapeError, "dt has shape (1, 4); it takes one number"),
    (TURNED, (X,), {"dt": torch.ones(5, 1)}, ShapeError, "dt has shape (5, 1); it takes one number"),
    (RNN, (X,), {"dt": torch.ones(4, 5, 1)}, ShapeError, "dt has shape (4, 5, 1); it takes one number"),
    (RNN, (X[:1],), {"dt": torch.ones(7)}, ShapeError, "dt has shape (7,); it takes one number, or (batch, 1), (1, time) or (batch, time), which here is (1, 5)."),
    (TURNED, (X,), {"dt": torch.ones(5, 4)}, ShapeError, "dt has shape (5, 4); it takes one number, or (1, batch), (time, 1) or (time, batch), which here is (4, 5)."),
    (RNN, (X[0],), {"dt": torch.ones(4)}, ShapeError, "dt has shape (4,); with one sequence of 5 samples it takes one number, or one per sample: (5,)."),
    (RNN, (X[0],), {"dt": torch.ones(1, 5)}, ShapeError, "dt has shape (1, 5); with one sequence of 5 samples"),
    (RNN, (X[0],), {"dt": "soon"}, ArgumentError, "dt is 'soon'; it takes a number"),
    # lengths
    (RNN, (X,), {"lengths": torch.tensor([5, 5, 5])}, ShapeError, "lengths has shape (3,); it takes one for each sequence: (4,)."),
    (RNN, (X,), {"lengths": torch.tensor(5)}, ShapeError, "lengths has shape (); it takes one for each sequence: (4,)."),
    (RNN, (X,), {"lengths": torch.tensor([5, 6, 5, 9])}, ArgumentError, "lengths[1] is 6; x has 5 samples, so it takes 0 to 5."),
    (RNN, (X,), {"lengths": torch.tensor([5, 5, 5, 5], dtype=torch.uint16)}, ArgumentError, "lengths holds torch.uint16; it"),
    (RNN, (X,), {"lengths": torch.tensor([5, 5, 5, 5j])}, ArgumentError, "lengths holds torch.complex64; it takes whole"),
    (RNN, (X,), {"lengths": torch.tensor([5, 5, -1, 5])}, ArgumentError, "lengths[2] is -1; x has 5 samples"),
    (RNN, (X,), {"lengths": torch.tensor([5.0, 5.0, 5.0, 5.0])}, ArgumentError, "lengths holds torch.float32; it takes whole numbers, 0 to 5."),
    (RNN, (X,), {"lengths": torch.ones(4, dtype=torch.bool)}, ArgumentError, "lengths holds torch.bool; it takes whole numbers"),
    (RNN, (X,), {"lengths": "long"}, ArgumentError, "lengths is 'long'; it takes a tensor of whole numbers, 0 to 5."),
    (RNN, (X[0],), {"lengths": torch.tensor([3])}, ArgumentError, "x holds one sequence without a batch axis; it takes no `lengths`."),
    (RNN, (PACKED,), {"lengths": torch.tensor([5, 5, 3, 1])}, ArgumentError, "a PackedSequence knows its lengths; pass no `lengths` with it."),
    # state
    (RNN, (X, torch.zeros(4, 2)), {}, ShapeError, "state has shape (4, 2); it takes (batch, neurons): (4, 7)."),
    (RNN, (X, torch.zeros(7)), {}, ShapeError, "state has shape (7,); it takes (batch, neurons): (4, 7)."),
    (RNN, (X, torch.zeros(1, 7)), {}, ShapeError, "state has shape (1, 7); it takes (batch, neurons): (4, 7)."),
    (RNN, (X, torch.zeros(1, 4, 7)), {}, ShapeError, "state has shape (1, 4, 7); it takes"),
    (RNN, (X[0], torch.zeros(1, 7)), {}, ShapeError, "state has shape (1, 7); with one sequence it takes (7,)."),
    (RNN, (X, [0.0] * 7), {}, ArgumentError, "state is list; it takes a tensor (batch, neurons): (4, 7)."),
    (RNN, (X[0], [0.0] * 7), {}, ArgumentError, "state is list; it takes a tensor"),
    (RNN, (X, torch.zeros(4, 7, device="meta")), {}, ArgumentError, "state is on meta and the layer on cpu; move one with .to(...)."),
    (RNN, (X, torch.zeros(4, 7, dtype=torch.int64)), {}, ArgumentError, "state holds torch.int64; convert it: state.to(torch.float32)."),
    (RNN, (X, (torch.zeros(4, 7), torch.zeros(4, 7))), {}, ShapeError, "state is a tuple of 2; this layer takes one tensor, or None."),
    (MEMORY, (X, torch.zeros(4, 7)), {}, ShapeError, "state is one Tensor; this layer takes a tuple of 2 (v, memory), or None."),
    (MEMORY, (X, (torch.zeros(4, 7),)), {}, ShapeError, "state is a tuple of 1; this layer takes a tuple of 2 (v, memory), or None."),
    (MEMORY, (X, (torch.zeros(4, 7), torch.zeros(4, 6))), {}, ShapeError, "state has shape (4, 6); it takes (batch, neurons): (4, 7)."),
    (MEMORY, (X, (torch.zeros(4, 7), None)), {}, ArgumentError, "state is NoneType; it takes a tensor"),
    # initial, starts
    (RNN, (X,), {"initial": torch.zeros(4, 2)}, ShapeError, "initial has shape (4, 2); it takes (batch, neurons): (4, 7)."),
    (RNN, (X[0],), {"initial": torch.zeros(1, 7)}, ShapeError, "initial has shape (1, 7); with one sequence it takes (7,)."),
    (RNN, (X,), {"initial": [0.0] * 7}, ArgumentError, "initial is list; it takes a tensor (batch, neurons): (4, 7)."),
    (MEMORY, (X,), {"initial": torch.zeros(4, 7)}, ShapeError, "initial is one Tensor; this layer takes a tuple of 2 (v, memory), or None."),
    (RNN, (X,), {"starts": torch.zeros(4, dtype=torch.bool)}, ShapeError, "starts has shape (4,); it takes one boolean per sample: (4, 5)."),
    (RNN, (X,), {"starts": torch.zeros(5, 4, dtype=torch.bool)}, ShapeError, "starts has shape (5, 4); it takes one boolean per sample: (4, 5)."),
    (RNN, (X,), {"starts": torch.zeros(4, 5)}, ArgumentError, "starts holds torch.float32; it takes booleans: starts.bool()."),
    (RNN, (X,), {"starts": "now"}, ArgumentError, "starts is 'now'; it takes a tensor of booleans."),
    (RNN, (X[0],), {"starts": torch.zeros(4, dtype=torch.bool)}, ShapeError, "starts has shape (4,); with one sequence of 5 samples it takes one per sample: (5,)."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rnn", "args", "options", "error", "text"), [pytest.param(*row, id=row[-1][:60]) for row in WRONG]
)
def test_a_wrong_argument_is_named_with_what_is_taken(rnn, args, options, error, text):
    with pytest.raises(error, match=re.escape(text)) as caught:
        rnn(*args, **options)
    assert "\n" not in str(caught.value)
    if not isinstance(args[0], torch.nn.utils.rnn.PackedSequence):
        with pytest.raises(error, match=re.escape(text)):
            rnn.trace(*args, **options)


@pytest.mark.parametrize(
    ("x", "dt", "error", "text"),
    [
        (torch.zeros(2, 5, 3), None, ShapeError, "x has shape (2, 5, 3); a step takes one sample: (batch, 3) or (3,)."),
        (torch.zeros(2, 4), None, ShapeError, "x has shape (2, 4); a step takes one sample: (batch, 3) or (3,)."),
        ([0.0, 0.0, 0.0], None, ArgumentError, "x is list; it takes a tensor (batch, 3)."),
        (
            torch.zeros(2, 3),
            torch.ones(3),
            ShapeError,
            "dt has shape (3,); a step takes one number, or one per sequence: (2,).",
        ),
        (torch.zeros(3), 0.0, ArgumentError, "dt holds 0"),
    ],
)
def test_a_wrong_argument_of_a_step_is_named(x, dt, error, text):
    with pytest.raises(error, match=re.escape(text)):
        RNN.step(x, dt=dt)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: wormnet.LTC(19), ArgumentError, "wiring is int; it takes a Wiring, for example auto_ncp(...)."),
        (lambda: wormnet.WiredLinear(19), ArgumentError, "wiring is int; it takes a Wiring"),
        (lambda: wormnet.LTC(RNN.wiring, unfold=3), ArgumentError, "unknown option of ltc 'unfold'; did you mean 'unfolds'?"),
        (lambda: wormnet.LTC(RNN.wiring, mode="pure"), ArgumentError, "unknown option of ltc 'mode'"),
        (lambda: wormnet.LTC(RNN.wiring, unfolds=0), ArgumentError, "unfolds is 0; it takes a whole number of 1 or more."),
        (lambda: wormnet.LTC(RNN.wiring, unfolds=2.0), ArgumentError, "unfolds is 2.0; it takes a whole number"),
        (lambda: wormnet.LTC(RNN.wiring, unfolds=True), ArgumentError, "unfolds is True; it takes a whole number"),
        (lambda: wormnet.LTC(RNN.wiring, solver="rk5"), ArgumentError, "unknown solver 'rk5'; did you mean 'rk4'?"),
        (lambda: wormnet.LTC(RNN.wiring, input_map="cubic"), ArgumentError, "unknown input_map 'cubic'"),
        (lambda: wormnet.LTC(RNN.wiring, output_map=0), ArgumentError, "unknown output_map 0"),
        (lambda: wormnet.LTC(RNN.wiring, time_unit=0), ArgumentError, "time_unit is 0; it takes a number > 0"),
        (lambda: wormnet.LTC(RNN.wiring, time_unit=NAN), ArgumentError, "time_unit is nan; it takes a number > 0"),
        (lambda: wormnet.LTC(RNN.wiring, time_unit=True), ArgumentError, "time_unit is True; it takes a number > 0"),
        (lambda: wormnet.LTC(RNN.wiring, time_unit="s"), ArgumentError, "time_unit is 's'; it takes a number > 0"),
        (lambda: wormnet.LTC(RNN.wiring, time_constants=3), ArgumentError, "time_constants is 3; it takes a pair (low, high), 0 < low <= high."),
        (lambda: wormnet.LTC(RNN.wiring, time_constants=(2, 1)), ArgumentError, "time_constants is (2, 1); it takes 0 < low <= high."),
        (lambda: wormnet.LTC(RNN.wiring, time_constants=(0, 1)), ArgumentError, "time_constants is (0, 1); it takes 0 < low <= high."),
        (lambda: wormnet.CfC(RNN.wiring, time_constants=(1, 2)), ArgumentError, "cfc is no differential equation and has no time constants; take None."),
        (lambda: wormnet.LTC(RNN.wiring, proj_size=0), ArgumentError, "proj_size is 0; it takes a whole number of 1"),
        (lambda: wormnet.LTC(RNN.wiring, backend="gpux"), ArgumentError, "unknown backend 'gpux'"),
        (lambda: wormnet.CfC(RNN.wiring, mode="gate"), ArgumentError, "unknown mode 'gate'; did you mean 'no_gate'?"),
        (lambda: wormnet.CfC(RNN.wiring, backbone_layers=-1), ArgumentError, "backbone_layers is -1; it takes a whole"),
        (lambda: models.CfC(backbone_units=0), ArgumentError, "backbone_units is 0; it takes a whole number of 1"),
        (lambda: models.CfC(backbone_dropout=1.0), ArgumentError, "backbone_dropout is 1.0; it takes 0 to below 1."),
        (lambda: models.CfC(backbone_dropout="0.5"), ArgumentError, "backbone_dropout is '0.5'; it takes 0 to below 1."),
        (lambda: models.CfC(backbone_activation="selu"), ArgumentError, "unknown backbone_activation 'selu'; did you mean"),
        (lambda: models.CfC(backbone_layers=1, fixed_polarity=True), ArgumentError, "fixed_polarity has no meaning after a backbone"),
        (lambda: wormnet.CfC(RNN.wiring, backbone_layers=1), WiringError, "every cell sends to every neuron at once; this one lacks "),
        (lambda: wormnet.Recurrent(RNN.wiring, "lts"), ArgumentError, "unknown model 'lts'; did you mean 'ltc'"),
        (lambda: wormnet.Recurrent(RNN.wiring, models.LTC), ArgumentError, "it takes a model of wormnet.models, or its name."),
        (lambda: wormnet.MixedMemory(RNN.wiring, "lstm"), ArgumentError, "unknown model 'lstm'"),
        (lambda: wormnet.MixedMemory(RNN.wiring, mixed_memory=False), ArgumentError, "mixed_memory=False leaves nothing of MixedMemory; use Recurrent."),
        (lambda: models.named("cfc", unfolds=3), ArgumentError, "unknown option of cfc 'unfolds'"),
        (lambda: wormnet.WiredLinear(RNN.wiring), WiringError, "a feed-forward layer takes synapses from inputs alone; synapse"),
    ],
)  # fmt: skip
def test_a_layer_that_cannot_be_is_refused_when_it_is_made(make, error, text):
    with pytest.raises(error, match=re.escape(text)) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "dt",
    [
        1,
        1.0,
        np.float32(1),
        np.int64(1),
        torch.tensor(1),
        torch.ones(4, 1).double(),
        [[1]] * 4,
        torch.ones(1, 5),
        torch.ones(1, 1),
    ],
)
def test_dt_may_be_any_kind_of_number(dt):
    assert torch.equal(RNN(X, dt=dt)[0], RNN(X)[0])


def test_the_smallest_and_largest_numbers_of_the_dtype_are_a_dt():
    for dt in (torch.finfo(torch.float32).tiny, 1e-6, 1e6, 1e30):
        y, state = RNN(torch.randn(4, 5, 3), dt=dt)
        assert torch.isfinite(y).all()
        assert torch.isfinite(state).all()
    with pytest.raises(ArgumentError, match="dt holds 0 "):
        RNN(X, dt=1e-60)  # nothing in float32
    with pytest.raises(
        ArgumentError, match=r"dt / time_unit, with time_unit=1e\+30, leaves the range of torch.float32"
    ):
        wormnet.LTC(RNN.wiring, time_unit=1e30)(X, dt=1e-20)
