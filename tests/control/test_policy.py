"""Policies: what they feel and do is the published equation, alone and side by side, and bad input moves nothing."""

import math
import pickle
import re

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

import wormnet
from wormnet.control import Choice, MotorCell, Policy, Projection, SensoryCell, Standardised, Within, task
from wormnet.errors import ArgumentError, DataError, ShapeError, WormnetError
from wormnet.wiring import MotorMap, SensoryMap, Wiring, tap, write_bnn
from wormnet.wiring.biophysics import BOUNDS, Biophysical, simulate

PENDULUM, CAR = task("inverted_pendulum"), task("mountain_car")
ANGLE = PENDULUM.sense[0]
RNG = np.random.default_rng(0)
SEEN = RNG.normal(size=(12, 3, 2)) * [0.2, 1.0]
CLOSE = {"rel": 1e-5, "abs": 2e-6}  # circuits compute in float32


def pendulum(**more):
    return Policy(tap.tw_pure(), **{**PENDULUM.maps, **more})


def by_the_book(circuit, sense, move, observations, *, warmup=0):
    """The published step by `simulate`, in float64, with the maps written out."""
    wiring, v, actions = circuit.wiring, -70.0, []
    for k, seen in enumerate([observations[0]] * warmup + list(observations)):
        inputs = np.full(wiring.n_inputs, -70.0)
        for one, x in zip(sense, seen):
            if isinstance(one, SensoryMap):
                inputs[[wiring.inputs.index(name) for name in (one.positive, one.negative)]] = one(x)
            else:
                felt = -70 + 50 * (x - one.low) / (one.high - one.low)
                inputs[wiring.inputs.index(one.cell)] = np.clip(felt, -70, -20) if one.mode == "paper" else felt
        v = simulate(wiring, circuit.values, inputs, 0.1, v=v)
        at = {name: v[wiring.neurons.index(name)] for name in wiring.outputs}
        if k >= warmup:
            actions.append([_moved(one, at) for one in move])
    return np.array(actions)


def _moved(one, at):
    if isinstance(one, MotorMap):
        return float(one([at[one.positive], at[one.negative]]))
    rest = -70 if one.mode == "paper" else -60
    return one.low + (one.high - one.low) * np.clip((at[one.cell] - rest) / (-20 - rest), 0, 1)


@pytest.mark.parametrize("mode", ["paper", "code"])
@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_a_circuit_acts_as_the_published_equations_say(mode, warmup):
    maps = task("inverted_pendulum", mode)
    policy = Policy(tap.tw_pure(), maps.sense, maps.move, warmup=warmup)
    expected = by_the_book(tap.tw_pure(), maps.sense, maps.move, SEEN[:, 0], warmup=warmup)
    assert [policy.act(x) for x in SEEN[:, 0]] == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("mode", ["paper", "code"])
def test_single_cells_feel_and_act_as_written(mode):
    sense = [
        SensoryMap("PLM", "AVM", -1, 1, mode),
        SensoryCell("PVD", -1.0, 2.0, mode),
        SensoryCell("ALM", 1.0, 0.0, mode),
    ]
    move = [MotorCell("REV", 2.0, -1.0, mode), MotorCell("FWD", 0.0, 1.0, mode)]
    seen = RNG.normal(size=(9, 3))
    expected = by_the_book(tap.tw_pure(), sense, move, seen)
    policy = Policy(tap.tw_pure(), sense, move)
    assert [policy.act(x) for x in seen] == pytest.approx(expected, **CLOSE)


def test_projections_are_matrix_products_on_both_sides_and_are_searched():
    w_in, w_out = RNG.normal(size=(2, 5)), RNG.normal(size=(3, 1))
    whole = Policy(tap.tw_pure(), [Projection(5, w_in), *PENDULUM.sense], [*PENDULUM.move, Projection(3, w_out)])
    plain = Policy(tap.tw_pure(), PENDULUM.sense, PENDULUM.move)
    seen = RNG.normal(size=(6, 5))
    for x in seen:
        assert whole.act(x) == pytest.approx(w_out @ plain.act(w_in @ x), **CLOSE)
    assert whole.numbers.size == plain.numbers.size + 13
    assert whole.vector()[-13:] == pytest.approx(np.concatenate([w_in.ravel(), w_out.ravel()]))
    assert np.isinf(whole.bounds[0][-13:]).all()


