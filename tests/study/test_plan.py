import json
import subprocess
import sys
import tomllib

import pytest

from wormnet.errors import ArgumentError, DataError
from wormnet.study import Measures, Metric, Network, Plan, Training, Tuning

GOOD = 'datasets = ["digits", "xor_event"]\nnetworks = ["ncp-ltc", "ncp-ltc/random", "lstm"]\n'


def from_text(tmp_path, text: str) -> Plan:
    path = tmp_path / "my.toml"
    path.write_text(text)
    return Plan.from_toml(path)


def test_sections_of_a_data_set_start_from_the_shared_section(tmp_path):
    plan = from_text(tmp_path, GOOD + "[training]\nepochs = 7\nbatch = 5\n[training.digits]\nepochs = 9\n")
    assert plan.training_on("digits") == Training(epochs=9, batch=5)
    assert plan.training_on("xor_event") == Training(epochs=7, batch=5)


def test_the_plan_survives_json(tmp_path):
    plan = from_text(tmp_path, GOOD + "seeds = [4, 2]\n[training.digits]\nclip = 0\n[data.xor_event]\nlength = 6\n")
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan.to_dict()))
    assert Plan.from_json(path) == plan


def test_the_plan_that_ships_holds_what_the_library_promises():
    plan = Plan.default()
    assert plan.dataset_names == ("japanese_vowels", "digits")
    assert {"ncp-ltc", "ncp-ltc-repaired", "ncp-ltc-repaired/rewire", "cook2019-ltc", "cook2019-ltc/rewire"} <= set(
        plan.network_names
    )
    assert {"ctrnn", "lstm", "gru"} <= set(plan.network_names)
    assert plan.tuning.trials == 0


def test_quick_is_quick_once():
    plan = Plan.default()
    quick = plan.quick()
    assert (quick.folds, quick.seeds) == (min(plan.folds, 1), (0,))
    assert quick.training_on("digits").epochs == plan.training_on("digits").epochs // 4
    assert quick.quick() == quick


def test_every_network_meets_the_reference_and_its_nulls():
    plan = Plan(["digits"], ["ncp-ltc", "ncp-cfc", "ncp-ltc/random", "lstm", "gru"])
    assert plan.reference_network == "lstm"
    assert set(plan.comparisons()) == {
        ("ncp-ltc", "lstm"),
        ("ncp-cfc", "lstm"),
        ("ncp-ltc/random", "lstm"),
        ("gru", "lstm"),
        ("ncp-ltc", "ncp-ltc/random"),
    }


def test_sizes_are_networks_beside_the_others_and_compared_with_none():
    plan = Plan(
        ["digits", "xor_event"], ["lstm", "lstm-7", "cook2019-ltc"], measures_of={"digits": Measures(sizes=[7, 9])}
    )
    assert plan.network_names == ("lstm", "lstm-7", "cook2019-ltc", "lstm-9")
    assert [one.name for one in plan.networks_on("digits")] == ["lstm", "lstm-7", "cook2019-ltc", "lstm-9"]
    assert [one.name for one in plan.networks_on("xor_event")] == ["lstm", "lstm-7", "cook2019-ltc"]
    assert set(plan.comparisons()) == {("lstm-7", "lstm"), ("cook2019-ltc", "lstm")}


def test_all_the_data_are_always_among_the_shares():
    assert Measures(shares=[0.1, 0.5]).shares == (1.0, 0.5, 0.1)


def test_folds_are_as_many_as_asked_for_or_as_there_are():
    plan = Plan(["gesture", "digits", "xor_event"], ["lstm"], folds=5)
    assert [plan.folds_of(source) for source in plan.sources] == [(0, 1, 2), (0, 1, 2, 3, 4), (0, 1, 2, 3, 4)]
    assert plan.short_of_folds() == ["the plan asks for 5 folds; gesture offers 3, so 3 are run."]
    own = plan.changed(folds=0)
    assert own.short_of_folds() == []
    assert [own.folds_of(source) for source in own.sources] == [(None,)] * 3


