"""JavaScript from a layer: run by Node it computes what the layer computes, with lesions as on a lesioned wiring."""

import copy
import json

import numpy as np
import pytest
import torch
from exports import LAYERS, compiler, layer, outputs, ran, sequence

import wormnet
from wormnet import export
from wormnet.export.network import network_of
from wormnet.export.program import cost_of


class Module:
    """An exported layer in Node.

    Args: rnn: the layer.   folder: for the files.   head: see `export.javascript`.
    """

    def __init__(self, rnn, folder, head=None):
        self.path = export.javascript(rnn, folder / "net.mjs", head=head)

    def run(self, body, x=(), dt=()):
        """What `body` makes of net, x and dt, as JSON."""
        samples = self.path.with_name("samples.json")
        samples.write_text(json.dumps({"x": np.asarray(x).tolist(), "dt": np.asarray(dt).tolist()}))
        main = self.path.with_name("main.mjs")
        main.write_text(
            'import * as module from "./net.mjs";\nimport { readFileSync } from "node:fs";\n'
            f'const {{ x, dt }} = JSON.parse(readFileSync("{samples.name}"));\nconst net = new module.Network();\n'
            "const plain = (a) => Array.from(a, (one) => (Number.isNaN(one) ? null : one));\n"
            "const steps = () => x.map((one, t) => plain(net.step(one, dt[t])));\n"
            f"const result = (() => {{ {body} }})();\nconsole.log(JSON.stringify(result));\n"
        )
        return json.loads(ran(compiler("node"), main.name, folder=self.path.parent))


@pytest.mark.parametrize("case", LAYERS)
def test_the_module_computes_what_the_layer_computes(case, tmp_path):
    rnn = layer(case, torch.float64)
    x, dt = sequence(rnn, 50)
    expected = outputs(rnn, x, dt)
    got = np.array(Module(rnn, tmp_path).run("return steps();", x, dt))
    assert np.abs(got - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max())