@pytest.mark.parametrize("n", [1, 2, 3])  # 2 is also the number of quantities
def test_environments_side_by_side_are_each_as_if_alone_and_start_over_alone(n):
    together, starts = pendulum(observe=None, observations=2), {4: np.arange(n) == n - 1, 7: np.arange(n) == 0}
    alone = [pendulum(observe=None, observations=2) for _ in range(n)]
    for k, seen in enumerate(SEEN[:, :n]):
        if k in starts:
            together.reset(starts[k])
            for i in np.flatnonzero(starts[k]):
                alone[i].reset()
        expected = np.stack([one.act(x) for one, x in zip(alone, seen)])
        assert together.act(seen) == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize(("dt", "steps"), [(0.01, 1), (0.1, 10), (2.0, 4)])
def test_neurons_without_synapses_relax_as_the_implicit_step_says(dt, steps):
    wiring, leaks = Wiring(["a", "b"], ["FWD", "REV"], outputs=["FWD", "REV"]), np.array([-55.0, -30.0])
    values = {"capacitance": [0.05] * 2, "leak": [1.0] * 2, "v_leak": leaks}
    values |= {name: [] for name in ("conductance", "slope", "midpoint", "reversal")}
    lone = Policy(Biophysical(wiring, values), [SensoryMap("a", "b", -1, 1)], PENDULUM.move, dt=dt, steps=steps)
    left = (1 + dt / steps / 0.05) ** -steps  # of the way from -70 mV
    assert lone.act([0.3]) == pytest.approx([PENDULUM.move[0](leaks + (-70 - leaks) * left)], **CLOSE)


def test_a_touch_at_the_head_makes_the_worm_go_back_and_one_at_the_tail_forward():
    head = Policy(tap.tw_pure(), [SensoryMap("AVM", "PLM", -1, 1), SensoryMap("ALM", "PVD", -1, 1)], PENDULUM.move)
    moved = {}
    for place in (1.0, 0.0, -1.0):
        head.reset()
        moved[place] = [float(head.act([place, max(place, 0.0)])[0]) for _ in range(20)][-1]
    assert moved[1.0] < moved[0.0] < moved[-1.0]


def test_observations_are_picked_by_place():
    one, other = pendulum(), Policy(tap.tw_pure(), PENDULUM.sense, PENDULUM.move, warmup=1)
    for place, angle in SEEN[:, 0]:
        assert one.act([angle, place, 9.0, 9.0]) == other.act([place, angle])


def test_an_input_is_told_deviations_from_a_mean_and_actions_are_kept_within_bounds():
    torch.manual_seed(0)
    layer = wormnet.CfC(wormnet.dense(2, 3))
    a, b = layer.wiring.inputs
    policy = Policy(layer, [Standardised(b, 1.0, 2.0, most=1.5), Standardised(a, 0.0, 0.1)],
                    [Within([-0.1, -np.inf, 0.0], [0.1, np.inf, 0.2])])  # fmt: skip
    seen = RNG.normal(size=(50, 2)) * [4.0, 0.5]
    felt = np.stack([np.clip(seen[:, 1] / 0.1, -10, 10), np.clip((seen[:, 0] - 1) / 2, -1.5, 1.5)], 1)
    with torch.no_grad():
        y = layer(torch.from_numpy(felt).float())[0].numpy()
    expected = np.stack([y[:, 0].clip(-0.1, 0.1), y[:, 1], y[:, 2].clip(0, 0.2)], 1)
    assert (expected != y).any()
    assert np.array([policy.act(one) for one in seen]) == pytest.approx(expected, abs=1e-5)


def test_a_choice_is_which_number_is_largest_counted_from_its_first():
    torch.manual_seed(0)
    layer, weight = wormnet.CfC(wormnet.dense(2, 3)), RNG.normal(size=(4, 3))
    seen = RNG.normal(size=(60, 2)) * 3
    with torch.no_grad():
        y = layer(torch.from_numpy(seen).float())[0].numpy()
    for moves, made in (([Choice(-1)], y), ([Projection(4, weight), Choice(-1)], y @ weight.T)):
        policy = Policy(layer, move=moves)
        found = np.array([policy.act(one) for one in seen])
        assert (found[:, 0] == made.argmax(1) - 1).all()
        assert len(np.unique(found)) > 1
        crowd = policy.population(2, 3).act(np.stack([seen[:3]] * 2))
        assert (crowd == made_first(policy, seen[:3])).all()


def made_first(policy, seen):
    """What a policy does with each of some observations as its first."""
    found = []
    for one in seen:
        policy.reset()
        found.append(policy.act(one))
    return np.array(found)


