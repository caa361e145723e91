"""Tables of what a layer is made of."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from wormnet.wiring import atlas
from wormnet.wiring.core import KINDS, Wiring
from wormnet.wiring.files import synapse_rows
from wormnet.wiring.measure import degree

if TYPE_CHECKING:
    from wormnet.models.equation import Model
    from wormnet.nn.parameters import Table

__all__ = ["Description", "describe", "parameters_of"]

SHOWN = 40
"""Rows of neurons that printing shows; all are in `neurons`."""


@dataclass(frozen=True)
class Description:
    """What a layer is made of. Print it; or read the rows, each a dict (pandas.DataFrame(d.neurons) works).

    Attributes:
        title: one line.
        neurons: name, role, layer, whether it is an output, how many synapses it receives and sends.
        synapses: pre, post, kind, sign, count.
        parameters: name, shape, how many numbers, unit, constraint, meaning.
        n_parameters: how many numbers are trained in all.
    """

    title: str
    neurons: list[dict[str, Any]]
    synapses: list[dict[str, Any]]
    parameters: list[dict[str, Any]]
    n_parameters: int

    def __str__(self) -> str:
        from rich.console import Console
        from rich.table import Table as RichTable

        out = Console(file=io.StringIO(), width=110, color_system=None)
        out.print(self.title, highlight=False)
        hidden = len(self.neurons) - SHOWN
        for name, rows in (("Neurons", self.neurons[:SHOWN]), ("Parameters", self.parameters)):
            table = RichTable(title=name, title_justify="left", box=None, pad_edge=False)
            for column in rows[0] if rows else ():
                table.add_column(column, justify="right" if isinstance(rows[0][column], int) else "left")
            for row in rows:
                table.add_row(*(str(value) for value in row.values()))
            out.print(table)
            if name == "Neurons" and hidden > 0:
                out.print(f"... and {hidden} more neurons", highlight=False)
        assert isinstance(out.file, io.StringIO)
        return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


def describe(wiring: Wiring, model: "Model", table: "Table", module: nn.Module, backend: str) -> Description:
    """The tables of a layer."""
    received, sent = degree(wiring)
    outputs = set(wiring.outputs)
    neurons = [
        {
            "neuron": name,
            "role": wiring.roles[i],
            "layer": int(wiring.layers[i]),
            "output": "yes" if name in outputs else "",
            "receives": int(received[i + wiring.n_inputs]),
            "sends": int(sent[i + wiring.n_inputs]),
        }
        for i, name in enumerate(wiring.neurons)
    ]
    parameters = [
        {
            "parameter": spec.name,
            "per": spec.over if isinstance(spec.over, str) else " x ".join(map(str, spec.over)),
            "numbers": int(np.prod(table.shapes[spec.name])),
            "unit": spec.unit,
            "constraint": spec.constraint or "",
            "meaning": spec.meaning,
        }
        for spec in table.specs.values()
    ]
    for name, child in module.named_children():
        numbers = sum(p.numel() for p in child.parameters())
        parameters.append(
            {"parameter": name, "per": "", "numbers": numbers, "unit": "1", "constraint": "", "meaning": str(child)}
        )
    total = sum(p.numel() for p in module.parameters() if p.requires_grad)
    title = f"{model.name} on {wiring}: {total} trained parameters, {backend}"
    return Description(title, neurons, synapse_rows(wiring), parameters, total)


def parameters_of(wiring: Wiring, table: "Table", values: dict[str, Tensor], neuron: str) -> dict[str, Any]:
    """What is set at one neuron; see Recurrent.parameters_of."""
    neuron = atlas.one_of("neuron", neuron, wiring.neurons)
    number, cell = wiring.neurons.index(neuron), wiring.cell(neuron)
    found: dict[str, Any] = {}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    output = wiring.outputs.index(neuron) if neuron in wiring.outputs else None
    for name, spec in table.specs.items():
        if spec.over == "neuron":
            found[name] = values[name][number].item()
        elif spec.over == "output" and output is not None:
            found[name] = values[name][output].item()
        elif isinstance(spec.over, tuple) and spec.over[0] == "neuron":
            found[name] = values[name][number].tolist()
        elif spec.over in table.synapse:
            for place, pre, synapse in _received(wiring, table, str(spec.over), cell):
                kind = "own state" if synapse < 0 else KINDS[wiring.kind[synapse]]
                row = rows.setdefault((pre, kind), {"pre": pre, "kind": kind})
                if synapse >= 0:
                    row |= {"sign": int(wiring.sign[synapse]), "count": float(wiring.count[synapse])}
                row[name] = values[name][place].item()
    found["receives"] = list(rows.values())
    return found


def _received(wiring: Wiring, table: "Table", over: str, cell: int) -> list[tuple[int, str, int]]:
    """(place among the parameter's values, sender, synapse) of what a neuron receives."""
    if over == "connection":
        links = table.links
        places = np.flatnonzero(links.post == cell - wiring.n_inputs)
        return [(int(i), wiring.cells[links.pre[i]], int(links.synapse[i])) for i in places]
    synapse, found = table.synapse[over], []
    for place in np.flatnonzero((wiring.post[synapse] == cell) | ((over == "gap") & (wiring.pre[synapse] == cell))):
        s = int(synapse[place])
        other = wiring.pre[s] if wiring.post[s] == cell else wiring.post[s]
        found.append((int(place), wiring.cells[other], s))
    return found
