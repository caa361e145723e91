import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch

import wormnet
from wormnet.data import Dataset
from wormnet.errors import WiringError
from wormnet.study import Factorial, Measures, Plan, Training, Tuning, fit, jobs
from wormnet.study.network import wired


def first(plan: Plan, kind: str = "trainings", **options) -> jobs.Job:
    (data, *_) = jobs.preparations(plan)
    return next(getattr(jobs, kind)(plan, data, **options))


@pytest.fixture
def small(dataset) -> Plan:
    return Plan(
        [dataset],
        ["gru-5"],
        seeds=1,
        training=Training(epochs=2, batch=16),
        measures=Measures(noise=[0.5], drop=[], rate=[]),
    )


def test_a_record_holds_what_its_readers_are_promised(small):
    job = first(small)
    record, network = jobs.execute(job)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["id"] == job.id
    head = {key: record[key] for key in ("kind", "dataset", "network", "fold", "seed", "share")}
    assert head == {"kind": "run", "dataset": "mine", "network": "gru-5", "fold": 0, "seed": 0, "share": 1.0}
    assert list(record["scores"]) == list(record["valid_scores"]) == ["accuracy", "balanced_accuracy", "log_loss"]
    assert [one["kind"] for one in record["conditions"]] == ["noise"]
    assert record["conditions"][0]["scores"].keys() == record["scores"].keys()
    assert set(record["dynamics"]) >= {"pc1", "l_max"}
    assert set(record["history"]) == {"loss", "valid_loss", "valid_score", "best", "seconds"}
    assert record["parameters"] == record["core"] + record["read_out"]
    assert {"synapses", "multiply_adds", "functions", "learned", "seconds"} <= set(record)
    part = job.data.view.told(job.data.test)
    assert fit.scores_of(network, part, job.data.metrics) == record["scores"]


def test_the_weights_of_a_run_fit_the_network_that_is_built_again(small):
    job = first(small.changed(networks=["ncp-cfc-repaired/random"], training=Training(epochs=1, neurons=8)))
    record, network = jobs.execute(job)
    again = jobs.rebuild(Plan(small.datasets, ["ncp-cfc-repaired/random"]), json.loads(json.dumps(record)))
    assert again.wiring == network.wiring
    again.load_state_dict(network.state_dict())
    x, dt = torch.randn(2, 5, 2), torch.rand(2, 5) + 0.5
    assert torch.equal(again.eval()(again.seen(x, dt), dt), network(network.seen(x, dt), dt))


def test_the_same_job_gives_the_same_bits_and_leaves_torch_as_it_was(small):
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    found = [jobs.execute(pickle.loads(pickle.dumps(first(small)))) for _ in range(2)]
    for record, _ in found:
        record.pop("seconds")
        record["history"].pop("seconds")
    assert found[0][0] == found[1][0]
    for a, b in zip(found[0][1].parameters(), found[1][1].parameters()):
        assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_whatever_changes_a_result_changes_the_name_of_its_job(dataset, small):
    other = Dataset("mine", dataset.train, dataset.valid, dataset.test.take(slice(30)))
    changed = [
        small.changed(datasets=[other]),
        small.changed(networks=["gru-6"]),
        small.changed(seeds=[1]),
        small.changed(training=Training(epochs=2, batch=16, learning_rate=0.02)),
        small.changed(measures=Measures(noise=[0.4], drop=[], rate=[])),
        small.changed(metrics={"mine": ["log_loss"]}),
        small.changed(accelerator="auto"),
    ]
    ids = [first(plan).id for plan in (small, *changed)]
    assert len(set(ids)) == len(ids)
    job = first(small)
    # A run of changed source takes the place of the old one.
    assert dataclasses.replace(job, spec={**job.spec, "source": "other"}).id == ids[0]
    # What a run's record does not depend on does not redo it.
    same = small.changed(
        name="x", measures=dataclasses.replace(small.measures, prices=False), networks=["gru-5", "lstm"]
    )
    assert first(same).id == ids[0]


def test_a_wiring_of_ones_own_is_part_of_the_name(small):
    ids = set()
    for seed in (0, 1):
        wiring = wormnet.random(inputs=2, neurons=6, sparsity=0.3, seed=seed)
        ids.add(first(small.changed(networks=[wired("mine", wiring)])).id)
    assert len(ids) == 2


def test_folds_draw_wirings_of_their_own():
    shape = {"datasets": ["digits"], "networks": ["ncp-ltc"], "folds": 2, "seeds": 2}
    plan = Plan(**shape, training=Training(neurons=8))
    wirings = []
    for data in jobs.preparations(plan):
        for job in jobs.trainings(plan, data):
            wirings.append(jobs.rebuild(plan, {"spec": job.spec}).wiring)
    assert len(set(wirings)) == 4


def test_shares_are_runs_of_their_own_without_conditions(small):
    plan = small.changed(measures=dataclasses.replace(small.measures, shares=[0.5, 1]))
    (data,) = jobs.preparations(plan)
    whole, half = jobs.trainings(plan, data)
    assert (whole.spec["share"], half.spec["share"]) == (1.0, 0.5)
    record, _ = jobs.execute(half)
    assert record["share"] == 0.5
    assert record["conditions"] == []
    assert record["dynamics"] == {}
    assert len(record["history"]["loss"]) == 2


