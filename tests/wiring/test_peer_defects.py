"""What users met in `ncps` 1.0.1, and what they would expect; the id names the defect in our list of them."""

import json
import pickle
import re

import numpy as np
import pytest

from wormnet import Wiring, WiringError, auto_ncp, dense, ncp, nulls, random
from wormnet.wiring import degree, motifs, reachable
from wormnet.wiring.files import from_json, to_json


def tiny_ncp(seed=1):
    return ncp(
        inputs=8, inter=10, command=6, motor=2, sensory_fanout=4, inter_fanout=4, recurrent_command=4, motor_fanin=4,
        seed=seed,
    )  # fmt: skip


def test_using_a_wiring_twice_adds_no_synapses():
    """B8: building a wiring a second time, or sharing it between two layers, drew more synapses into it."""
    wiring = auto_ncp(inputs=6, neurons=16, outputs=4)
    n, digest = wiring.n_synapses, wiring.digest
    for _ in range(2):
        for kind in range(3):
            wiring.csr(kind)
        degree(wiring)
        motifs(wiring)
        reachable(wiring)
        list(nulls(wiring, "rewire", 2))
        wiring.join(wiring.rename(lambda name: "second_" + name))
    assert (wiring.n_synapses, len(wiring.pre), len(wiring.post)) == (n, n, n)
    assert Wiring(**wiring.to_dict()).digest == digest
    assert auto_ncp(inputs=6, neurons=16, outputs=4) == wiring


def test_asking_for_the_content_changes_no_later_draw():
    """B9: asking an NCP for its configuration seeded its generator anew, so that the graph built next was another."""
    asked = tiny_ncp()
    asked.to_dict()
    to_json(asked)
    repr(asked)
    assert tiny_ncp() == asked == tiny_ncp()


@pytest.mark.parametrize("edit", ["lesion", "synapses", "add", "sign"])
def test_an_edited_wiring_comes_back_edited(edit):
    """B16: a wiring whose matrix was edited came back from its configuration unedited."""
    wiring = dense(3, 8, seed=2)
    edited = {
        "lesion": lambda: wiring.lesion("n3"),
        "synapses": lambda: wiring.lesion(synapses=wiring.pre == wiring.cell("n3")),
        "add": lambda: wiring.lesion(synapses=("n0", "n1")).add("n0", "n1", sign=0, count=5),
        "sign": lambda: Wiring(**{**wiring.to_dict(), "sign": -wiring.sign}),
    }[edit]()
    assert edited != wiring
    assert Wiring(**edited.to_dict()) == edited
    assert Wiring(**json.loads(json.dumps(edited.to_dict()))) == edited
    assert pickle.loads(pickle.dumps(edited)) == edited
    assert from_json(to_json(edited)) == edited


def test_a_policy_comes_back_from_its_content():
    """B19: NCP.from_config(NCP.get_config()) was a TypeError."""
    wiring = tiny_ncp()
    assert Wiring(**wiring.to_dict()) == wiring
    assert from_json(to_json(wiring)) == wiring


@pytest.mark.parametrize(
    "wiring", [dense(4, 16, outputs=4), random(inputs=4, neurons=16, outputs=4, sparsity=0.5)], ids=["dense", "random"]
)
def test_the_number_of_outputs_is_honoured(wiring):
    """B20: a random or dense wiring with 4 outputs gave all 16."""
    assert wiring.n_outputs == 4
    assert wiring.outputs == ("n12", "n13", "n14", "n15")
    assert wiring.output_index.tolist() == [12, 13, 14, 15]


@pytest.mark.parametrize("sparsity", [0, 0.0, 0.05, 0.5, 0.95, np.float32(0.3)])
def test_every_sparsity_from_0_to_below_1_is_taken(sparsity):
    """B21: sparsity 0.0 was refused with "must be between 0.0 and 0.9", which the code did not check."""
    sparse = auto_ncp(inputs=8, neurons=16, outputs=4, sparsity=sparsity)
    assert sparse.n_outputs == 4
    assert sparse.n_synapses <= auto_ncp(inputs=8, neurons=16, outputs=4, sparsity=0).n_synapses


@pytest.mark.parametrize("sparsity", [-0.01, 1, 1.0, 1.5, float("nan"), True, "0.5", None])
def test_every_other_sparsity_is_refused_with_the_range_that_is_checked(sparsity):
    """B21, the other side."""
    message = f"sparsity is {sparsity!r}; it takes the share of synapses left out, 0 <= sparsity < 1."
    with pytest.raises(WiringError, match=re.escape(message)):
        auto_ncp(inputs=8, neurons=16, outputs=4, sparsity=sparsity)