def test_networks_and_metrics_of_ones_own_are_taken_as_they_are():
    mine = Network("mine", lambda shape, seed: None)
    worst = Metric("worst", -1, (0.0, 1.0), lambda scores, y: 0.0, "classify")
    plan = Plan(["digits"], [mine, "lstm"], metrics={"digits": [worst, "accuracy"]})
    assert plan.network_names == ("mine", "lstm")
    assert plan.metrics_on("digits", "classify")[0] is worst
    assert plan.to_dict()["networks"] == ["mine", "lstm"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("epoch = 3", r"my.toml: unknown key 'epoch'.*Known: name, datasets, networks, folds"),
        ("[trainin]\nepochs = 3", "my.toml: unknown key 'trainin'; did you mean 'training'"),
        ("[training]\nepoch = 3", "my.toml: training: unknown key 'epoch'; did you mean 'epochs'"),
        ("[training]\nepochs = 0", "my.toml: training: epochs is 0; it takes a whole number, 1 or more"),
        ("[training]\nepochs = 2.5", "training: epochs is 2.5; it takes a whole number"),
        ("[training]\nepochs = true", "training: epochs is True; it takes a whole number"),
        ("[training.digits]\nlearning_rate = -1e-3", "training.digits: learning_rate is -0.001; it takes a number > 0"),
        ("[training]\nlearning_rate = nan", "learning_rate is nan; it takes a number > 0"),
        ("[training]\noptimiser = 'adm'", "optimiser is 'adm'; it takes one of adam, adamw, rmsprop, sgd"),
        ("[training.digit]\nepochs = 3", "training: unknown data set of this plan 'digit'; did you mean 'digits'"),
        ("[training.digits.lstm]\nepochs = 3", "training.digits: unknown key 'lstm'"),
        ("training = 3", r"training is 3; it takes a section, \[training\]"),
        ("[data]\ndigits = 3", r"data.digits is 3; it takes a section, \[data.digits\]"),
        ("[data.xor]\nlength = 3", "data: unknown data set of this plan 'xor'"),
        ("seeds = 0", "seeds is 0; it takes how many, 1 or more, or a list"),
        ("seeds = [1, 1]", "seeds names 1 twice"),
        ("seeds = []", "seeds is \\[\\]; it takes how many"),
        ("seeds = '3'", "seeds is '3'"),
        ("reference = 'gru'", "reference: unknown network of this plan 'gru'"),
        ("accelerator = 'tpu'", "unknown accelerator 'tpu'.*Known: cpu, auto, gpu"),
        ("name = 3", "name is 3; it takes text"),
        ("[tuning]\ntrials = -1", "tuning: trials is -1; it takes a whole number, 0 or more"),
        (
            "[tuning.space]\nlearning_rate = [0.1, 0.01]",
            "tuning: space is .*; it takes fields of training .*smaller first",
        ),
        ("[tuning.space]\nepoch = [1, 2]", "tuning: space is .*; it takes fields of training"),
        ("[tuning]\nlearning_rate = [0.1, 0.01]", "tuning: unknown key 'learning_rate'"),
        ("[training]\nschedule = 'cosin'", "schedule is 'cosin'; it takes one of cosine, constant"),
        ("[training]\nwarm_up = 1", "warm_up is 1; it takes a share, 0 or more and less than 1"),
        ("[training]\nclass_weights = 1", "class_weights is 1; it takes true or false"),
        ("[measures]\ndrop = [1.0]", "measures: drop is .*; it takes a list of shares, more than 0 and less than 1"),
        ("[measures]\nnoise = 0.5", "measures: noise is 0.5; it takes a list of numbers > 0"),
        ("[measures]\nrate = [0.3]", "measures: rate is .*; it takes a list of whole numbers, or of one over them"),
        ("[measures]\nshares = [0]", "measures: shares is .*; it takes a list of shares"),
        ("[measures]\nsizes = [0]", "measures: sizes is .*; it takes a list of whole numbers"),
        ("[measures.digits]\nnois = [0.5]", "measures.digits: unknown key 'nois'; did you mean 'noise'"),
        ("[measures.digit]\nnoise = [0.5]", "measures: unknown data set of this plan 'digit'; did you mean 'digits'"),
        ("[metrics]\ndigits = ['acuracy']", "metrics.digits: unknown metric 'acuracy'; did you mean 'accuracy'"),
        ("[metrics]\ndigits = []", r"metrics.digits: metrics is \[\]; it takes a list of metrics"),
        ("[metrics]\nx = ['mse']", "metrics: unknown data set of this plan 'x'"),
        ("folds = -1", r"folds is -1; it takes a whole number, 0 \(the own split\) or more"),
        ("[factorial]\nfactors = ['tua']", "factorial: unknown factor of ncp 'tua'; did you mean 'tau'"),
        ("[factorial]\nbase = 'ncp'", "factorial: factors is missing"),
        ("[robustness]\nnoise = [0.5]", "unknown key 'robustness'"),
    ],
)
def test_a_bad_plan_gets_one_line_with_the_place(tmp_path, more, text):
    with pytest.raises(ArgumentError, match=text) as error:
        from_text(tmp_path, GOOD + more)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        ('datasets = ["digit"]\nnetworks = ["lstm"]', "datasets: unknown data set 'digit'; did you mean 'digits'"),
        (
            'datasets = ["digits"]\nnetworks = ["lstmm"]',
            "networks: unknown network 'lstmm'.*Known: ncp-ltc, ncp-ltc-repaired",
        ),
        ('datasets = ["digits"]\nnetworks = ["lstm-0"]', "unknown network 'lstm-0'"),
        ('datasets = ["digits"]\nnetworks = ["ncp-ltc/rewird"]', "networks: unknown null of ncp-ltc 'rewird'"),
        ('datasets = ["mine"]\nnetworks = ["lstm"]', r"unknown data set 'mine'.*give its file in \[data.mine\]"),
        ('datasets = ["digits"]\nnetworks = [3]', "unknown network 3"),
        ('datasets = ["digits"]', "networks is missing"),
        ('datasets = []\nnetworks = ["lstm"]', r"datasets is \[\]; it takes a list of data sets, at least one"),
        ('datasets = "digits"\nnetworks = ["lstm"]', "datasets is 'digits'; it takes a list"),
        ('datasets = ["digits", "digits"]\nnetworks = ["lstm"]', "datasets names 'digits' twice"),
    ],
)
def test_a_bad_list_gets_what_is_known(tmp_path, plan, text):
    with pytest.raises(ArgumentError, match=text):
        from_text(tmp_path, plan)