def test_a_layer_is_a_policy_as_it_is():
    torch.manual_seed(0)
    layer = wormnet.LTC(wormnet.auto_ncp(inputs=3, neurons=8, outputs=2), time_unit=0.5)
    policy = Policy(layer)
    x = torch.randn(7, 3)
    with torch.no_grad():
        expected = layer(x, dt=0.5)[0].numpy()
    assert np.array([policy.act(one) for one in x.numpy()]) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    moved = policy.vector() + 0.05
    policy.set_vector(moved)
    assert policy.vector() == pytest.approx(moved)
    assert not torch.equal(policy.network.v_leak, layer.v_leak)  # the layer that was given is as it was


def test_the_vector_is_the_circuits_values_within_the_published_bounds():
    policy, circuit = pendulum(), tap.tw_pure()
    names = ["capacitance", "leak", "v_leak", "conductance", "gap_conductance", "slope"]
    assert [one.name for one in policy.numbers.blocks] == names
    assert policy.vector() == pytest.approx(np.concatenate([circuit.values[name] for name in names]))
    low, high = policy.bounds
    assert len(low) == 75  # 87 published, without the 12 of the four clamped cells
    assert (low[0], high[0]) == BOUNDS["capacitance"]
    theta = np.random.default_rng(1).uniform(low, high)
    policy.set_vector(theta)
    assert policy.vector() == pytest.approx(theta)
    expected = by_the_book(policy.network, PENDULUM.sense, PENDULUM.move, SEEN[:, 0], warmup=1)
    assert [policy.act([b, a, 0, 0]) for a, b in SEEN[:, 0]] == pytest.approx(expected, **CLOSE)


def test_copies_and_files_act_the_same(tmp_path):
    torch.manual_seed(0)
    policies = [
        pendulum(),
        Policy(
            tap.tw_pure(), [Projection(4), *task("inverted_pendulum", "code").sense], PENDULUM.move, steps=3, dt=0.02
        ),
        Policy(wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1)), warmup=2),
        Policy(wormnet.CfC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=3)), move=[Projection(2), Choice(7)]),
        Policy(
            wormnet.CfC(wormnet.dense(4, 3)),
            [Standardised(name, 0.1, 0.02, most=3.0) for name in wormnet.dense(4, 3).inputs],
            [Within([-0.01, -1, -np.inf], [0.01, 0, np.inf])],
        ),
    ]
    seen = RNG.normal(size=(5, 4)) * 0.1
    for i, policy in enumerate(policies):
        policy.act(seen[0])
        policy.save(tmp_path / f"{i}.safetensors")
        for again in (pickle.loads(pickle.dumps(policy)), Policy.load(tmp_path / f"{i}.safetensors")):
            policy.reset()
            for x in seen:
                assert np.array_equal(again.act(x), policy.act(x))
            assert np.array_equal(again.vector(), policy.vector())


def test_numbers_of_small_types_are_those_that_they_stand_for(tmp_path):
    layer, seen = wormnet.CfC(wormnet.dense(1, 2)), np.linspace(-9, 9, 20)[:, None]
    (name,) = layer.wiring.inputs
    pairs = [
        ([Standardised(name, np.uint8(5), np.float16(0.5))], [Standardised(name, 5.0, 0.5)]),
        ([Standardised(name, np.float32(1000.1), np.float32(0.07))],
         [Standardised(name, float(np.float32(1000.1)), float(np.float32(0.07)))]),
        ([SensoryCell(name, np.int8(-100), np.int8(100))], [SensoryCell(name, -100.0, 100.0)]),
    ]  # fmt: skip
    for k, (given, meant) in enumerate(pairs):
        policy, other = Policy(layer, given), Policy(layer, meant)
        policy.save(tmp_path / f"{k}")
        again = Policy.load(tmp_path / f"{k}")
        for x in seen:
            action = policy.act(x)
            assert np.array_equal(action, other.act(x))
            assert np.array_equal(action, again.act(x))


def test_a_pruned_layer_is_no_policy_until_its_pruning_is_made_permanent():
    layer = wormnet.CTRNN(wormnet.dense(2, 3))
    prune.random_unstructured(layer, "weight", amount=0.5)
    with pytest.raises(ArgumentError, match="weight is computed anew in every call: it is pruned, or parametrized"):
        Policy(layer)
    prune.remove(layer, "weight")
    assert Policy(layer).act([0.0, 1.0]).shape == (3,)