def test_a_layer_in_single_precision_is_met_within_1e_6(tmp_path):
    rnn = layer("ltc")
    x, dt = sequence(rnn)
    expected = outputs(rnn, x, dt)
    got = np.array(Module(rnn, tmp_path).run("return steps();", x, dt))
    assert np.abs(got - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("case", ["ltc", "cfc", "ctrnn", "ltc-memory", "cfc-memory", "graded-rk4", "cfc-backbone"])
@pytest.mark.parametrize("cell", [0, 2, 3])
def test_a_lesioned_cell_is_gone_as_from_the_wiring(case, cell, tmp_path):
    rnn = layer(case, torch.float64)
    name = (rnn.wiring.neurons[min(cell, rnn.wiring.n_neurons - 1)], *rnn.wiring.inputs)[cell == 2]
    without = zeroed(rnn, name) if case == "cfc-backbone" else rnn.on(rnn.wiring.lesion(name))
    x, dt = sequence(rnn, 50)
    kept = [k for k, one in enumerate(rnn.wiring.inputs) if one != name]
    given = x[:, kept] if without.n_inputs < rnn.n_inputs else np.where(np.isin(np.arange(rnn.n_inputs), kept), x, 0.0)
    expected = outputs(without, given, dt)
    got = np.array(Module(rnn, tmp_path).run(f"net.lesion({json.dumps(name)}); return steps();", x, dt), float)
    if rnn.proj_size is None:
        gone = np.array([one == name for one in rnn.wiring.outputs])
        assert np.isnan(got[:, gone]).all()
        got = got[:, ~gone]
    assert np.abs(got - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max())


def zeroed(rnn, name):
    """A layer in which nothing arrives that a cell sends: a backbone belongs to its cells, so it cannot be moved."""
    other, wiring = copy.deepcopy(rnn), rnn.wiring
    with torch.no_grad():
        other.backbone_weight0[:, wiring.numbers[name]] = 0
        if name in wiring.outputs:
            other.projection.weight[:, wiring.outputs.index(name)] = 0
    return other


@pytest.mark.filterwarnings("ignore::wormnet.errors.BlindOutputWarning")
@pytest.mark.parametrize("case", ["ltc", "cfc", "ctrnn", "ltc-memory", "graded-semi_implicit"])
def test_a_lesioned_synapse_is_gone_as_from_the_wiring(case, tmp_path):
    rnn = layer(case, torch.float64)
    module, x_dt = Module(rnn, tmp_path), sequence(rnn, 50)
    wiring = rnn.wiring
    for s in range(len(wiring.pre)):
        pair = wiring.cells[wiring.pre[s]], wiring.cells[wiring.post[s]]
        without = rnn.on(wiring.lesion(synapses=[pair]))
        expected = outputs(without, *x_dt)
        got = module.run(f"net.lesionSynapse(...{json.dumps(pair)}); return steps();", *x_dt)
        assert np.abs(np.array(got) - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max()), pair


def test_restored_it_is_intact_again(tmp_path):
    rnn = layer("ltc", torch.float64)
    body = """
        const intact = steps();
        net.lesion("n0"); net.lesionSynapse("n1", "n2");
        steps();
        net.restore(); net.reset();
        return [intact, steps(), net.lesions];
    """
    intact, again, lesions = Module(rnn, tmp_path).run(body, *sequence(rnn, 20))
    assert intact == again
    assert lesions == []


def test_it_tells_names_activity_and_state(tmp_path):
    rnn = layer("ltc-memory", torch.float64)
    x, dt = sequence(rnn, 10)
    body = """
        steps();
        const state = net.state, after = plain(net.step(x[0], 0.5));
        net.reset(); net.state = state;
        return {names: [net.inputs, net.neurons, net.outputs], state: state.map(plain), after,
                again: plain(net.step(x[0], 0.5)), activity: plain(net.activity), now: plain(net.state[0]),
                about: module.about, synapses: net.synapses};
    """
    told = Module(rnn, tmp_path).run(body, x, dt)
    assert told["names"] == [list(rnn.wiring.inputs), list(rnn.wiring.neurons), list(rnn.wiring.outputs)]
    with torch.no_grad():
        _, state = rnn(torch.tensor(x)[None], dt=torch.tensor(dt)[None])
    assert np.allclose(told["state"], torch.stack(state)[:, 0], atol=1e-12)
    assert told["after"] == told["again"]
    assert told["activity"] == told["now"]
    assert told["about"]["wiring"] == rnn.wiring.digest
    assert told["synapses"]["pre"] == rnn.wiring.pre.tolist()
    assert sorted(set(told["synapses"]["kind"])) == ["chemical", "current", "gap"]


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("net.step([1, 2], 1)", "x has 2 numbers; it takes 5"),
        ("net.step([1, 2, 3, 4, NaN], 1)", "x[4] is NaN"),
        ("net.step([1, 2, 3, 4, 5], 0)", "dt is 0"),
        ("net.lesion('AVA')", "there is no cell AVA"),
        ("net.lesionSynapse('n4', 'n0')", "no synapse goes from n4 to n0"),
        ("net.state = [[1]]", "the state takes 1 arrays of 5 numbers"),
    ],
)
def test_what_cannot_be_is_a_range_error(body, match, tmp_path):
    told = f"try {{ {body} }} catch (error) {{ return [error.name, error.message]; }} return null;"
    name, message = Module(layer("ltc"), tmp_path).run(told)
    assert name == "RangeError"
    assert match in message


def test_a_head_follows_the_projection(tmp_path):
    rnn, head = layer("ltc-ncp", torch.float64), torch.nn.Linear(5, 7).double()
    x, dt = sequence(rnn, 20)
    with torch.no_grad():
        expected = head(torch.tensor(outputs(rnn, x, dt))).numpy()
    got = Module(rnn, tmp_path, head=head).run("return steps();", x, dt)
    assert np.abs(np.array(got) - expected).max() <= 1e-12


def test_names_that_would_end_a_string_or_a_page_do_not(tmp_path):
    odd = wormnet.Wiring(['"; throw 1; "'], ["</script>", "a\nb\\", "\u2028é"], pre=[0, 1], post=[1, 2], source="\n*/")
    module = Module(wormnet.LTC(odd, backend="reference", unfolds=3), tmp_path)
    assert module.run("return net.neurons;") == list(odd.neurons)
    assert "</script>" not in module.path.read_text()


def test_the_whole_worm_steps_fast_enough_for_a_picture_every_33_ms(tmp_path):
    """Counted, not timed: 6 unfolds of 302 neurons are some 25,000 calls of exp, of which Node does millions per s."""
    worm = wormnet.connectome("cook2019").drive({"touch": ["ALM", "PLM"]}).read_out("VA", "VB")
    rnn = wormnet.LTC(worm, backend="reference", dtype=torch.float64)
    x, dt = sequence(rnn, 3)
    got = np.array(Module(rnn, tmp_path).run("return steps();", x, dt))
    assert np.abs(got - outputs(rnn, x, dt)).max() <= 1e-10
    assert cost_of(network_of(rnn)).calls < 30_000