def test_learned_is_better_than_the_best_guess(dataset, ready):
    _, (data,) = ready(dataset, folds=0)
    majority = float(np.mean(data.valid.y == np.bincount(data.train.y).argmax()))
    assert not jobs._learned(data, majority)
    assert not jobs._learned(data, None)
    assert jobs._learned(data, majority + 0.01)
    _, (data,) = ready(dataset, folds=0, metrics={"mine": ["roc_auc"]})
    assert not jobs._learned(data, 0.5)
    assert jobs._learned(data, 0.51)
    _, (data,) = ready(dataset, folds=0, metrics={"mine": ["log_loss"]})
    share = np.bincount(data.train.y) / len(data.train)
    guess = float(-np.log(share[data.valid.y]).mean())
    assert jobs._learned(data, guess - 0.01)
    assert not jobs._learned(data, guess + 0.01)


def test_a_search_never_ends_below_the_settings_of_the_plan(small):
    plan = small.changed(tuning=Tuning(trials=3, space={"learning_rate": [1e-5, 0.05], "optimiser": ["adam", "sgd"]}))
    record, network = jobs.execute(first(plan, "tunings"))
    assert network is None
    assert len(record["trials"]) == 3
    own = record["trials"][0]
    assert own["parameters"] == {"learning_rate": 0.01, "optimiser": "adam"}
    best = max(record["trials"], key=lambda one: one["valid_score"])
    assert best["valid_score"] >= own["valid_score"]
    assert record["best"] in [
        one["parameters"] for one in record["trials"] if one["valid_score"] == best["valid_score"]
    ]
    json.dumps(record, allow_nan=False)
    (data,) = jobs.preparations(plan)
    (run, *_) = jobs.trainings(plan, data, {"gru-5": record["best"]})
    assert run.spec["training"]["learning_rate"] == record["best"]["learning_rate"]


def test_a_search_that_was_stopped_goes_on_where_it_was(small, tmp_path, monkeypatch):
    plan = small.changed(tuning=Tuning(trials=4, space={"learning_rate": [1e-4, 0.05]}))
    job = first(plan, "tunings")
    through = jobs.execute(job)[0]
    whole, ran = jobs._fitted, []

    def stopped(job, training):
        ran.append(training.learning_rate)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return whole(job, training)

    monkeypatch.setattr(jobs, "_fitted", stopped)
    with pytest.raises(KeyboardInterrupt):
        jobs.execute(job, tmp_path / "journal")
    assert jobs.execute(job, tmp_path / "journal")[0]["trials"] == through["trials"]
    assert len(ran) == 3 + 2  # the two that were done are not done again


def test_trials_that_diverge_are_told_and_do_not_win(small, monkeypatch):
    plan = small.changed(tuning=Tuning(trials=3, space={"learning_rate": [1e-4, 0.05]}))
    whole, ran = jobs._fitted, []

    def some(job, training):
        ran.append(1)
        if len(ran) == 2:
            raise FloatingPointError("training diverged")
        return whole(job, training)

    monkeypatch.setattr(jobs, "_fitted", some)
    trials = jobs.execute(first(plan, "tunings"))[0]["trials"]
    assert [one["valid_score"] is None for one in trials] == [False, True, False]

    def none(job, training):
        raise FloatingPointError("training diverged")

    monkeypatch.setattr(jobs, "_fitted", none)
    with pytest.raises(FloatingPointError, match="none of 3 trials has a finite score"):
        jobs.execute(first(plan, "tunings"))


def test_prices_are_a_job_too(small):
    plan = small.changed(networks=["gru-5", "lstm-3"])
    (data,) = jobs.preparations(plan)
    record, _ = jobs.execute(jobs.pricing(plan, data, ["lstm-3"], 1, 1.0, {"cores": 2}))
    assert list(record["prices"]) == ["lstm-3"]
    assert record["kind"] == "prices"


def test_what_is_told_of_a_study(dataset):
    plan = Plan(
        [dataset, "digits"],
        ["ncp-ltc", "ncp-ltc/rewire", "lstm"],
        folds=2,
        metrics={"mine": ["roc_auc"]},
        measures=Measures(sizes=[7]),
        factorial=Factorial(["synapses", "tau"]),
        training=Training(neurons=8),
    )
    about = jobs.about_study(plan, list(jobs.preparations(plan)))
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert about["reference"] == "lstm"
    assert about["networks"]["ncp-ltc/rewire"]["null_of"] == "ncp-ltc"
    assert about["networks"]["lstm-7"]["size_of"] == "lstm"
    assert about["networks"]["ncp(fixed)"]["family"] == "null"
    assert about["factorial"]["cells"]["ncp(additive)"] == {"synapses": "additive", "tau": "liquid"}
    assert about["factorial"]["factors"]["tau"] == ["liquid", "fixed"]
    mine, digits = about["datasets"]["mine"], about["datasets"]["digits"]
    assert (mine["folds"], mine["overlap"], mine["metric"]) == (1, False, "roc_auc")
    assert (digits["folds"], digits["overlap"], digits["metric"]) == (2, True, "accuracy")
    assert digits["baselines"].keys() >= {"majority"}
    assert about["metrics"]["log_loss"] == {
        "better": -1,
        "bounds": [0.0, None],
        "unit": "",
        "about": "cross entropy, nats",
    }


def test_a_wiring_that_cannot_be_is_told_before_anything_is_trained(dataset):
    wiring = wormnet.random(inputs=5, neurons=6, sparsity=0.3)
    plan = Plan([dataset], [wired("mine", wiring)])
    with pytest.raises(WiringError, match=r"training\.mine: no mine can be wired: the wiring has 5 inputs"):
        list(jobs.preparations(plan))
