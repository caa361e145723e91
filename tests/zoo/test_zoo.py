"""What a card says is what its network does, and weights that are not those of the card are refused."""

import json
import shutil

import numpy as np
import pytest
import studies
import torch

import wormnet
from wormnet import control, zoo
from wormnet.cli import main
from wormnet.control import lane_test
from wormnet.errors import ArgumentError, DataError
from wormnet.wiring import circuits, tap
from wormnet.wiring.biophysics import Biophysical, Units
from wormnet.zoo.shelf import FOLDER


@pytest.fixture
def mine(tmp_path):
    """A copy of a network with its card, outside of the package."""
    for ending in ("json", "safetensors"):
        shutil.copy(FOLDER / f"tap_withdrawal.{ending}", tmp_path / f"mine.{ending}")
    return tmp_path / "mine.json"


def changed(path, **values):
    content = json.loads(path.read_text())
    content |= {name: value for name, value in values.items() if value is not None}
    for name in [name for name, value in values.items() if value is None]:
        del content[name]
    path.write_text(json.dumps(content))


def test_the_touch_circuit_withdraws_as_the_published_one_and_as_its_card_says():
    rnn, card = zoo.load("tap_withdrawal"), zoo.card("tap_withdrawal")
    values = {name: value.detach().numpy() for name, value in rnn.values().items()}
    known = tap.tw_pure()
    found = Units().to_biophysical({name: values[name] for name in known.values})
    for name, value in known.values.items():
        np.testing.assert_allclose(found[name], value, atol=1e-9, err_msg=name)
    outcome = tap.run(Biophysical(rnn.wiring, found))
    assert int(outcome.passed) == card.scores["rows that hold, of 6"]
    assert outcome.margins.min() == pytest.approx(card.scores["smallest margin, mV"], abs=0.05)


def test_the_classifier_has_the_test_score_of_its_card():
    pytest.importorskip("aeon")
    network, card = zoo.load("japanese_vowels-ncp_ltc"), zoo.card("japanese_vowels-ncp_ltc")
    vowels = wormnet.data.load("japanese_vowels")
    x, lengths = torch.tensor(vowels.test.x), torch.tensor(vowels.test.lengths)
    with torch.no_grad():
        said = network(x, None, lengths).argmax(1).numpy()
    # A score that two roundings lie between may fall either way.
    assert np.mean(said == vowels.test.y) == pytest.approx(card.scores["test"], abs=1.5 / len(said))
    assert vowels.baselines == pytest.approx(dict(card.baselines))
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == card.price["parameters"]


POLICIES = {"mountain_car-tap_withdrawal": "mountain_car", "inverted_pendulum-tap_withdrawal": "inverted_pendulum"}


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_earns_what_its_card_says(name):
    policy, card = zoo.load(name), zoo.card(name)
    found = control.task(POLICIES[name])
    assert (policy.sense, policy.move) == (found.sense, found.move)
    assert policy.network.wiring == circuits.tap_withdrawal()
    earned = control.replay(policy, found.environment, episodes=50, seed=1, exact=False)
    assert earned.mean() == pytest.approx(card.scores["mean return of 50 episodes"], abs=0.05)
    assert earned.min() == pytest.approx(card.scores["least return of 50 episodes"], abs=0.5)
    assert len(policy.vector()) == card.price["numbers searched"]
    assert policy.network.wiring.n_synapses == card.price["synapses"]
    assert (FOLDER / f"{name}.safetensors").stat().st_size == card.price["bytes"] < 200_000
    # Alone, in Gymnasium's own environment, observation by observation.
    if name.startswith("mountain"):
        world = pytest.importorskip("gymnasium").make(found.environment)
        seen, total, over = world.reset(seed=3)[0], 0.0, False
        while not over:
            seen, reward, ended, late, _ = world.step(policy.act(seen).astype(np.float32))
            total, over = total + reward, ended or late
        assert total > card.baselines["standing still"] + 80


