"""The reference engine: a program on torch tensors, sample after sample. Slow, differentiable twice, in any dtype."""

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.constants import kept, shown
from wormnet.engine.layout import Layout, Table
from wormnet.engine.program import Part
from wormnet.engine.samples import Samples
from wormnet.errors import BackendError
from wormnet.models.equation import DenseUpdate
from wormnet.models.spec import Values

__all__ = ["Reference", "States"]

States = tuple[Tensor, ...]
"""(batch, neurons) for each state"""


class _Edges(NamedTuple):
    """Edges from one kind of sender into some neurons, as index tensors."""

    pre: Tensor
    post: Tensor
    edge: Tensor


class _Tables(NamedTuple):
    """All index tables of a layout on a device."""

    places: dict[str, Tensor]
    """see `Layout.places_of`"""
    neurons: list[Tensor]
    """those of each layer"""
    edges: dict[tuple[int, int, str, int | None], _Edges]
    """by part, kind, sender and layer (None for all layers at once)"""


@dataclass(frozen=True, eq=False)
class Reference:
    """Runs a program on a wiring; for_graph: in operators that torch.onnx keeps as they are."""

    layout: Layout
    for_graph: bool = False
    ready: dict[str, "_Tables"] = field(default_factory=dict, repr=False)

    def _tables(self, device: torch.device) -> "_Tables":
        """The index tables on a device, made once."""
        return self.ready[str(device)] if str(device) in self.ready else self.prepare(device)

    def prepare(self, device: torch.device) -> "_Tables":
        """Make the index tables on a device now, rather than in a call, which may be traced."""
        self.ready[str(device)] = _tables_of(self.layout, device)
        return self.ready[str(device)]

    def __call__(
        self,
        coefficients: Values,
        samples: Samples,
        states: States,
        initial: States | None,
        keep: Tensor | None,
        *,
        training: bool = False,
    ) -> tuple[Tensor, States]:
        """Run the sequences; see `engine.dispatch.Run`."""
        if torch._C._get_tracing_state() is not None:
            raise BackendError(
                "the reference engine runs sample by sample, so torch.jit.trace would keep the number of samples of "
                'this one call. Trace a layer with backend="cpu" or "gpu", or use torch.export.'
            )
        tables, device = self._tables(samples.x.device), samples.x.device
        packed = self.layout.pack(coefficients, tables.places)
        p = self.layout.unpack(packed)
        valid, outputs = samples.valid(), []
        if samples.starts is not None and initial is None:
            initial = tuple(torch.zeros_like(one) for one in states)
        for t in range(samples.x.shape[1]):
            before = states
            if samples.starts is not None and initial is not None:
                begins = samples.starts[:, t : t + 1]
                states = tuple(torch.where(begins, i, s) for i, s in zip(initial, states, strict=True))
            new = self.step(p, states, samples.x[:, t], samples.dt_at(t), training=training)
            if valid is not None:
                new = tuple(torch.where(valid[:, t : t + 1], n, s) for n, s in zip(new, before, strict=True))
            states = new
            outputs.append(states[0] if keep is None else states[0][:, keep])
        if not outputs:
            # Sums of nothing: results that no sample has touched depend on what is given all the same, as elsewhere.
            nothing = packed[:0].sum() + samples.x.sum() + samples.dt[:, :0].sum()
            width = states[0].shape[1] if keep is None else keep.shape[0]
            y = states[0].new_zeros(states[0].shape[0], 0, width) + nothing
            return y, tuple(one + nothing for one in states)
        y = torch.stack(outputs, 1)
        if valid is not None:
            y = torch.where(valid[:, :, None], y, torch.zeros((), dtype=y.dtype, device=device))
        return y, states

    def step(self, p: Any, states: States, x: Tensor, dt: Tensor, *, training: bool = False) -> States:
        """Advance states (batch, neurons) by one sample x (batch, width of a sample) that lasted dt (batch, 1)."""
        for part, (nodes, groups) in zip(self.layout.program.parts, p, strict=True):
            if isinstance(part.update, DenseUpdate):
                states = self._dense(part, nodes, groups, states, x, dt, training)
            elif part.update.solver is None:
                states = self._layers(part, nodes, groups, states, x, dt)
            else:
                states = self._solve(part, nodes, groups, states, x, dt)
        return states

    def _inputs(self, x: Tensor, *, mapped: bool) -> Tensor:
        n = self.layout.wiring.n_inputs
        return x[:, :n] if mapped else x[:, -n:] if n else x[:, :0]

    def _dense(
        self, part: Part, nodes: list[Tensor], groups: list[list[Tensor]], states: States, x: Tensor, dt: Tensor,
        training: bool,
    ) -> States:  # fmt: skip
        update = part.update
        assert isinstance(update, DenseUpdate)
        z = torch.cat([self._inputs(x, mapped=update.mapped), states[part.reads[0]]], 1)
        for weight, bias in groups[:-1]:
            z = torch.nn.functional.linear(z, weight, bias)
            z = update.activation(z)[0] if update.activation else z
            z = torch.nn.functional.dropout(z, update.dropout, training)
        sums = torch.nn.functional.linear(z, *groups[-1]).chunk(len(update.sums), 1)
        return self._set(part, states, update.node(*self._own(part, states), *sums, *nodes, dt))

    def _layers(
        self, part: Part, nodes: list[Tensor], groups: list[list[Tensor]], states: States, x: Tensor, dt: Tensor
    ) -> States:
        n_layers = len(self._tables(x.device).neurons) if part.update.layered else 1  # pyright: ignore
        x = self._inputs(x, mapped=True)
        own = len(part.update.coefficients)
        for layer in range(n_layers):
            chosen = None if n_layers == 1 else shown(self._tables(x.device).neurons[layer])
            picked = [one if chosen is None else one[chosen] for one in nodes]
            sums = self._sums(part, groups, picked[own:], x, states, layer if n_layers > 1 else None, "all")
            mine = tuple(one if chosen is None else one[:, chosen] for one in self._own(part, states))
            states = self._set(part, states, part.update.node(*mine, *sums, *picked[:own], dt), chosen)
        return states

    def _solve(
        self, part: Part, nodes: list[Tensor], groups: list[list[Tensor]], states: States, x: Tensor, dt: Tensor
    ) -> States:
        update, width = part.update, len(part.states)
        assert not isinstance(update, DenseUpdate)
        assert update.solver is not None
        capacitances, coefficients = nodes[:width], nodes[width : width + len(update.coefficients)]
        h = dt / update.unfolds
        brought = self._sums(part, groups, nodes[width + len(update.coefficients) :], self._inputs(x, mapped=True),
                             states, None, "input")  # fmt: skip
        for _ in range(update.unfolds):
            ys = [states]
            for stage in update.solver.stages:
                now = ys[-1]
                sums = self._sums(part, groups, brought, x, now, None, "neuron")
                terms = update.node(*self._own(part, now), *sums, *coefficients)
                new = []
                for k, state in enumerate(part.states):
                    before = (y[state] for y in ys)
                    new.append(stage.advance(*before, capacitances[k], terms[2 * k], terms[2 * k + 1], h)[0])
                ys.append(self._set(part, now, tuple(new)))
            states = ys[-1]
        return states

    def _sums(
        self, part: Part, groups: list[list[Tensor]], starts: Any, x: Tensor, states: States, layer: int | None,
        senders: str,
    ) -> list[Tensor]:  # fmt: skip
        """The sums of some neurons over edges from inputs, from neurons, or from all."""
        tables = self._tables(x.device)
        n = self.layout.wiring.n_neurons if layer is None else tables.neurons[layer].shape[0]
        batch = x.shape[0]
        sums = [start.expand(batch, n) if start.dim() == 1 else start for start in starts]
        for sender in ("input", "neuron") if senders == "all" else (senders,):
            for kind, edge in enumerate(part.update.edges):  # pyright: ignore[reportAttributeAccessIssue]
                edges = tables.edges[part.number, kind, sender, layer]
                edges = _Edges(shown(edges.pre), shown(edges.post), shown(edges.edge))
                if not edges.edge.shape[0]:
                    continue
                u = x if sender == "input" else states[part.reads[kind]]
                added = edge.edge(u[:, edges.pre], *(one[edges.edge] for one in groups[kind]))
                for number, values in zip(part.added(edge), added if isinstance(added, tuple) else (added,)):
                    full = values.expand(batch, edges.edge.shape[0])
                    sums[number] = self._added(sums[number], edges.post, full)
        return sums

    def _added(self, sums: Tensor, post: Tensor, values: Tensor) -> Tensor:
        if self.for_graph:
            # The optimizer of torch.onnx (onnxscript 0.7) takes an index_add whose indices are all different, and reach
            # everything, for an assignment, and so loses what was there.
            return sums.scatter_add(1, post.expand(values.shape), values)
        return sums.index_add(1, post, values)

    def _own(self, part: Part, states: States) -> States:
        return tuple(states[number] for number in part.states)

    def _set(self, part: Part, states: States, new: Any, chosen: Tensor | None = None) -> States:
        """The states with those of a part replaced."""
        result, new = list(states), new if isinstance(new, tuple) else (new,)
        for number, value in zip(part.states, new, strict=False):
            value = value.expand_as(states[number] if chosen is None else states[number][:, chosen])
            result[number] = value if chosen is None else states[number].index_copy(1, chosen, value)
        return tuple(result)


