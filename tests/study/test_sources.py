import sys
import types

import pytest

from wormnet.data import Dataset
from wormnet.errors import ArgumentError
from wormnet.study import Plan, jobs
from wormnet.study.sources import source_of


def fold_of(dataset: Dataset, fold: int) -> Dataset:
    return Dataset(dataset.name, dataset.train, dataset.valid, dataset.test.take(slice(10 * fold, 10 * fold + 10)))


def test_a_list_of_data_sets_is_their_folds(dataset):
    plan = Plan([[fold_of(dataset, fold) for fold in range(3)]], ["gru-3"])
    folds = list(jobs.preparations(plan))
    assert [len(data.test) for data in folds] == [10, 10, 10]
    assert len({data.digest for data in folds}) == 3
    assert plan.sources[0].overlap


def test_a_function_gives_as_many_folds_as_are_asked_for(dataset):
    plan = Plan([lambda fold: fold_of(dataset, fold)], ["gru-3"], folds=2)
    assert [data.fold for data in jobs.preparations(plan)] == [0, 1]


def test_a_data_set_of_ones_own_is_one_fold(dataset):
    source = source_of(dataset)
    assert (source.name, source.folds) == ("mine", 0)
    assert source.load(None) is dataset


def test_generated_data_are_new_in_every_fold_and_share_nothing():
    source = source_of("xor_event", {"length": 8, "n_train": 40, "n_valid": 10, "n_test": 10})
    assert not source.overlap
    assert source.load(0).train.x.tobytes() != source.load(1).train.x.tobytes()
    assert source_of("xor_event", {"seed": 3}).folds == 0


def test_a_fixed_fold_or_the_published_protocol_is_one_split():
    assert source_of("digits").folds == 5
    assert source_of("digits", {"fold": 1}).folds == 0
    assert source_of("walker2d", {"protocol": "published"}).folds == 0


def test_data_of_ones_own_are_named_by_module(dataset, monkeypatch):
    module = types.ModuleType("mine")
    module.data, module.folds = dataset, [fold_of(dataset, fold) for fold in range(2)]
    monkeypatch.setitem(sys.modules, "mine", module)
    assert source_of("mine:data").load(None) is dataset
    plan = Plan(["mine:folds"], ["gru-3"])
    assert plan.dataset_names == ("mine:folds",)
    assert {data.name for data in jobs.preparations(plan)} == {"mine:folds"}
    assert Plan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize("given", [3, None, [], ["digits"], "mine", lambda fold: 3])
def test_what_is_no_data_set_is_refused(given):
    with pytest.raises(ArgumentError):
        source_of(given)


def test_folds_of_different_names_are_refused(dataset):
    other = Dataset("other", dataset.train, dataset.valid, dataset.test)
    with pytest.raises(ArgumentError, match="is the folds of one data set; these are called"):
        source_of([dataset, other])
