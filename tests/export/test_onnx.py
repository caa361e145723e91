"""ONNX from a layer: onnxruntime computes what the layer computes, at every batch and length."""

import copy
import importlib
import json

import numpy as np
import pytest
import torch
from exports import layer, outputs, sequence

import wormnet
from wormnet import export
from wormnet.errors import ArgumentError, BackendError, WormnetError
from wormnet.export import onnx_graph

onnx = pytest.importorskip("onnx", reason='pip install "wormnet[export]"')
onnxruntime = pytest.importorskip("onnxruntime", reason='pip install "wormnet[export]"')

QUICK = ("ltc", "cfc-memory")
FORMS = ("ctrnn-midpoint", "cfc", "cfc-backbone", "lrc-semi-implicit", "ltc-rk4", "graded-exponential_midpoint")
CASES = [*QUICK, *(pytest.param(case, marks=pytest.mark.slow) for case in FORMS)]


def session(path):
    """The file in onnxruntime, one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def begin(rnn, batch):
    """The states of a start, by the names of the graph."""
    with torch.no_grad():
        states = zip(rnn._state_names, rnn._initial(rnn.values()), strict=True)
    return {f"state_{name}": np.tile(one.detach().numpy(), (batch, 1)) for name, one in states}


@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_computes_what_the_layer_computes(case, tmp_path):
    """200 irregular samples, whole and in two pieces that the state joins."""
    rnn = layer(case)
    written = export.onnx(rnn, tmp_path / "net.onnx")
    onnx.checker.check_model(str(written.path), full_check=True)
    x, dt = sequence(rnn, 200)
    expected = outputs(rnn, x, dt)
    scale = max(1.0, np.abs(expected).max())
    run, x, dt = session(written.path), x[None].astype(np.float32), dt[None].astype(np.float32)
    whole = run.run(None, {"x": x, "dt": dt, **begin(rnn, 1)})
    assert np.abs(whole[0][0] - expected).max() <= 2e-6 * scale
    first = run.run(None, {"x": x[:, :77], "dt": dt[:, :77], **begin(rnn, 1)})
    state = {name.removeprefix("new_"): one for name, one in zip(written.outputs[1:], first[1:], strict=True)}
    second = run.run(None, {"x": x[:, 77:], "dt": dt[:, 77:], **state})
    assert np.array_equal(np.concatenate([first[0], second[0]], 1), whole[0])


def test_lengths_and_starts_are_those_of_the_layer(tmp_path):
    rnn = layer("ltc-memory")
    written = export.onnx(rnn, tmp_path / "net.onnx", lengths=True, starts=True)
    assert written.inputs == ("x", "dt", "state_v", "state_memory", "lengths", "starts")
    rng = np.random.default_rng(0)
    x, dt = rng.standard_normal((3, 8, 5)).astype(np.float32), rng.uniform(0.1, 1, (3, 8)).astype(np.float32)
    lengths, starts = np.array([8, 0, 5]), rng.uniform(size=(3, 8)) < 0.3
    got = session(written.path).run(None, {"x": x, "dt": dt, **begin(rnn, 3), "lengths": lengths, "starts": starts})
    with torch.no_grad():
        y, state = rnn(
            *map(torch.tensor, (x,)), None, torch.tensor(dt), torch.tensor(lengths), starts=torch.tensor(starts)
        )
    for one, other in zip(got, (y, *state), strict=True):
        assert np.abs(one - other.numpy()).max() <= 1e-6


def test_the_step_runs_a_control_loop(tmp_path):
    rnn = layer("cfc", torch.float64)
    written = export.onnx(rnn, tmp_path / "net.onnx", form="step")
    assert "Scan" not in {node.op_type for node in onnx.load(written.path).graph.node}
    x, dt = sequence(rnn, 30)
    run, state, got = session(written.path), begin(rnn, 1), []
    for sample, elapsed in zip(x, dt, strict=True):
        y, v = run.run(None, {"x": sample[None], "dt": elapsed[None], **state})
        state = {"state_v": v}
        got.append(y[0])
    assert np.abs(np.array(got) - outputs(rnn, x, dt)).max() <= 1e-12


def test_a_layer_in_double_precision_is_not_rounded_to_single(tmp_path):
    """Of a policy, so with the names of its senses, too."""
    policy = wormnet.zoo.load("inverted_pendulum-tap_withdrawal")
    assert export.onnx(policy.layer(), tmp_path / "pole.onnx", form="step").measured <= 1e-12
    told = {one.key: one.value for one in onnx.load(tmp_path / "pole.onnx").metadata_props}
    assert json.loads(told["wormnet.inputs"]) == ["PVD", "PLM", "AVM", "ALM"]
    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1), unfolds=3, time_unit=0.02, backend="reference")
    assert export.onnx(rnn.double(), tmp_path / "net.onnx", form="step").measured <= 1e-12


def test_the_file_tells_names_wiring_and_time_unit(tmp_path):
    rnn = layer("graded-euler")
    proto = onnx.load(export.onnx(rnn, tmp_path / "net.onnx", form="step", check=False).path)
    told = {one.key.removeprefix("wormnet."): one.value for one in proto.metadata_props}
    assert told["wiring"] == rnn.wiring.digest
    assert told["version"] == wormnet.__version__
    assert json.loads(told["time_unit"]) == 5.0
    assert [json.loads(told[name]) for name in ("inputs", "neurons", "outputs")] == [
        list(rnn.wiring.inputs),
        list(rnn.wiring.neurons),
        list(rnn.wiring.outputs),
    ]
    assert np.allclose(json.loads(told["initial"])[0], begin(rnn, 1)["state_v"][0])


def test_torch_onnx_export_of_a_trainable_layer_says_what_to_call(tmp_path):
    rnn = wormnet.LTC(wormnet.dense(2, 3)).eval()
    with pytest.raises(Exception, match=r"wormnet\.export\.onnx\(rnn, path\)"):
        torch.onnx.export(rnn, (torch.zeros(2, 5, 2),), tmp_path / "net.onnx", verbose=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_a_layer_in_a_larger_model_goes_through_torch_onnx_export(tmp_path):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = layer("ltc"), torch.nn.Linear(2, 3)

        def forward(self, x):
            return self.head(self.rnn(x)[0][:, -1])

    model = copy.deepcopy(Model()).requires_grad_(False)
    shapes = ({0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("time", min=1)},)
    x = torch.randn(2, 5, 5)
    torch.onnx.export(model, (x,), tmp_path / "net.onnx", dynamic_shapes=shapes, input_names=["x"], verbose=False)
    for batch, time in ((2, 5), (3, 11)):
        x = torch.randn(batch, time, 5)
        (got,) = session(tmp_path / "net.onnx").run(None, {"x": x.numpy()})
        assert np.abs(got - model(x).numpy()).max() <= 1e-6


def graph(batch, time, ops=("Scan",)):
    """A graph with an x of these sizes and nodes of these kinds."""
    axes = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [batch, time, 2])
    dt = onnx.helper.make_tensor_value_info("dt", onnx.TensorProto.FLOAT, [batch, time])
    nodes = [onnx.helper.make_node(op, ["x"], ["y"]) for op in ops]
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [axes, dt], []))


def test_a_graph_with_one_length_baked_in_is_refused():
    onnx_graph.prove_free(graph("batch", "time"), "sequence")
    for wrong in (graph("batch", 5), graph(2, "time")):
        with pytest.raises(BackendError, match="where batch and time have to be free"):
            onnx_graph.prove_free(wrong, "sequence")
    with pytest.raises(BackendError, match="no loop over time"):
        onnx_graph.prove_free(graph("batch", "time", ("Add",)), "sequence")


def test_a_graph_that_computes_something_else_is_not_kept(tmp_path):
    rnn = layer("ctrnn")
    content = export.onnx(rnn, tmp_path / "net.onnx", form="step", check=False).path.read_bytes()
    with torch.no_grad():
        rnn.bias += 0.01
    call = onnx_graph._Call(onnx_graph.on_reference(rnn), "step", lengths=False, starts=False)
    with pytest.raises(BackendError, match=r"the graph differs from the layer by .* no file was written"):
        onnx_graph._compared(call, content, 3, 1)


def test_what_it_does_not_take_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="takes neither lengths nor starts"):
        export.onnx(layer("ltc"), tmp_path / "net.onnx", form="step", starts=True)
    with pytest.raises(ArgumentError, match="takes a recurrent layer of wormnet, not Linear"):
        export.onnx(torch.nn.Linear(2, 3), tmp_path / "net.onnx")
    real = importlib.import_module

    def without(name, package=None):
        if name == "onnxscript":
            raise ModuleNotFoundError("No module named 'onnxscript'", name=name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(WormnetError, match=r'export\.onnx needs onnxscript: pip install "wormnet\[export\]"'):
        export.onnx(layer("ltc"), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