def test_the_policy_that_learned_by_gradient_balances_where_one_without_a_memory_cannot():
    gymnasium = pytest.importorskip("gymnasium")
    policy, card = zoo.load("cartpole-ncp_ltc"), zoo.card("cartpole-ncp_ltc")
    earned = control.replay(policy, "CartPole-v1", episodes=10, seed=1)
    assert earned.mean() >= card.scores["mean return of 100 episodes"] - 5
    assert (policy.observe, policy.observations) == ((0, 2), 4)  # no velocities
    layer = policy.layer()
    assert sum(one.numel() for one in layer.parameters()) == card.price["parameters"]
    assert layer.wiring.n_synapses == card.price["synapses"]
    # What it remembers is what it balances by: started over before every action it falls.
    forgetful = control.Policy(layer, policy.sense, policy.move, observe=policy.observe, observations=4)
    act = forgetful.act

    def anew(seen):
        forgetful.reset()
        return act(seen)

    world = gymnasium.make("CartPole-v1")
    seen, total, over = world.reset(seed=0)[0], 0, False
    while not over:
        seen, _, ended, late, _ = world.step(int(anew(seen)[0]))
        total, over = total + 1, ended or late
    assert total < 100


def test_the_driver_keeps_a_lane_that_a_car_going_straight_on_leaves():
    driver, card = zoo.load("lane-ncp_ltc_19"), zoo.card("lane-ncp_ltc_19")
    rows, columns, _ = driver.pictures
    course = lane_test.Course(rows, columns, driver.filters, cars=2, kilometre=0.1, noise=(0.0,))
    assert card.scores["easy roads"] == 0
    assert lane_test.drive(driver, "easy", course).crashes.sum() == 0
    assert lane_test.drive("straight", "easy", course).crashes.sum() > 0
    assert sum(p.numel() for p in driver.parameters()) == card.price["parameters"]
    assert (FOLDER / "lane-ncp_ltc_19.safetensors").stat().st_size == card.price["bytes"] < 200_000


@pytest.mark.parametrize("name", zoo.names())
def test_every_card_is_whole_and_read_as_it_is_written(name, tmp_path):
    card = zoo.card(name)
    assert card.name == name
    (tmp_path / "again.json").write_text(card.to_json(), encoding="utf-8")
    assert zoo.card(tmp_path / "again.json") == card
    with pytest.raises(TypeError):
        card.scores["test"] = 1.0
    # It stands beside its trivial baselines or its nulls.
    assert card.baselines or card.beside


def test_a_network_beside_a_card_of_ones_own_is_loaded(mine):
    assert zoo.load(mine).wiring == zoo.load("tap_withdrawal").wiring
    assert zoo.load(str(mine)).wiring.n_neurons == 7


def test_weights_that_are_not_those_of_the_card_are_refused_before_they_are_read(mine):
    weights = mine.with_suffix(".safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"has sha256 \w{64}; its card has \w{64}. It is damaged"):
        zoo.load(mine)
    weights.unlink()
    with pytest.raises(DataError, match=r"mine\.safetensors"):
        zoo.load(mine)


def test_weights_that_do_not_come_along_are_fetched_and_checked(mine, tmp_path, monkeypatch):
    """From the folder that $WORMNET_DATA names, which is looked at before the network is."""
    changed(mine, url="https://nowhere.invalid/zoo")
    (tmp_path / "data" / "zoo").mkdir(parents=True)
    mine.with_suffix(".safetensors").rename(tmp_path / "data" / "zoo" / "mine.safetensors")
    monkeypatch.setenv("WORMNET_DATA", str(tmp_path / "data"))
    assert zoo.load(mine).wiring.n_neurons == 7
    (tmp_path / "data" / "zoo" / "mine.safetensors").write_bytes(b"others")
    with pytest.raises(DataError, match="has sha256"):
        zoo.load(mine)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind": "pickle"}, "unknown kind 'pickle'.* Known: layer, run, policy, driver"),
        ({"sha256": "12"}, "sha256 is '12'; it takes 64 hexadecimal digits"),
        ({"name": "../up"}, "name is '../up'; it takes small letters"),
        ({"url": "http://a.b"}, "begins with https://"),
        ({"scores": {"test": "good"}}, "scores is"),
        ({"scores": [1]}, r"scores is \[1\]"),
        ({"licence": None}, "lacks 'licence'"),
        ({"licenze": "MIT"}, "unknown field 'licenze'; did you mean 'licence'"),
    ],
)
def test_a_card_with_a_fault_is_one_clear_error(mine, values, says):
    changed(mine, **values)
    with pytest.raises(DataError, match=says) as error:
        zoo.card(mine)
    assert "mine.json" in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"a": ' * 5000])