def test_broken_toml_is_told_with_its_line(tmp_path):
    with pytest.raises(DataError, match=r"my.toml is no TOML: .*line 4"):
        from_text(tmp_path, 'name = "x"\ndatasets = [\n\n= 3')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*no\.toml"):
        Plan.from_toml(tmp_path / "no.toml")


def test_a_bad_option_of_a_data_set_is_told_before_training():
    plan = Plan(["xor_event"], ["lstm"], options={"xor_event": {"lenght": 8}})
    with pytest.raises(
        ArgumentError, match=r"data.xor_event: unknown option of xor_event 'lenght'; did you mean 'length'"
    ):
        plan.load(plan.sources[0], 0)
    plan = Plan(["xor_event"], ["lstm"], options={"xor_event": {"length": "8"}})
    with pytest.raises(ArgumentError, match=r"data.xor_event: "):
        plan.load(plan.sources[0], 0)


def test_options_do_not_apply_to_ones_own_data(dataset):
    with pytest.raises(ArgumentError, match="mine is given as a Dataset; a loader's options do not apply"):
        Plan([dataset], ["lstm"], options={"mine": {"length": 3}})


def test_lists_become_read_only():
    assert Measures(noise=[1.0]).noise == (1.0,)
    assert Tuning(space={"learning_rate": [0.1, 0.2]}).space == {"learning_rate": (0.1, 0.2)}


def test_the_plan_that_ships_is_an_example_of_every_section():
    from importlib.resources import files

    content = tomllib.loads(files("wormnet.study").joinpath("default.toml").read_text())
    assert {"training", "data", "metrics", "tuning", "measures", "folds", "seeds", "reference"} <= set(content)


def test_a_missing_package_is_one_sentence_with_the_command():
    code = "import sys; sys.modules['scipy'] = None; import wormnet.study"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr.rstrip().endswith('WormnetError: wormnet.study needs scipy: pip install "wormnet[study]"')
