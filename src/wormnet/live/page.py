"""One HTML file that draws a network, runs it live, and lets the reader stimulate it and take parts of it out."""

import html
import json
import os
import warnings
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wormnet._version import __version__
from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, ShapeError, unknown
from wormnet.export.es_module import javascript_text
from wormnet.export.network import Network, network_of
from wormnet.nn.diagnose import time_constants_at
from wormnet.nn.recurrent import Recurrent
from wormnet.paths import checked
from wormnet.wiring import atlas
from wormnet.wiring.core import CURRENT, GAP, Wiring
from wormnet.wiring.layout import LAYOUTS, groups

__all__ = ["MOST_SAMPLES", "content", "page", "program", "style"]

MOST_SAMPLES = 5_000
"""Samples of recorded input that a page holds."""

MOST_OUTPUTS = 8
"""Outputs whose lines are drawn."""

CROWDED = 1_500
"""With more synapses than these only the strongest are drawn at first, and classes in place of cells."""

PLACED = {
    "classes": "Cells are placed by role and class; this is not where they lie in the body.",
    "body": "The head is to the left. Cells are placed by ganglion, and along the ventral cord in the order of their "
    "numbers: an order, no map.",
}

KINDS = {GAP: "gap", CURRENT: "current"}
WORDS = {1: "excitatory", -1: "inhibitory", 0: "of a sign that is learned"}


def page(
    rnn: Recurrent,
    x: ArrayLike | None,
    path: str | os.PathLike[str],
    *,
    dt: ArrayLike | None = None,
    head: Any = None,
    title: str | None = None,
    layout: str | None = None,
    outputs: list[str] | None = None,
) -> Path:
    """Write a network as one HTML file that runs it live: no network connection, no installation, no Python.

    The circuit is drawn with its activity as colour. The reader gives it the recorded input or moves sliders, stops and
    goes back in time, follows neurons, and clicks a neuron or a synapse to take it out and see the outputs beside those
    of the intact network. What runs in the page is `wormnet.export.javascript`'s module.

    Args:
        rnn: any recurrent layer, trained or not; it stays as it is.
        x: recorded input, (time, inputs), at most 5,000 samples; None: sliders alone.
        path: the file, by custom ending in .html.
        dt: time between the samples, a number or (time,); None for one time unit.
        head: a linear map after the outputs: a torch.nn.Linear, or weight and bias, as `wormnet.export` takes it.
        title: of the page.   outputs: names of the outputs, or of what the head gives.
        layout: of `wormnet.plot.LAYOUTS`; None for "columns", or for "classes" where there are so many synapses that at
            first classes are drawn in place of their cells.

    Returns: the path.
    Raises: ShapeError for x or dt of another shape; ArgumentError for numbers that are not finite, or an unknown
        layout; DataError if the file cannot be written.

    >>> import tempfile, wormnet
    >>> rnn = wormnet.LTC(wormnet.auto_ncp(inputs=4, neurons=12, outputs=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page(rnn, np.sin(np.arange(200) / 10)[:, None] * np.ones(4), f"{folder}/circuit.html").name
    'circuit.html'
    """
    file = checked(path)
    exported = network_of(rnn, head)
    data = content(rnn, exported, x, dt=dt, title=title, layout=layout, outputs=outputs)
    write_whole(file, _document(data, program(exported)))
    return file