def _tables_of(layout: Layout, device: torch.device) -> _Tables:
    """All index tables of a layout."""
    neurons = [layout.order[a:b] for a, b in itertools.pairwise(layout.layers)]
    edges = {}
    for i, (part, tables) in enumerate(zip(layout.program.parts, layout.tables, strict=True)):
        layered = range(len(neurons)) if not part.dense and part.update.layered else ()  # pyright: ignore
        for kind, table in enumerate(tables):
            for sender, chosen in (("input", table.from_input), ("neuron", ~table.from_input)):
                for layer in (None, *layered):
                    mine = None if layer is None else neurons[layer]
                    edges[i, kind, sender, layer] = _edges(table, chosen, mine, device)
    return _Tables(layout.places_of(device), [kept(one, device) for one in neurons], edges)


def _edges(table: Table, chosen: np.ndarray, neurons: np.ndarray | None, device: torch.device) -> _Edges:
    """The chosen edges into some neurons, which are numbered anew; None for all."""
    place = np.arange(len(table.middle))
    if neurons is not None:
        place = np.full(len(table.middle), -1)
        place[neurons] = np.arange(len(neurons))
    found = np.flatnonzero(chosen & (place[table.post] >= 0))
    return _Edges(kept(table.pre[found], device), kept(place[table.post[found]], device), kept(found, device))