def test_what_is_no_card_is_one_clear_error(mine, text):
    mine.write_text(text)
    with pytest.raises(DataError, match=r"mine\.json"):
        zoo.card(mine)


@pytest.mark.parametrize("name", ["tap_withdrawl", 3, None, "../tap_withdrawal"])
def test_an_unknown_name_is_told_with_those_that_there_are(name):
    with pytest.raises(ArgumentError, match=r"unknown network .*Known: .*japanese_vowels-ncp_ltc, .*tap_withdrawal"):
        zoo.load(name)


def test_a_network_of_a_study_is_packed_with_what_the_study_measured(tmp_path):
    about, runs, *rest = studies.study(folds=2, seeds=2)
    out = studies.write(tmp_path / "study", about, runs, *rest)
    (out / "weights").mkdir()
    for run in runs:
        (out / "weights" / f"{run['id']}.safetensors").write_bytes(run["id"].encode())
    path = zoo.pack(out, "vowels", tmp_path / "mine", name="mine", network="ncp-ltc", licence="MIT")
    card = zoo.card(path)
    mine = [
        run
        for run in runs
        if run["network"] == "ncp-ltc" and run["dataset"] == "vowels" and run["share"] == 1 and "error" not in run
    ]
    best = max(mine, key=lambda run: run["valid_scores"]["accuracy"])
    assert path.with_suffix(".safetensors").read_bytes() == best["id"].encode()
    assert card.scores["test"] == best["scores"]["accuracy"]
    mean = np.mean([run["scores"]["accuracy"] for run in mine])
    assert card.scores[f"mean test of {len(mine)} runs"] == pytest.approx(mean)
    assert any(one.startswith("lstm,") for one in card.beside)
    assert not any(one.startswith("ncp-ltc,") for one in card.beside)
    assert dict(card.baselines) == about["datasets"]["vowels"]["baselines"]
    # Of numbers for which less is better, the least is the best.
    lowest = zoo.card(zoo.pack(out, "traffic", tmp_path / "mine", name="traffic"))
    assert lowest.metric == "mse, lower is better"
    assert lowest.scores["validation"] <= min(
        run["valid_scores"]["mse"]
        for run in runs
        if run["network"] == lowest.what.partition(" ")[0] and run["dataset"] == "traffic" and "error" not in run
        if run["share"] == 1
    )
    for wrong in ({"dataset": "vowel"}, {"dataset": "vowels", "network": "ltsm"}):
        with pytest.raises(ArgumentError, match="did you mean"):
            zoo.pack(out, **wrong, folder=tmp_path, name="mine")


def test_the_command_line_lists_and_shows(capsys):
    for words in (["list"], ["show", "tap_withdrawal"]):
        with pytest.raises(SystemExit) as stop:
            main(["zoo", *words])
        assert not stop.value.code
        shown = capsys.readouterr().out
        assert "tap_withdrawal" in shown
        assert "Apache-2.0" in shown
    with pytest.raises(SystemExit) as stop:
        main(["zoo", "show", "nothing"])
    assert stop.value.code == 2
    assert "unknown network 'nothing'" in capsys.readouterr().err