def _document(data: dict[str, Any], code: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="wormnet {__version__}">
<title>{html.escape(data["title"])}</title>
<style>
html, body {{ margin: 0; background: #ffffff; }}
@media (prefers-color-scheme: dark) {{ html, body {{ background: #12161b; }} }}
{style()}</style>
</head>
<body>
<div class="wormnet-circuit" id="circuit"></div>
<noscript>This page runs a network in JavaScript, which is switched off here.</noscript>
<script type="module">
{code}
window.wormnet = mount(document.getElementById("circuit"), {_script(data)});
</script>
</body>
</html>
"""


def program(exported: Network) -> str:
    """All JavaScript of a page or widget: the drawing library, the network, and what joins them."""
    library = _part("cytoscape.min.js")
    notice = "\n".join(f" * {line}" for line in _part("cytoscape.LICENSE").strip().splitlines())
    return (
        f"/*\n * cytoscape.js 3.35.0\n{notice}\n */\n"
        f"const cytoscape = (() => {{ const module = {{ exports: {{}} }}; "
        f"(function (module, exports) {{ {_inline(library)}\n}}).call(globalThis, module, module.exports); "
        "return module.exports; })();\n" + javascript_text(exported).replace("\nexport ", "\n") + _part("circuit.js")
    )


def style() -> str:
    """The style sheet; all of it applies inside of an element of class wormnet-circuit."""
    return _part("circuit.css")


def content(
    rnn: Recurrent,
    exported: Network,
    x: ArrayLike | None,
    *,
    dt: ArrayLike | None = None,
    title: str | None = None,
    layout: str | None = None,
    outputs: list[str] | None = None,
) -> dict[str, Any]:
    """What the page shows, as plain values; arguments as of `page`."""
    wiring = rnn.wiring
    classes = _classes(wiring)
    gathered = wiring.n_synapses > CROWDED and any(classes.count(name) > 1 for name in set(classes) if name)
    layout = layout if layout is not None else "classes" if gathered else "columns"
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise ArgumentError(unknown("layout", layout, LAYOUTS))
    recorded, spans = _recorded(x, dt, wiring.n_inputs)
    names = list(wiring.outputs) if exported.linear is None else [f"y{k}" for k in range(exported.n_outputs)]
    if outputs is not None:
        if len(outputs) != len(names):
            raise ArgumentError(f"outputs names {len(outputs)}; the network has {len(names)}.")
        names = list(map(str, outputs))
    activity, taus = _activity(rnn, recorded, spans)
    followed = [wiring.neurons[i] for i in _moving(activity, np.arange(wiring.n_neurons))[:3]] if len(recorded) else []
    said = _moving(activity, wiring.output_index) if exported.linear is None else list(range(len(names)))
    return {
        "title": title or "A living circuit",
        "counts": f"{_counted(wiring)}. {type(rnn).__name__}. {PLACED.get(layout, '')}".strip(),
        "cells": _cells(wiring, layout, classes, taus),
        "synapses": _synapses(rnn),
        "groups": sorted({name for name in classes if name and classes.count(name) > 1}),
        "gathered": gathered,
        "crowded": CROWDED,
        "input": recorded.tolist(),
        "dt": spans.tolist(),
        "sliders": _sliders(wiring, recorded),
        "outputs": [{"name": names[k], "place": k} for k in sorted(said[:MOST_OUTPUTS])],
        "moreOutputs": max(len(names) - MOST_OUTPUTS, 0),
        "pinned": followed,
        "speed": 20,
    }


def _recorded(x: ArrayLike | None, dt: ArrayLike | None, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """(time, inputs) and (time,) or (1,) or (0,)"""
    try:
        values = np.zeros((0, width)) if x is None else np.asarray(torch.as_tensor(x).detach().cpu(), np.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(
            f"x is {type(x).__name__}; a page takes one recording of numbers: (time, {width})."
        ) from None
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim != 2 or values.shape[1] != width:
        raise ShapeError(f"x has shape {values.shape}; a page takes one recording: (time, {width}).")
    if len(values) > MOST_SAMPLES:
        raise ArgumentError(f"x has {len(values):,} samples; a page takes at most {MOST_SAMPLES:,}: give it a part.")
    spans = np.zeros(0) if dt is None else np.asarray(torch.as_tensor(dt).detach().cpu(), np.float64).reshape(-1)
    if len(spans) not in (0, 1, len(values)):
        raise ShapeError(f"dt has {len(spans)} numbers; it takes one, or one for each of the {len(values)} samples.")
    if not (np.isfinite(values).all() and np.isfinite(spans).all() and (spans > 0).all()):
        raise ArgumentError("x takes finite numbers and dt numbers > 0; what is missing has to be filled before.")
    return values.astype(np.float32), spans


def _activity(rnn: Recurrent, x: NDArray[Any], dt: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """(time, neurons) potentials, and (neurons,) the median time constant of each, under the recorded input."""
    like = next(rnn.parameters())
    given = torch.as_tensor(x if len(x) else np.zeros((1, rnn.wiring.n_inputs)), dtype=like.dtype, device=like.device)
    spans = None if not len(dt) else float(dt[0]) if len(dt) == 1 else torch.as_tensor(dt, dtype=like.dtype)
    training = rnn.training
    rnn.eval()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            activity = rnn.trace(given, dt=spans).double().cpu().numpy()
            taus = time_constants_at(rnn, given, spans)
    finally:
        rnn.train(training)
    return activity, None if taus is None else taus.median(0).values.cpu().numpy()


def _moving(activity: NDArray[Any], neurons: NDArray[Any]) -> list[int]:
    """Places in `neurons`, that which moves most first."""
    return np.argsort(-np.ptp(activity[:, neurons], axis=0), kind="stable").tolist()


def _classes(wiring: Wiring) -> list[str]:
    return [atlas.class_of(name) or "" for name in wiring.cells]


def _cells(wiring: Wiring, layout: str, classes: list[str], taus: NDArray[Any] | None) -> list[dict[str, Any]]:
    at, radius = LAYOUTS[layout](wiring, groups(wiring))
    scale = 34.0 / max(2 * float(radius.max(initial=0.5)), 1e-9)
    words = groups(wiring)
    receives = np.bincount(wiring.post, minlength=len(wiring.cells))
    sends = np.bincount(wiring.pre, minlength=len(wiring.cells))
    read = set(wiring.outputs)
    found = []
    for i, name in enumerate(wiring.cells):
        neuron = i - wiring.n_inputs
        says = ["an input" if neuron < 0 else f"{words[i]} neuron" if words[i] != "unknown" else "neuron"]
        says.append(f"sends {sends[i]} synapses" + (f", receives {receives[i]}" if neuron >= 0 else ""))
        if name in read:
            says.append("is read out")
        if neuron >= 0 and taus is not None and np.isfinite(taus[neuron]):
            says.append(f"time constant {taus[neuron]:.3g}")
        found.append(
            {
                "name": name,
                "label": name,
                "group": classes[i],
                "about": "; ".join(says) + ".",
                "x": round(float(at[i, 0]) * scale, 2),
                "y": round(-float(at[i, 1]) * scale, 2),
                "size": round(2 * float(radius[i]) * scale, 2),
                "output": name in read,
            }
        )
    return found


def _synapses(rnn: Recurrent) -> list[dict[str, Any]]:
    wiring = rnn.wiring
    of_synapse: list[list[str]] = [[] for _ in range(wiring.n_synapses)]
    values = rnn.values()
    for spec in rnn._table.specs.values():
        if spec.over in rnn._table.synapse and values[spec.name].dim() == 1:
            for synapse, value in zip(rnn._table.synapse[str(spec.over)], values[spec.name].tolist()):
                if synapse >= 0:
                    of_synapse[synapse].append(f"{spec.name} {value:.3g}")
    most = max(float(wiring.count.max(initial=1.0)), 1e-9)
    found = []
    for i in range(wiring.n_synapses):
        kind, sign = KINDS.get(int(wiring.kind[i]), "chemical"), int(wiring.sign[i])
        what = "gap junction" if kind == "gap" else f"{kind} synapse, {WORDS[sign]}"
        count = f"{wiring.count[i]:g} contacts" if wiring.count[i] != 1 else ""
        found.append(
            {
                "pre": int(wiring.pre[i]),
                "post": int(wiring.post[i]),
                "kind": kind,
                "sign": sign,
                "count": float(wiring.count[i]),
                "width": round(0.7 + 3.3 * float(np.sqrt(wiring.count[i] / most)) * (most > 1), 2),
                "about": "; ".join(filter(None, [what, count, *of_synapse[i]])) + ".",
            }
        )
    return found


def _sliders(wiring: Wiring, x: NDArray[Any]) -> list[dict[str, Any]]:
    found = []
    for k, name in enumerate(wiring.inputs):
        low, high = (float(x[:, k].min()), float(x[:, k].max())) if len(x) else (-1.0, 1.0)
        room = 0.25 * (high - low) or 1.0
        low, high = float(f"{low - room:.4g}"), float(f"{high + room:.4g}")
        start = float(np.clip(float(x[:, k].mean()) if len(x) else 0.0, low, high))
        found.append({"name": name, "low": low, "high": high, "start": start})
    return found


def _counted(wiring: Wiring) -> str:
    return f"{wiring!r}".removeprefix("Wiring(").removesuffix(")")


def _part(name: str) -> str:
    return resources.files("wormnet.live").joinpath(name).read_text(encoding="utf-8")


def _script(value: Any) -> str:
    """JSON that may stand in a page, where </script> would end it."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _inline(code: str) -> str:
    return code.replace("</script", "<\\/script")