def test_damaged_files_are_data_errors(tmp_path):
    pendulum().save(tmp_path / "policy.safetensors")
    whole = (tmp_path / "policy.safetensors").read_bytes()
    for k, content in enumerate([b"", whole[:50], whole[:-9], whole.replace(b"SensoryMap", b"SensoryMop")]):
        (tmp_path / f"{k}").write_bytes(content)
        with pytest.raises(DataError):
            Policy.load(tmp_path / f"{k}")
    # What the fuzz found: numbers of eight bits, a map that is no object, a number that no float holds.
    n = 8 + int.from_bytes(whole[:8], "little")
    for before, after in (
        (rb'"dtype":"F64","shape":\[7\]', b'"dtype":"F8_E4M3","shape":[56]'),
        (rb'{\\"positive\\": \\"PLM\\".*?}', b'\\\\"PLM\\\\"'),
        (rb'\\"dt\\": 0.1', b'\\\\"dt\\\\": 1' + b"0" * 400),
    ):
        head, changes = re.subn(before, after, whole[8:n], count=1)
        assert changes == 1
        (tmp_path / "damaged").write_bytes(len(head).to_bytes(8, "little") + head + whole[n:])
        with pytest.raises(DataError):
            Policy.load(tmp_path / "damaged")
    wormnet.save(wormnet.LTC(wormnet.dense(1, 1)), tmp_path / "layer")
    with pytest.raises(DataError, match="holds no valid policy"):
        Policy.load(tmp_path / "layer")


def test_a_published_file_is_a_policy_in_its_task(tmp_path):
    circuit = tap.tw_pure()
    unclamped = Biophysical(wormnet.circuits.tap_withdrawal(clamped=False), _unclamped(circuit))
    write_bnn(unclamped, tmp_path / "tap.bnn", gaps="one_way")
    policy = Policy.from_bnn(tmp_path / "tap.bnn", "MountainCarContinuous-v0", mode="paper")
    other = Policy(circuit, **CAR.maps)
    for x in SEEN[:, 0]:
        assert policy.act(x) == pytest.approx(other.act(x), **CLOSE)
    with pytest.raises(DataError, match=re.escape("tap.npz holds no arrays w_in and w_out")):
        Policy.from_bnn(tmp_path / "tap.bnn", "half_cheetah")
    w_in, w_out = RNG.normal(size=(17, 2)), RNG.normal(size=(2, 6))
    np.savez(tmp_path / "tap.npz", w_in=w_in, w_out=w_out)
    cheetah = Policy.from_bnn(tmp_path / "tap.bnn", "half_cheetah")
    maps = task("half_cheetah", "code")
    seen = RNG.normal(size=(4, 17))
    felt = np.stack([seen @ w_in[:, 0], seen[:, 1]], 1)  # the published program's second quantity
    expected = by_the_book(circuit, maps.sense[1:], maps.move[:-1], felt, warmup=1) @ w_out
    assert [cheetah.act(x) for x in seen] == pytest.approx(expected, **CLOSE)


def _unclamped(circuit):
    """The values of the same circuit whose touch cells are neurons."""
    wiring, full = circuit.wiring, wormnet.circuits.tap_withdrawal(clamped=False)
    ends = {}
    for name in circuit.values:
        kind = 1 if name.startswith("gap") else 0
        if name in ("capacitance", "leak", "v_leak"):
            ends[name] = dict(zip(wiring.neurons, circuit.values[name]))
        else:
            at = wiring.of_kind(kind)
            ends[name] = dict(
                zip([(wiring.cells[wiring.pre[s]], wiring.cells[wiring.post[s]]) for s in at], circuit.values[name])
            )
    default = {"capacitance": 0.05, "leak": 1.0, "v_leak": -70.0}
    values = {}
    for name in circuit.values:
        if name in default:
            values[name] = [ends[name].get(cell, default[name]) for cell in full.neurons]
        else:
            at = full.of_kind(1 if name.startswith("gap") else 0)
            pairs = [(full.cells[full.pre[s]], full.cells[full.post[s]]) for s in at]
            values[name] = [ends[name].get(pair, ends[name].get(pair[::-1])) for pair in pairs]
    return values


def test_nothing_moves_on_an_observation_that_is_none():
    policy, other = pendulum(), pendulum()
    first = [0.3, 0.05, 0.0, 0.0]
    policy.act(first), other.act(first)
    for bad, error in (
        ([0.0, np.nan, 0.0, 0.0], "observation[1] is nan; a policy takes finite numbers. Nothing has moved."),
        ([0.0, 0.0, 0.0, np.inf], "observation[3] is inf"),
        ([0.0, 0.0, 0.0], "observation has shape (1, 3)"),
        ("up", "it takes numbers"),
    ):
        with pytest.raises((WormnetError, ValueError), match=re.escape(error)):
            policy.act(bad)
    assert np.array_equal(policy.act(first), other.act(first))
    with pytest.raises(ArgumentError, match="the policy is in one environment; others take a reset"):
        policy.act([first, first])
    policy.reset()
    with pytest.raises(ArgumentError, match=re.escape("observation[1, 2] is nan")):
        policy.act([first, [0, 0, np.nan, 0]])


