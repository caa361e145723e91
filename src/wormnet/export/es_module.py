"""A layer as an ECMAScript module, for browsers and Node: the same edges and nodes, with lesions."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from wormnet._version import __version__
from wormnet.atomic import write_whole
from wormnet.export.network import Network, network_of
from wormnet.export.program import Floats, Places, Printed, cost_of, printed, room
from wormnet.export.statements import C_FLOAT, JAVASCRIPT
from wormnet.export.text import commented, render, wrapped
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked
from wormnet.wiring.core import KINDS

__all__ = ["javascript", "javascript_text"]

PAIR = ("scale", "shift")
PLACES = Places("state{}", "row{}", "brought{}", "input", "given")


def javascript(rnn: Recurrent, path: str | os.PathLike[str], *, head: Any = None) -> Path:
    """Write a layer as one ECMAScript module without imports.

        const net = new Network();
        const y = net.step(x, dt);         // net.reset(), net.state, net.activity, net.neurons, net.synapses
        net.lesion("AVAL");                // net.lesionSynapse("AVAL", "VA8"), net.restore()

    It computes in double precision what the layer computes in evaluation mode. With a lesion it computes what the layer
    on the lesioned wiring does (`rnn.on(rnn.wiring.lesion(...))`) at the neurons that are left; the state of a lesioned
    neuron is 0, and its output NaN.

    Args:
        rnn: any recurrent layer.   path: the module, by custom ending in .js or .mjs.
        head: None, or a linear map after the outputs: a torch.nn.Linear, or weight (size, outputs) and bias (size,).

    Raises: ArgumentError, ShapeError for what does not fit; DataError if the file cannot be written.

    >>> import tempfile, wormnet
    >>> rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=8, outputs=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     javascript(rnn, f"{folder}/policy.js").name
    'policy.js'
    """
    file = checked(path)
    write_whole(file, javascript_text(network_of(rnn, head)))
    return file


def javascript_text(network: Network) -> str:
    """The module as text."""
    writer, wiring, program = Floats(JAVASCRIPT), network.layout.wiring, network.layout.program
    updates = printed(network, writer, PLACES)
    maps = {}
    for word, pair, value in (("input", network.input_map, "x[k]"), ("output", network.output_map, "v[i]")):
        maps[word] = value
        if pair is not None:
            scale, shift = (writer.table(f"{word}_{what}", one, "k").text for what, one in zip(PAIR, pair))
            maps[word] = f"{value} * {scale} + {shift}"
    linear = None
    if network.linear is not None:
        linear = [writer.matrix(f"linear_{what}", one) for what, one in zip(("weight", "bias"), network.linear)]
    resets = []
    for state, initial in enumerate(network.initial):
        value = writer.table(f"initial_{state}", initial, "i").text
        resets.append(f"set({value.removesuffix('[i]')})" if value.endswith("[i]") else f"fill({value})")
    read = writer.integers("read", network.read)
    ways = [way for p in updates for way in (*p.brought, *(way for stage in p.stages[:1] for way in stage.loops))]
    # Two edges over the same synapses are cut as one.
    loops = {way.start: way for way in ways}
    rows, brought, hidden = room(updates)
    cost = cost_of(network)
    facts = {
        "wormnet": __version__,
        "wiring": wiring.digest,
        "model": program.model.name,
        "timeUnit": network.time_unit,
        "multiplyAdds": cost.multiply_adds,
        "divisions": cost.divisions,
        "calls": cost.calls,
        "states": [{"name": one.name, "unit": one.unit} for one in program.states],
    }
    values: dict[str, Any] = {
        "title": "A recurrent network of wormnet.",
        "about": commented(
            [f"Written by wormnet {__version__} (Apache-2.0). Do not edit; export again.", f"Wiring: {wiring}.",
             f"Model: {program.model}{', an LSTM cell in front' * program.memory}."]
        ),
        "facts": _text(facts), "input_names": _text(wiring.inputs), "neuron_names": _text(wiring.neurons),
        "synapses": _text(
            {
                "pre": wiring.pre.tolist(), "post": wiring.post.tolist(), "kind": [KINDS[k] for k in wiring.kind],
                "sign": wiring.sign.tolist(), "count": wiring.count.tolist(),
            }
        ),
        "output_names": _text(wiring.outputs), "n_inputs": wiring.n_inputs, "n_outputs": network.n_outputs,
        "states": commented([one.name for one in program.states]), "updates": updates, "resets": resets,
        "rows": rows, "brought": brought, "hidden": ", ".join([f"new Float64Array({hidden})"] * (2 if hidden else 0)),
        "mapped_input": maps["input"], "read_out": maps["output"], "linear": linear, "read": read,
        "cuts": {start: number for number, start in enumerate(loops)},
        "kinds": loops.values(),
        "sigmoid": _calls_sigmoid(updates),
        "tables": "".join(_table(name, one, single=network.single) for name, one in writer.tables.items()),
    }  # fmt: skip
    return render("network.js.j2", "export.javascript", values)


def _text(value: Any) -> str:
    """JSON that may stand in a page too, where </script> would end it."""
    return json.dumps(value).replace("<", "\\u003c")


def _table(name: str, values: np.ndarray, *, single: bool) -> str:
    if values.dtype.kind == "i":
        kind, number = "Int32Array", str
    else:
        # What is exact in single precision takes half of the digits.
        short = single and np.array_equal(values, values.astype(np.float32))
        kind, number = ("Float32Array", _single) if short else ("Float64Array", JAVASCRIPT.number)
    return f"const {name} = {kind}.of(\n{wrapped(', '.join(map(number, values.tolist())), '  ')}\n);\n"


def _single(value: float) -> str:
    return C_FLOAT.number(value)[:-1]


def _calls_sigmoid(updates: list[Printed]) -> bool:
    return any("sigmoid(" in line for p in updates for line in p.lines)