REFUSED = [
    (lambda: Policy("tap"), "network is 'tap'; it takes a circuit, as read_bnn gives, or a layer."),
    (lambda: pendulum(dt=0), "dt is 0; it takes what one action lasts, a number > 0."),
    (lambda: pendulum(steps=0), "steps is 0; it takes 1 or more."),
    (lambda: pendulum(warmup=-1), "warmup is -1; it takes 0 or more."),
    (lambda: pendulum(observe=(0, 4)), "observe is (0, 4); it takes 2 places of an observation, from 0 below 4."),
    (lambda: pendulum(sense=PENDULUM.sense[:1], observe=(0,)), "has no one potential: no map feeds it."),
    (
        lambda: pendulum(sense=[*PENDULUM.sense, ANGLE], observe=(0, 1, 2)),
        "it is fed more than once. Each takes one map, or is held.",
    ),
    (lambda: pendulum(move=[MotorMap("FWD", "REW", -1, 1)]), "unknown output 'REW'; did you mean 'REV'?"),
    (lambda: pendulum(move=[Projection(1), *PENDULUM.move]), "move has a Projection before other maps; after those"),
    (lambda: pendulum(move=[Choice(), *PENDULUM.move]), "move has a Choice before other maps; after those of cells"),
    (lambda: pendulum(move=[*PENDULUM.move, Within([0], [1]), Choice()]), "move has a Within before other maps"),
    (
        lambda: pendulum(move=[*PENDULUM.move, Within([0, 0], [1, 1])]),
        "Within has bounds for 2 numbers; the action",
    ),
    (lambda: Within([0], [-1]), "low is (0.0,) and high (-1.0,); it takes low <= high of each."),
    (lambda: Within(0, 1), "low is 0; it takes a list of numbers."),
    (lambda: Choice(0.5), "first is 0.5; it takes a whole number, 1,048,576 at most."),
    (lambda: Standardised("A", 0.0, 0.0), "deviation is 0.0; it takes a finite number > 1e-300."),
    (lambda: Standardised("A", 0.0, 1e-320), "it takes a finite number > 1e-300."),
    (lambda: Standardised("A", 10**400, 1.0), "it takes a finite number."),
    (lambda: Within([10**400], [10**400]), "it takes a list of numbers."),
    (lambda: Within("12", "34"), "low is '12'; it takes a list of numbers."),
    (lambda: Within([math.inf], [math.inf]), "it takes low <= high of each."),
    (lambda: Choice(10**30), "it takes a whole number, 1,048,576 at most."),
    (lambda: pendulum(move=Choice()), "move is Choice(first=0); it takes a list of MotorMap, MotorCell, Projection,"),
    (lambda: pendulum(sense=PENDULUM.sense[0]), "it takes a list of SensoryMap, SensoryCell, Standardised, Projection"),
    (lambda: pendulum(observe=3), "observe is 3; it takes a list of places of an observation."),
    (lambda: pendulum(observations=0.5), "observations is 0.5; it takes a whole number of 1 or more."),
    (lambda: pendulum(warmup=2**64), "it takes 0 or more, 1,000,000 at most."),
    (lambda: Projection(2**40), "a projection takes 1 to 1,048,576."),
    (lambda: Standardised("A", math.nan, 1.0), "mean is nan; it takes a finite number."),
    (
        lambda: pendulum(sense=[Projection(4), *PENDULUM.sense]),
        "observe picks observations, and a projection reads all",
    ),
    (lambda: pendulum(sense=PENDULUM.move), "sense holds MotorMap("),
    (lambda: Projection(4, np.ones((3, 4))).start((2, 4)), "weight has shape (3, 4); it takes finite (2, 4)."),
    (lambda: SensoryCell("A", 1, 1), "low and high are both 1; it takes two different numbers."),
    (lambda: MotorCell("A", 0, 1, "papr"), "unknown mode 'papr'; did you mean 'paper'?"),
    (lambda: task("mountain_cat"), "unknown task 'mountain_cat'; did you mean 'mountain_car'"),
    (lambda: pendulum().set_vector(np.zeros(75)), "capacitance number 0 is 0; it takes 0.001 to 1, finite."),
    (lambda: pendulum().set_vector(np.zeros(74)), "theta has shape (74,); it takes (75,): 7 capacitance, 7 leak"),
    (lambda: pendulum().reset([True]), "this policy is in one environment, so reset() takes no mask."),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises((ArgumentError, ShapeError), match=re.escape(message)):
        call()
